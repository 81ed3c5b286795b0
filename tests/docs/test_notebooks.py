"""The notebooks of the documentation run from top to bottom, where a reader would open them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def shown(notebook: Any) -> str:
    """Return all that a notebook shows, as HTML where there is any, else as text."""
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    pages = [output.get("data", {}) for output in outputs]
    return "\n".join(page.get("text/html", page.get("text/plain", "")) for page in pages)


@pytest.mark.parametrize("source", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_runs_from_top_to_bottom(source: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(source, as_version=4)
    assert not any(
        cell.outputs for cell in notebook.cells if cell.cell_type == "code"
    )  # what is shown is of the reader's own run
    folder = tmp_path / "docs" / "notebooks"
    folder.mkdir(parents=True)
    for name in ("conf", "data"):
        (tmp_path / name).symlink_to(ROOT / name)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()
    text = shown(notebook)
    assert "<iframe srcdoc=" in text
    assert "Error" not in "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))
