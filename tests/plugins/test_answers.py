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
for c in sys.argv[1:]:
    try:
        model = build("model", {"use": "sklearn.LogisticRegression", "C": float(c)})
        print(model.max_iter, model.random_state, "sklearn" in sys.modules)
    except LevadaError as error:
        print(error)
"""


def read(cache: Path, *values: float) -> str:
    """Build models in a process of its own and return what they say: parameters, and whether scikit-learn was imported."""
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
    said = subprocess.run(
        [sys.executable, "-c", READ, *map(str, values or (2.0,))],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
        check=True,
    )
    return said.stdout.strip()


def test_what_was_accepted_once_is_accepted_without_importing_scikit_learn_and_nothing_else_is(tmp_path: Path) -> None:
    assert read(tmp_path) == "100 0 True"
    known, refused = read(tmp_path, 2.0, -1.0).split("\n", 1)
    assert known == "100 0 False"
    assert "The 'C' parameter of LogisticRegression must be" in refused
    (file,) = (tmp_path / "levada").iterdir()
    file.write_text("[")
    assert read(tmp_path) == "100 0 True"


def test_where_nothing_can_be_kept_it_is_asked() -> None:
    assert read(Path("/dev/null")) == "100 0 True"
