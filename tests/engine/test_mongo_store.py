"""A pipeline whose rows and catalog are in a MongoDB comes to the same as one whose rows are in files."""

from __future__ import annotations

from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

from engine.errors import ConfigError
from engine.explain import lineage
from engine.names import new_id
from engine.notebook import bundle, ingest, raw
from engine.records import quarantine
from engine.upkeep import fsck, gc

APPEND = ("    key: [id]\n", "    key: [id]\n    mode: append\n    expect: [{use: not_null, columns: [height]}]\n")


@pytest.fixture
def kept(shapes, mongo_uri):
    """A project that grows by files, and the overrides that name a fresh database."""
    shapes.pipeline(APPEND)
    name = f"levada_{new_id().replace('-', '')}"
    return shapes, ("store=mongo", f"store.uri={mongo_uri}", f"store.database={name}")


def test_each_file_is_a_batch_once_and_rows_are_counted_in_and_out(kept):
    shapes, store = kept
    first, second = (ingest("shapes", *store).summary["datasets"][0] for _ in range(2))
    assert (first["new"], second["new"]) == (3, 0)
    assert (first["rows"], first["quarantined"]) == (52, 8)
    shapes.write("data/shapes-3.csv", shapes.rows(61, 5) + "99,red\n")
    third = ingest("shapes", *store).summary["datasets"][0]
    assert (third["new"], third["new_rows"], third["new_quarantined"]) == (1, 4, 2)
    assert not (shapes.folder / ".levada/raw").exists()
    assert not (shapes.folder / ".levada/catalog.sqlite").exists()
    (unread,) = (reason for reason in quarantine(shapes.load(*store).store)["reasons"] if "line" in reason["check"])
    assert (Path(unread["source"]).name, unread["check"]) == ("shapes-3.csv", "line 7: 2 fields, expected 5")


def test_rows_features_and_answers_are_those_of_a_store_in_files(kept):
    shapes, store = kept
    there, here = shapes.run(*store, "assess=true"), shapes.run("assess=true")
    where = ["__batch__"]
    assert_frame_equal(raw("shapes", *store).drop(where).collect(), raw("shapes").drop(where).collect())
    assert_frame_equal(there.features().collect(), here.features().collect())
    assert there.metrics == here.metrics
    rows = raw("shapes").collect()
    assert_frame_equal(bundle("shapes", *store).predict(rows), bundle("shapes").predict(rows))
    assert there.summary["condition"]["datasets"] == here.summary["condition"]["datasets"]
    assert shapes.ran(shapes.run(*store)) == {}


def test_a_model_leads_back_to_every_file(kept):
    shapes, store = kept
    run = shapes.run(*store)
    found = lineage(shapes.load(*store).store, run.execution.artifact(run.compiled.model).digest)
    named = [Path(text).name for depth, text in found["from"] if depth == 1]
    assert named == ["shapes-0.csv", "shapes-1.csv", "shapes-2.csv"]


def test_all_is_as_it_was_written_and_nothing_is_to_be_cleared_away(kept):
    shapes, store = kept
    shapes.run(*store)
    place = shapes.load(*store).store
    assert fsck(place)["errors"] == 0
    assert gc(place, 0)["files"] == []


def test_a_store_in_a_mongodb_needs_its_address_and_no_password_in_clear(shapes):
    with pytest.raises(ConfigError, match=r"store.uri|uri"):
        shapes.load("store=mongo")
    with pytest.raises(ConfigError, match="stands in clear") as caught:
        shapes.load("store=mongo", "store.uri=mongodb://me:sesame@127.0.0.1/")
    assert "sesame" not in str(caught.value)
