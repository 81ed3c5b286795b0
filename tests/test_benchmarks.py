"""The scripts of the benchmarks speak with the engine as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.agreement import agree
from benchmarks.scripts import levada_upto, scaled

ROOT = Path(__file__).parents[1]


def test_a_pipeline_runs_up_to_a_stage(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    told = levada_upto.main(str(ROOT / "data"), str(tmp_path / "store"), "penguins", "view")
    assert (told["ran"], told["reused"]) == (2, 0)
    assert all(Path(file).exists() for file in told["files"])
    assert levada_upto.main(str(ROOT / "data"), str(tmp_path / "store"), "penguins", "view")["reused"] == 2


def test_both_sides_of_the_scaling_prepare_the_same_rows(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(scaled, "TIMES", 1)
    ours, theirs = (scaled.main(who, str(tmp_path), 3, 2, 4, 100)["files"] for who in ("levada", "polars"))
    agree(ours, theirs)
    assert "100 rows" in capsys.readouterr().out


def test_tables_that_differ_are_no_agreement(tmp_path):
    files = scaled.main("polars", str(tmp_path), 3, 2, 4, 100)["files"]
    with pytest.raises(RuntimeError, match="rows"):
        agree(files, files[:1])
