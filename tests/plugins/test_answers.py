"""What scikit-learn said before is remembered by later processes, which need not import it to read a pipeline."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

READ = """
import sys
from engine.errors import LevadaError
from engine.registry import build
try:
    model = build("model", {"use": "sklearn.LogisticRegression", "C": float(sys.argv[1])})
    print(model.max_iter, model.random_state, "sklearn" in sys.modules)
except LevadaError as error:
    print(error)
"""


def read(cache: Path, c: float = 2.0) -> str:
    """Build a model in a process of its own and return what it says: parameters, and whether scikit-learn was imported."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    said = subprocess.run(
        [sys.executable, "-c", READ, str(c)], capture_output=True, text=True, env=environment, timeout=120, check=True
    )
    return said.stdout.strip()


def test_what_was_accepted_once_is_accepted_without_importing_scikit_learn_and_nothing_else_is(tmp_path: Path) -> None:
    assert read(tmp_path) == "100 0 True"
    assert read(tmp_path) == "100 0 False"
    assert "The 'C' parameter of LogisticRegression must be" in read(tmp_path, -1.0)
    (file,) = (tmp_path / "levada").iterdir()
    file.write_text("[")
    assert read(tmp_path) == "100 0 True"


def test_where_nothing_can_be_kept_it_is_asked() -> None:
    assert read(Path("/dev/null")) == "100 0 True"
