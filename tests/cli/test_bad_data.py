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
        "cut in the middle of a row",
        r"cut short",
        r"2.csv:41",
        r"5 fields",
        files={"data/trips/2.csv": WHOLE.rstrip("\n").rsplit(",", 2)[0]},
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
    bad("bytes that are not UTF-8", r"2.csv", r"UTF-8|utf-8|utf8", files={"data/trips/2.csv": LATIN.encode("latin-1")}),
    bad(
        "a header that is not UTF-8",
        r"2.csv is not UTF-8",
        files={"data/trips/2.csv": WHOLE.replace("note", "n\xf4te").encode("latin-1")},
    ),
    bad(
        "headers that differ",
        r"the header differs",
        r"2.csv",
        r"without note and with remark",
        files={"data/trips/2.csv": WHOLE.replace("note", "remark")},
    ),
    bad(
        "columns in another order",
        r"the header differs",
        r"another order",
        files={"data/trips/2.csv": WHOLE.replace("cargo,note", "note,cargo")},
    ),
    bad(
        "types that conflict",
        r"the column 'cargo' is Int64 in one file and String in another",
        r"2.csv",
        r"dtypes: \{cargo: String\}",
        files={"data/trips/2.csv": re.sub(r"(?m)^(\d+,\w+),\d+,", r"\1,much,", WHOLE)},
    ),
    bad(
        "a row with too many fields",
        r"2.csv:42",
        r"too many fields",
        files={"data/trips/2.csv": WHOLE + "99,Faro,5,ok,no,more\n"},
    ),
    bad("an unclosed quote", r"2.csv:42", r"can not be read", files={"data/trips/2.csv": WHOLE + '99,"Faro,5,ok,no\n'}),
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
    bad(
        "a catalog that is none",
        r"cannot open the catalog .*catalog.sqlite",
        files={".levada/catalog.sqlite": b"nothing of the kind" * 99},
    ),
    bad("a store that is a file", r"cannot open the catalog .*\.levada/catalog.sqlite", files={".levada": b""}),
]


@pytest.mark.parametrize("case", DATA)
def test_bad_data_is_refused_in_words_and_nothing_of_it_is_visible(
    case: Case, project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said(case, 3, project, monkeypatch, capsys)
    assert "trips" not in [batch.dataset for batch in project.batches()]


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
    assert [batch.rows for batch in project.batches("trips")] == [150]
