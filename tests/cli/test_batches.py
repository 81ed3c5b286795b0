"""What the commands about batches and the quarantine print, as JSON and for people, and how they refuse."""

from __future__ import annotations

import json
import re

import pytest

from engine.cli import run as levada
from tests.cli.project import Project

RULE = "{use: not_null, columns: [late]}"


@pytest.fixture
def inside(project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Project:
    """The project, in whose folder this process stands; two files of trips are ingested, 21 of 150 without cargo aside."""
    monkeypatch.chdir(project.folder)
    project.replace("conf/pipeline/trips.yaml", RULE, "{use: not_null, columns: [cargo]}")
    said(capsys, "ingest", "pipeline=trips")
    return project


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run a command that must succeed in this process, and return what it printed."""
    code = levada(arguments)
    printed, error = capsys.readouterr()
    assert code == 0, printed + error
    return printed


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """Run a command that must fail, and return its exit code and what it said."""
    code = levada(arguments)
    error = capsys.readouterr().err
    assert code != 0
    assert "Traceback" not in error
    return code, error


def test_batches_are_listed_newest_last_of_all_datasets_or_of_one(inside: Project, capsys: pytest.CaptureFixture[str]) -> None:
    everything = json.loads(said(capsys, "batches", "--json"))
    assert [(one["dataset"], one["sequence"]) for one in everything if one["dataset"] == "trips"] == [
        ("trips", 1),
        ("trips", 2),
    ]
    assert {one["dataset"] for one in everything} == {"trips", "ports"}
    trips = inside.batches("trips")
    table = said(capsys, "batches", "trips", "pipeline=trips")
    for batch, numbers in zip(trips, ("90 +78 +12", "60 +51 +9"), strict=True):
        time = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
        line = rf"^{batch.id} +trips +{batch.sequence} +append +{numbers} +1 +{time} +\S+@\S+ +{batch.run[:13]} *$"
        assert re.search(line, table, re.MULTILINE), table
    assert "ports" not in table


def test_a_batch_is_shown_in_full(inside: Project, capsys: pytest.CaptureFixture[str]) -> None:
    batch = inside.batches("trips")[1]
    page = said(capsys, "show", "trips:2", "--rows", "2")
    assert page == said(capsys, "show", batch.id, "pipeline=trips", "--rows", "2")
    (part,) = batch.partitions
    assert part.aside is not None
    facts = (batch.id, batch.run, batch.definition, batch.fingerprint, part.source, part.fingerprint, "cargo Int64")
    for fact in (*facts, part.loaded.path, part.loaded.digest, part.aside.path, "in the dataset"):
        assert fact in page
    assert re.search(r"cargo is not missing: 9 rows, the first is row 1$", page, re.MULTILINE)
    assert re.search(r"^2 +92 ", page, re.MULTILINE)  # trip 91, in row 1, has no cargo
    assert json.loads(said(capsys, "show", "trips:2", "--json"))["id"] == batch.id

    code, error = refused(capsys, "show", batch.id[:4])
    assert code == 3
    assert f"{batch.id} (trips:2)" in error
    assert refused(capsys, "show")[0] == 2
    assert refused(capsys, "show", "one", "two")[0] == 2
    assert refused(capsys, "show", "--row=3", "--nonsense")[0] == 2


def test_the_quarantine_is_told_by_reason_and_row_by_row(inside: Project, capsys: pytest.CaptureFixture[str]) -> None:
    table = said(capsys, "quarantine")
    file = inside.folder / "data" / "trips" / "1.csv"
    assert re.search(rf"^trips +12 +7 +cargo is not missing +{file} *$", table, re.MULTILINE)
    page = said(capsys, "quarantine", "trips", "--rows", "1", "pipeline=trips")
    assert re.search(rf"^{file} +7 +cargo is not missing +trip=7, port=Faro, cargo=, note=ok, late=no *$", page, re.MULTILINE)
    assert "20 more; --rows N" in page
    found = json.loads(said(capsys, "quarantine", "trips", "--json"))
    assert (found["rows"], len(found["first_rows"])) == (21, 10)
    code, error = refused(capsys, "quarantine", "trip")
    assert code == 2
    assert "did you mean 'trips'?" in error


def test_rows_come_in_once_their_rule_was_mended(inside: Project, capsys: pytest.CaptureFixture[str]) -> None:
    inside.replace("conf/pipeline/trips.yaml", "{use: not_null, columns: [cargo]}", RULE)
    table = said(capsys, "quarantine", "replay", "trips", "pipeline=trips")
    new = inside.batches("trips")[-1]
    assert re.search(rf"^trips +21 +21 +0 +{new.id} *$", table, re.MULTILINE), table
    assert "nothing is in quarantine" in said(capsys, "quarantine")
    assert json.loads(said(capsys, "quarantine", "replay", "pipeline=trips", "--json"))["datasets"][0]["batch"] is None
    assert "nothing to replay" in said(capsys, "quarantine", "replay", "pipeline=trips")
    assert re.search(r"^trips +nothing new +150 *$", said(capsys, "ingest", "pipeline=trips"), re.MULTILINE)
    assert re.search(rf"^{new.id} +trips +3 +replay ", said(capsys, "batches"), re.MULTILINE)
    assert json.loads(said(capsys, "runs", "--json"))[0]["status"] == "done"

    code, error = refused(capsys, "quarantine", "replay", "trip", "pipeline=trips")
    assert code == 2
    assert "did you mean 'trips'?" in error


def test_a_replay_of_a_file_that_changed_elsewhere_says_what_to_do(inside: Project, capsys: pytest.CaptureFixture[str]) -> None:
    inside.replace("data/trips/1.csv", "\n8,", "\n800,")
    code, error = refused(capsys, "quarantine", "replay", "trips", "pipeline=trips")
    assert code == 3
    assert "row 8 is another" in error
    assert "datasets.trips.on_change" in error


def test_events_are_listed_with_their_offsets(inside: Project, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(said(capsys, "events", "--json"))
    assert [one["payload"]["batch"] for one in found if one["key"] == "trips"] == [one.id for one in inside.batches("trips")]
    assert re.search(r"^ *1 +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d +\w+ +batch=", said(capsys, "events"), re.MULTILINE)
    assert "no events yet" in said(capsys, "events", "nothing.of_that_name", "pipeline=trips")


def test_lineage_finds_the_line_that_a_row_came_from(inside: Project, capsys: pytest.CaptureFixture[str]) -> None:
    said(capsys, "pipeline=trips")
    page = said(capsys, "lineage", "trips", "--where", "trip = 93 and port = 'Funchal'")
    batch = inside.batches("trips")[1]
    assert f"trips batch {batch.id} (2), 51 rows, 1 such" in page
    assert f"{inside.folder / 'data' / 'trips' / '2.csv'}, row 3" in page
    assert "model.estimate  1 result" in page
    assert batch.id in said(capsys, "lineage", "trips")
    assert refused(capsys, "lineage", "trips", "--where", "trip >")[0] == 2
