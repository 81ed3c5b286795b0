"""The scripts of the benchmarks speak with the engine as it is."""

from __future__ import annotations

from pathlib import Path

from benchmarks.scripts import levada_upto

ROOT = Path(__file__).parents[1]


def test_a_pipeline_runs_up_to_a_stage(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    told = levada_upto.main(str(ROOT / "data"), str(tmp_path / "store"), "penguins", "view")
    assert (told["ran"], told["reused"]) == (2, 0)
    assert all(Path(file).exists() for file in told["files"])
    assert levada_upto.main(str(ROOT / "data"), str(tmp_path / "store"), "penguins", "view")["reused"] == 2
