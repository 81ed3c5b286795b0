"""``levada split`` says how rows are divided, what is doubtful about it, and writes a part."""

from __future__ import annotations

import json
from contextlib import chdir

import polars as pl
import pytest

from engine.cli import run
from tests.conftest import Shapes


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Shapes:
    """A project whose features are made."""
    found = Shapes.create(tmp_path_factory.mktemp("split"))
    with chdir(found.folder):
        assert run(["split", "pipeline=shapes"]) == 0
    return found


@pytest.fixture
def said(project, monkeypatch, capsys):
    """Run ``levada split`` with arguments, which must go well, and return what it said."""
    monkeypatch.chdir(project.folder)
    capsys.readouterr()

    def say(*arguments: str) -> str:
        assert run(["split", "pipeline=shapes", *arguments]) == 0
        return capsys.readouterr().out

    return say


def test_parts_are_counted_and_what_is_doubtful_is_said(said, project):
    lines = said().splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["part", "train", "validation", "test"]
    assert lines[0].split()[1:] == ["rows", "share", "a", "b"]
    assert sum(int(line.split()[1]) for line in lines[1:4]) == 60
    assert any(line.startswith("warning  test has only") for line in lines)
    assert not list(project.folder.glob("shapes-*"))


@pytest.mark.parametrize(
    ("words", "name", "read"),
    [
        ((), "shapes-test.parquet", pl.read_parquet),
        (("format=csv",), "shapes-test.csv", pl.read_csv),
        (("format=arrow", "splitter.seed=4"), "shapes-test.arrow", pl.read_ipc),
        (("--out", "mine.csv"), "mine.csv", pl.read_csv),
    ],
)
def test_a_part_is_written_as_it_is_asked_for(said, project, words, name, read):
    found = json.loads(said("part=test", "labels=false", *words, "--json"))
    assert found["written"] == {"part": "test", "file": name, "rows": found["split"][2]["rows"]}
    rows = read(project.folder / name)
    (project.folder / name).unlink()
    assert rows.columns == ["id", "colour", "width", "height", "area"]
    assert rows.height == found["written"]["rows"]
    assert {warning["severity"] for warning in found["warnings"]} <= {"info", "warning", "error"}


def test_rows_have_their_labels_unless_they_are_unwanted(said, project):
    assert said("part=validation").splitlines()[-1].endswith("rows written to shapes-validation.parquet")
    assert "kind" in pl.read_parquet_schema(project.folder / "shapes-validation.parquet")


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["part=tset"], 2, "did you mean 'test'?"),
        (["part=test", "format=cvs"], 2, "did you mean 'csv'?"),
        (["part=test", "labels=maybe"], 2, "true or false"),
        (["part=test", "--out", "x.txt"], 2, "Parquet, CSV or Arrow"),
        (["format=csv"], 2, "which part is to be written?"),
        (["--out", "x.csv"], 2, "which part is to be written?"),
        (["--all"], 2, "unknown flag '--all'"),
        (["splitter.strict=true"], 3, "the splitter is strict"),
    ],
)
def test_mistakes_are_answered_in_words(project, arguments, code, says, capsys, monkeypatch):
    monkeypatch.chdir(project.folder)
    assert run(["split", "pipeline=shapes", *arguments]) == code
    assert says in capsys.readouterr().err
