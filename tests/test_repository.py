"""The house rules that no linter knows."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CODE = sorted(path for folder in ("engine", "plugins", "tests", "benchmarks", "conf") for path in (ROOT / folder).rglob("*.py"))


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_holds_one_concept_in_at_most_500_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500


def test_plugin_folders_are_namespace_packages_so_that_a_users_merge_with_ours():
    hidden = [path for path in (ROOT / "plugins").rglob("__init__.py") if "hydra_launcher" not in path.parts]
    assert hidden == []


def test_make_lists_its_targets():
    said = subprocess.run(["make", "-C", str(ROOT), "--no-print-directory", "help"], capture_output=True, text=True, check=True)
    assert {"make run", "make test", "make lint", "make type", "make bench"} <= {
        " ".join(line.split()[:2]) for line in said.stdout.splitlines()
    }
