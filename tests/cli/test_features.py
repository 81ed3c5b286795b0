"""``levada features`` lists versions, explains columns, shows rows and writes them."""

from __future__ import annotations

import json
import shutil
from contextlib import chdir
from pathlib import Path

import polars as pl
import pytest

from engine.cli import run
from tests.conftest import Shapes


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> Shapes:
    """A project with a time, whose pipeline has run twice: a file came in between. For tests that only look."""
    shapes = Shapes.create(tmp_path_factory.mktemp("twice"))
    shapes.pipeline(
        ("    key: [id]\n", "    key: [id]\n    mode: append\n    time: id\n"),
        ("view:\n", "view:\n  describe: {area: what a shape covers}\n"),
        ('wide: "width > 5"', 'wide: "width > 5", store: "id"'),
    )
    with chdir(shapes.folder):
        shapes.run()
        shapes.write("data/shapes-3.csv", shapes.rows(61, 20))
        shapes.run()
    return shapes


@pytest.fixture
def ran(twice: Shapes, monkeypatch: pytest.MonkeyPatch) -> Shapes:
    """That project; the test stands in its folder."""
    monkeypatch.chdir(twice.folder)
    return twice


@pytest.fixture
def said(ran, capsys):  # noqa: ARG001  it stands in the project's folder
    """Run ``levada features`` with arguments, which must go well, and return what it said."""
    capsys.readouterr()

    def say(*arguments: str) -> str:
        assert run(["features", *arguments]) == 0
        return capsys.readouterr().out

    return say


def test_versions_are_listed_in_words_and_as_json(said):
    old, new = json.loads(said("--json"))
    assert (old["view"], old["rows"], new["rows"], new["batches"], new["first"], new["last"]) == (
        "shapes",
        60,
        80,
        4,
        "1",
        "80",
    )
    lines = said("shapes").splitlines()
    assert lines[0].split()[:4] == ["version", "view", "definition", "batches"]
    assert [line.split()[0] for line in lines[1:]] == [old["id"], new["id"]]
    assert json.loads(said("shapes", f"version={old['id'][:23]}", "--json")) == [old]
    assert json.loads(said("shapes", "as_of=shapes:3", "--json")) == [old]


def test_the_schema_says_what_columns_mean_and_where_they_come_from(said):
    found = json.loads(said("shapes", "--schema", "--json"))
    (area,) = (one for one in found["columns"] if one["name"] == "area")
    assert (area["raw"], area["description"]) == (["shapes.height", "shapes.width"], "what a shape covers")
    (line,) = (line for line in said("shapes", "--schema").splitlines() if line.startswith("area "))
    for text in ("Float64", "shapes.height, shapes.width", "derive (area: width * height)", "what a shape covers"):
        assert text in line


def test_rows_of_a_range_are_shown_and_written(said, ran):
    asked = ("shapes", "since=11", "until=51", "colour=red", "colour=blue", "kind=a")
    rows = json.loads(said(*asked, "--json", "--rows", "100"))
    assert rows
    assert all(11 <= row["id"] < 51 and row["colour"] != "green" and row["kind"] == "a" for row in rows)
    assert f"{len(rows) - 3} more" in said(*asked, "--rows", "3")
    for ending, read in (("parquet", pl.read_parquet), ("csv", pl.read_csv)):
        out = str(ran.folder / f"out.{ending}")
        assert said(*asked, "--out", out) == f"{len(rows)} rows written to {out}\n"
        assert read(out)["id"].to_list() == [row["id"] for row in rows]


def test_a_store_is_named_by_overrides_and_everything_else_is_a_column(said):
    assert json.loads(said("shapes", "id=7", "--json", "store.root=.levada", "pipeline=shapes"))[0]["id"] == 7


@pytest.mark.usefixtures("ran")
@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["shapes", "more"], 2, "one word too many: 'more'"),
        (["since=3"], 2, "of which view?"),
        (["--schema"], 2, "of which view?"),
        (["shapes", "--all"], 2, "unknown flag '--all'"),
        (["shapes", "colr=red"], 2, "unknown column 'colr'"),
        (["shapes", "since=early"], 2, "'early' is no value of the column id"),
        (["shapes", "--out", "x.txt"], 2, "Parquet, CSV or Arrow"),
        (["shapse"], 2, "did you mean 'shapes'?"),
        (["shapes", "version=zz", "--schema"], 3, "has no version 'zz'"),
        (["shapes", "store.root=elsewhere"], 3, "there is no store at"),
        (["shapes", "store.keep_features=x"], 2, "a number of versions"),
    ],
)
def test_mistakes_are_answered_in_words(arguments, code, says, capsys):
    assert run(["features", *arguments]) == code
    assert says in capsys.readouterr().err


def test_a_store_without_features_says_so(shapes, capsys):
    from engine.intake import ingest_pipeline

    ingest_pipeline(shapes.load())
    assert run(["features"]) == 0
    assert capsys.readouterr().out == "no features yet\n"
    assert run(["features", "shapes"]) == 2


def test_gc_says_which_versions_go(said, ran, tmp_path, monkeypatch, capsys):
    ran = Shapes(Path(shutil.copytree(ran.folder, tmp_path / "own")))
    monkeypatch.chdir(ran.folder)
    assert run(["gc", "--grace", "0s"]) == 0
    assert "nothing to clear away" in capsys.readouterr().out
    ran.pipeline(("    key: [id]\n", "    key: [id]\n    mode: append\n"))
    ran.run()
    assert run(["gc", "--grace", "0s", "--delete", "store.keep_features=1"]) == 0
    assert "2 versions of features" in capsys.readouterr().out
    assert said("shapes").count("cleared away") == 2
