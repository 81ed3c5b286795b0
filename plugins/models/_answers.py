"""What scikit-learn said when it was asked, in a file of the user's cache folder.

To ask it means to import it, which takes a second and 100 MB: more than all the rest of a command in which nothing is new.
There is one file a version of scikit-learn. It is a cache and no more: what can not be read is asked again, and what can not
be written is not kept.
"""

import hashlib
import json
import os
import tempfile
from contextlib import suppress
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

_MOST = 4_096
"""How many answers are kept: more than the parameters of any sweep, and a file that is read in milliseconds."""


def question(*parts: object) -> str | None:
    """Return the name of a question of plain data; None if the data is not plain, so that it has to be asked each time."""
    try:
        text = json.dumps(parts, sort_keys=True)
    except (TypeError, ValueError):
        return None
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def recall(name: str | None) -> Any:
    """Return what was answered, None where nothing was."""
    return None if name is None else _known().get(name)


def keep(name: str | None, answer: Any) -> None:
    """Keep an answer of plain data, for other processes too."""
    if name is None:
        return
    _known()[name] = answer
    with suppress(OSError, TypeError, ValueError):  # a folder that can not be written, an answer that is not plain
        _write({**_read(), name: answer})


@cache
def _known() -> dict[str, Any]:
    return _read()


def _file() -> Path:
    return user_cache_path("levada") / f"scikit-learn-{metadata.version('scikit-learn')}.json"


def _read() -> dict[str, Any]:
    try:
        found = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(answers: dict[str, Any]) -> None:
    """Put a whole file in place of the old one: whoever reads meanwhile sees one or the other."""
    file = _file()
    file.parent.mkdir(parents=True, exist_ok=True)
    newest = dict(list(answers.items())[-_MOST:])
    text = json.dumps(newest)
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f"{file.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            out.write(text)
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
