"""What scikit-learn said when it was asked, for later processes too.

To ask it means to import it, which takes a second and 100 MB: more than all the rest of a command in which nothing is new.
"""

import hashlib
import json
from functools import cache
from importlib import metadata
from typing import Any

from engine.remembered import Remembered


def question(*parts: object) -> str | None:
    """Return the name of a question of plain data; None if the data is not plain, so that it has to be asked each time."""
    try:
        text = json.dumps(parts, sort_keys=True)
    except (TypeError, ValueError):
        return None
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def recall(name: str | None) -> Any:
    """Return what was answered, None where nothing was."""
    return None if name is None else _answers().recall(name)


def keep(name: str | None, answer: Any) -> None:
    """Keep an answer of plain data."""
    if name is not None:
        _answers().keep({name: answer})


@cache
def _answers() -> Remembered:
    return Remembered(f"scikit-learn-{metadata.version('scikit-learn')}")
