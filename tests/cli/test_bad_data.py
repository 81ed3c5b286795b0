"""Data that is not what it should be, and a store that is not, are named; nothing of such data is visible afterwards."""

from __future__ import annotations

import gzip
import re
import sqlite3

import pytest

from engine.cli import run as levada
from tests.cli.bad import Case, bad, said
from tests.cli.project import PORTS, Project, trips

HEADER = "trip,port,cargo,note,late\n"
WHOLE = trips(1, 40)
LATIN = WHOLE.replace("ok", "n\xe3o")


def newer_catalog() -> bytes:
    with sqlite3.connect(":memory:") as connection:
        connection.execute("PRAGMA user_version=99")
        return connection.serialize()


DATA = [
    bad(
        "missing file", r"no such file: data/prots.csv", r"where .*/data/prots.csv", change=("data/ports.csv", "data/prots.csv")
    ),
    bad("glob without match", r"no file matches data/trips/\*.tsv", change=("*.csv", "*.tsv")),
    bad("empty file", r"2.csv is empty", r"a header line", files={"data/trips/2.csv": b""}),
    bad(
        "headers only",
        r"no rows",
        r"data/trips/1.csv",
        r"2 files",
        files={"data/trips/1.csv": HEADER, "data/trips/2.csv": HEADER},
    ),
    bad(
        "cut in the middle of the gzip stream",
        r"gzip|cannot read",
        r"3.csv.gz",
        change=("*.csv", "3.csv.gz"),
        files={"data/trips/3.csv.gz": gzip.compress(WHOLE.encode(), mtime=0)[:200]},
    ),
    bad(
        "cut in the middle of the gzip header",
        r"gzip",
        r"3.csv.gz",
        change=("*.csv", "3.csv.gz"),
        files={"data/trips/3.csv.gz": gzip.compress(WHOLE.encode(), mtime=0)[:9]},
    ),
    bad("gzip that is none", r"gzip", r"3.csv.gz", change=("*.csv", "3.csv.gz"), files={"data/trips/3.csv.gz": WHOLE}),
    bad("UTF-16", r"is UTF-16, not UTF-8", r"iconv", files={"data/trips/2.csv": WHOLE.encode("utf-16")}),
    bad(
        "a header that is not UTF-8",
        r"2.csv is not UTF-8",
        files={"data/trips/2.csv": WHOLE.replace("note", "n\xf4te").encode("latin-1")},
    ),
    bad(
        "headers that differ",
        r"the column 'note' seems to be called 'notes' now",
        r"2.csv",
        r"the columns of trips: trip, port, cargo, note, late",
        r"on_drift be evolve",
        files={"data/trips/2.csv": WHOLE.replace("note", "notes")},
    ),
    bad(
        "types that conflict",
        r"the column 'cargo' is String, and was Int64",
        r"2.csv",
        r"dtypes: \{cargo: String\}",
        files={"data/trips/2.csv": re.sub(r"(?m)^(\d+,\w+),\d+,", r"\1,much,", WHOLE)},
    ),
    bad(
        "a column named twice",
        r"names the column 'cargo' twice",
        r"2.csv:1",
        files={"data/trips/2.csv": WHOLE.replace("note", "cargo")},
    ),
    bad(
        "a rule that stops",
        r"1 rows? breaks? the rule",
        r"2.csv, row 41",
        change=("columns: [late]", "columns: [late], on_fail: stop"),
        files={"data/trips/2.csv": WHOLE + "99,Faro,5,ok,\n"},
    ),
    bad("binary", r"2.csv", files={"data/trips/2.csv": bytes(range(256)) * 20}),
]

HOST = [
    bad(
        "a catalog of a newer Levada",
        r"was written by a newer Levada",
        r"version 99",
        r"upgrade Levada",
        files={".levada/catalog.sqlite": newer_catalog()},
    ),
    bad("a store that is a file", r"the catalog .*\.levada/catalog.sqlite could not be opened", files={".levada": b""}),
]

ROWS = [
    pytest.param(WHOLE.rstrip("\n").rsplit(",", 2)[0].encode(), "line 41: 3 fields, expected 5", id="cut short"),
    pytest.param((WHOLE + "99,Faro,5,ok,no,more\n").encode(), "line 42: 6 fields, expected 5", id="too many fields"),
    pytest.param((WHOLE + '99,"Faro,5,ok,no\n').encode(), "line 42: a quote is never closed", id="an unclosed quote"),
    pytest.param(WHOLE.encode() + b"99,Far\xf4,5,ok,no\n", "line 42: not UTF-8", id="bytes that are not UTF-8"),
]


@pytest.mark.parametrize("case", DATA)
def test_bad_data_is_refused_in_words_and_nothing_of_it_is_visible(
    case: Case, project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said(case, 3, project, monkeypatch, capsys)
    visible = [partition for batch in project.batches("trips") for partition in batch.partitions if partition.loaded.rows]
    assert not any(partition.source.endswith(("2.csv", ".gz")) for partition in visible)


@pytest.mark.parametrize(("content", "reason"), ROWS)
def test_a_row_that_can_not_be_read_goes_to_quarantine_with_its_line_and_the_others_are_loaded(
    content: bytes, reason: str, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("data/trips/2.csv", content)
    monkeypatch.chdir(project.folder)
    assert levada(["ingest", "pipeline=trips"]) == 0
    (partition,) = (part for batch in project.batches("trips") for part in batch.partitions if part.source.endswith("2.csv"))
    (said_of_it,) = partition.reasons
    assert said_of_it.check.startswith(reason)
    assert (partition.loaded.rows, partition.quarantined) == (partition.rows_in - 1, 1)


def test_a_catalog_that_is_none_is_said_to_be_damaged(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = Case(says=("the catalog .*catalog.sqlite is damaged",), files=((".levada/catalog.sqlite", b"no such thing" * 99),))
    assert said(case, 3, project, monkeypatch, capsys) == ""


@pytest.mark.parametrize("case", HOST)
def test_a_machine_that_is_not_as_it_should_be_is_named(
    case: Case, project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(case, 4, project, monkeypatch, capsys) == ""


def test_a_key_that_is_twice_on_the_right_stops_the_join_and_what_needs_it(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = Case(
        says=("ports has several rows for one key", "2 rows for port=Faro", "many: true"),
        files=(("data/ports.csv", PORTS + "Faro,9,south\n"),),
    )
    printed = said(case, 3, project, monkeypatch, capsys)
    assert not any(stage["ran"] for stage in project.summary(printed)["stages"] if stage["label"].startswith("model."))


def test_an_empty_file_among_others_is_no_error(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write("data/trips/3.csv", HEADER)
    monkeypatch.chdir(project.folder)
    assert levada(["pipeline=trips"]) == 0
    assert [batch.rows for batch in project.batches("trips")] == [90, 60, 0]
