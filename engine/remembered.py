"""Plain data that takes long to find out, kept in the user's cache folder for other processes.

A cache and no more: what can not be read is found out again, and what can not be written is not kept. Whoever uses it names
things so that a name never means another value: by a digest of all that the value comes from.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

_MOST = 4_096
"""How many values a file keeps, the newest: it is read in milliseconds."""


class Remembered:
    """The values of one file, by name; read once a process."""

    def __init__(self, file: str) -> None:
        self._name = f"{file}.json"

    def recall(self, name: str) -> Any:
        """Return a value, None where there is none."""
        return self._known.get(name)

    def keep(self, found: Mapping[str, Any]) -> None:
        """Keep values of plain data."""
        self._known.update(found)
        with suppress(OSError, TypeError, ValueError):  # a folder that can not be written, data that is not plain
            self._write({**self._read(), **found})

    @cached_property
    def _known(self) -> dict[str, Any]:
        return self._read()

    def _read(self) -> dict[str, Any]:
        try:
            found = json.loads(self._file().read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _write(self, values: Mapping[str, Any]) -> None:
        """Put a whole file in place of the old one: whoever reads meanwhile sees one or the other."""
        file = self._file()
        file.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(dict(list(values.items())[-_MOST:]))
        descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f"{file.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as out:
                out.write(text)
            Path(name).replace(file)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    def _file(self) -> Path:
        return user_cache_path("levada") / self._name
