"""The rows of each part of a view, as they are given to whoever asks."""

from __future__ import annotations

from contextlib import chdir

import polars as pl
import pytest

from engine import LevadaError, Segregation, load, segregate
from engine.errors import ConfigError, DataError, UnknownName
from engine.plugin import PARTS
from tests.conftest import Shapes
from tests.engine.test_notebook import Cells

SPLITTERS = [
    ["splitter=random"],
    ["splitter=stratified"],
    ["splitter=hash"],
    ["splitter=group", "splitter.columns=[colour, width]"],
    ["splitter=chronological", "splitter.column=id"],
    ["splitter=k_fold", "splitter.folds=3"],
    ["splitter=stratified_k_fold", "splitter.fold=1"],
    ["splitter=group_k_fold"],
]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Shapes:
    """A project whose features are made; for tests that ask for parts of them."""
    found = Shapes.create(tmp_path_factory.mktemp("project"))
    with chdir(found.folder):
        segregate("shapes")
    return found


@pytest.fixture
def there(project: Shapes, monkeypatch: pytest.MonkeyPatch) -> Shapes:
    """That project; the test stands in its folder."""
    monkeypatch.chdir(project.folder)
    return project


def ids(found: Segregation, part: str) -> list[int]:
    return found.split(part).rows.collect()["id"].to_list()


@pytest.mark.usefixtures("there")
@pytest.mark.parametrize("overrides", SPLITTERS, ids=lambda words: words[0].partition("=")[2])
def test_every_row_is_in_one_part_in_the_order_of_the_view_and_again_in_the_same(overrides):
    found = segregate("shapes", *overrides)
    rows = {part: ids(found, part) for part in PARTS}
    assert sorted(number for own in rows.values() for number in own) == list(range(1, 61))
    assert all(own == sorted(own) for own in rows.values())
    assert {entry["part"]: entry["rows"] for entry in found.parts} == {part: len(own) for part, own in rows.items()}
    assert {part: found.split(part).count for part in PARTS} == {part: len(own) for part, own in rows.items()}
    again = segregate("shapes", *overrides)
    assert {part: ids(again, part) for part in PARTS} == rows


@pytest.mark.usefixtures("there")
def test_random_parts_have_exactly_their_shares():
    found = segregate("shapes", "splitter=random", "splitter.train=0.5", "splitter.validation=0.3")
    assert [entry["rows"] for entry in found.parts] == [30, 18, 12]


@pytest.mark.usefixtures("there")
def test_rows_come_with_the_target_or_without():
    found = segregate("shapes")
    labelled, bare = (found.split("train", labels=labels).rows for labels in (True, False))
    assert isinstance(bare, pl.LazyFrame)
    assert labelled.collect_schema().names() == ["id", "colour", "width", "height", "kind", "area"]
    assert bare.collect().equals(labelled.drop("kind").collect())


@pytest.mark.usefixtures("there")
def test_a_part_without_a_share_has_no_rows_and_another_word_is_no_part():
    found = segregate("shapes", "splitter.train=0.8", "splitter.validation=0.0")
    assert (found.split("validation").count, found.split("validation").rows.collect().height) == (0, 0)
    with pytest.raises(UnknownName, match="unknown part 'tset'"):
        found.split("tset")


def test_only_what_is_needed_is_done_and_a_run_takes_it_over(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shapes = Shapes.create(tmp_path)
    found = segregate("shapes")
    with shapes.catalog() as catalog:
        labels = {memory.label for memory in catalog.remembered()}
        (record,) = catalog.runs()
    assert labels == {"shapes.ingest", "shapes.features", "view.segregate", "view.assign", "view.sketch", "view.judge"}
    assert (record.status, record.summary["kind"], record.summary["split"]) == ("done", "split", found.parts)
    run = shapes.run()
    assert not labels & set(shapes.ran(run))
    assert run.split("test", labels=False).rows.collect().equals(found.split("test", labels=False).rows.collect())
    assert run.segregation.warnings == found.warnings
    assert [one["code"] for one in run.summary["warnings"]] == [one.code for one in found.warnings]


def test_a_row_keeps_its_side_when_a_batch_is_added(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shapes = Shapes.create(tmp_path)
    before = segregate("shapes")
    shapes.write("data/shapes-3.csv", shapes.rows(61, 20))
    after = segregate("shapes")
    for part in PARTS:
        assert [number for number in ids(after, part) if number <= 60] == ids(before, part)


@pytest.mark.usefixtures("there")
def test_warnings_come_with_the_rows_that_they_are_about():
    found = segregate("shapes")
    assert {(one.code, one.numbers["part"]) for one in found.warnings} >= {("small_part", "validation"), ("small_part", "test")}
    assert {one.numbers.get("part") for one in found.split("test").warnings} == {"test"}


def test_a_strict_splitter_stops_a_run_before_anything_is_learned(there):
    with pytest.raises(DataError, match="splitter is strict") as raised:
        segregate("shapes", "splitter.strict=true")
    assert "test has only" in raised.value.found
    with pytest.raises(LevadaError) as again:
        there.run("splitter.strict=true", "model.var_smoothing=0.123")
    assert (again.value.found, again.value.exit_code) == (raised.value.found, 3)
    with there.catalog() as catalog:
        assert not any(memory.label.startswith("model.") for memory in catalog.remembered())
        assert [run.status for run in catalog.runs(2)] == ["failed", "failed"]
        assert {one["code"] for one in catalog.runs(1)[0].summary["warnings"]} >= {"small_part"}


@pytest.mark.usefixtures("there")
def test_a_column_to_watch_is_looked_for_before_anything_is_read():
    with pytest.raises(ConfigError, match="colr") as raised:
        segregate("shapes", "splitter.watch=[colr]")
    assert "splitter.watch" in raised.value.where
    found = segregate("shapes", "splitter.watch=[colour]")
    one = next(one for one in found.warnings if one.code == "keys_on_both_sides")
    assert one.numbers["columns"] == ["colour"]


@pytest.mark.usefixtures("there")
def test_parts_and_rows_show_themselves_in_a_notebook():
    found = segregate(load(["pipeline=shapes"]))
    assert [row[0] for row in Cells(found._repr_html_()).rows] == ["part", *PARTS]
    shown = found.split("test")._repr_html_()
    assert "small_part" in shown
    assert "shape: (5, 6)" in shown
    assert (repr(found.split("test"))[:12], repr(found)[:24]) == ("<Split test:", "<Segregation of shapes: ")
