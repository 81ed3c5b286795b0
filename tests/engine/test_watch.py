"""A pipeline follows the announcements of its datasets."""

from __future__ import annotations

import shutil

import pytest

from engine.intake import ingest_pipeline
from engine.runs import run_pipeline
from engine.watch import turn_of, watch

JOINED = (
    ("    key: [id]\n", "    key: [id]\n    mode: append\n"),
    ("view:\n", "  paints: {extract: {use: csv, path: data/paints.csv}}\nview:\n"),
    ("  from: shapes\n", "  from: shapes\n  join:\n    - {with: paints, on: [colour]}\n"),
)


@pytest.fixture
def joined(shapes):
    shapes.write("data/paints.csv", "colour,price\nred,1\nblue,2\n")
    shapes.pipeline(*JOINED)
    return shapes


def turns(project, *overrides):
    """Return what was announced and not seen yet."""
    return list(watch(project.load(*overrides), once=True))


def ran(turn):
    """Return the run that a turn asks for."""
    run = run_pipeline(turn.spec)
    run.raise_failure()
    return run


def test_nothing_runs_before_every_dataset_has_a_batch(joined):
    assert [turn.missing for turn in turns(joined)] == [("shapes", "paints")]
    ingest_pipeline(joined.load(), ["shapes"])
    assert [turn.missing for turn in turns(joined)] == [("paints",)]
    ingest_pipeline(joined.load(), ["paints"])
    (turn,) = turns(joined)
    assert sorted(batch.dataset for batch in turn.batches) == ["paints", "shapes", "shapes", "shapes"]
    assert ran(turn).features().collect().height == 60


def test_what_was_seen_is_not_seen_again_and_what_is_new_runs_alone(joined):
    ingest_pipeline(joined.load())
    (first,) = turns(joined)
    assert joined.ran(ran(first))["shapes.features"] == 3
    assert turns(joined) == []
    joined.write("data/shapes-3.csv", joined.rows(61, 20))
    assert turns(joined) == [], "sources are not looked at"
    ingest_pipeline(joined.load())
    (second,) = turns(joined)
    assert [batch.sequence for batch in second.batches] == [4]
    assert joined.ran(ran(second))["shapes.features"] == 1


def test_a_run_needs_no_sources(joined):
    ingest_pipeline(joined.load())
    shutil.rmtree(joined.folder / "data")
    (turn,) = turns(joined)
    assert ran(turn).summary["status"] == "done"


def test_each_configuration_is_told_of_everything(joined):
    ingest_pipeline(joined.load())
    assert len(turns(joined)) == len(turns(joined, "splitter.seed=7")) == 1
    assert turns(joined, "splitter.seed=7") == []


def test_announcements_of_other_datasets_start_nothing(joined):
    ingest_pipeline(joined.load())
    turns(joined)
    joined.write("data/others.csv", "a\n1\n")
    joined.pipeline(
        *JOINED, ("datasets:\n", "datasets:\n  others: {extract: {use: csv, path: data/others.csv}}\n"), name="more"
    )
    ingest_pipeline(joined.load(name="more"), ["others"])
    assert turns(joined) == []


def test_a_turn_that_was_interrupted_begins_again(joined):
    ingest_pipeline(joined.load())
    following = watch(joined.load(), once=True)
    assert next(following).spec is not None
    following.close()  # before the turn is over for whoever asked
    assert len(turns(joined)) == 1


def test_what_is_there_and_not_announced_yet_is_looked_at_too(joined):
    """Between two datasets' announcements a run must not look from a point at which one of them was not there yet."""
    ingest_pipeline(joined.load(), ["shapes"])
    ingest_pipeline(joined.load(), ["paints"])
    with joined.catalog() as catalog:
        batches = catalog.batches()
    announced = [batch.id for batch in batches if batch.dataset == "shapes"]
    turn = turn_of(joined.load(), announced, batches)
    assert [batch.id for batch in turn.batches] == announced
    assert ran(turn).summary["status"] == "done"
