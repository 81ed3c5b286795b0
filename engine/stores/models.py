"""Fitted models as files: skops, so that loading one runs no code that the file names."""

from __future__ import annotations

import os
import re
import zipfile
from pathlib import Path
from typing import Any

from engine.errors import DataError

_TRUSTED = ("sklearn.", "plugins.models.")  # scikit-learn's own types, and those of registered model plugins
_TRUST = "LEVADA_TRUST"
"""The environment variable with further types, or packages with a dot at the end. Who starts a process says whom to trust: no
file that is read does."""
_IDENTITY = re.compile(rb'("__id__": |"file": ")([0-9a-f]{8}-[0-9a-f-]{27}|\d+)(?![0-9a-f-])')
_DAWN = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip entry can have


def dump(fitted: object, path: Path) -> None:
    """Write a fitted model; equal models give equal bytes.

    Raises ``DataError`` when skops can not store it.
    """
    import skops.io

    try:
        skops.io.dump(fitted, path)
    except Exception as error:  # skops raises whatever the object's own state methods raise
        raise DataError(f"{type(fitted).__name__} can not be stored without pickle", found=str(error)[:200]) from error
    _make_deterministic(path)


def load(path: Path) -> Any:
    """Return the model in a file. Raises ``DataError`` if it names a type that is not trusted."""
    import skops.io

    unknown = skops.io.get_untrusted_types(file=path)
    told = {name.strip() for name in os.environ.get(_TRUST, "").split(",")}
    packages = (*_TRUSTED, *(name for name in told if name.endswith(".")))
    refused = [name for name in unknown if name not in told and not name.startswith(packages)]
    if refused:
        raise DataError(
            f"{path} names types that are not trusted",
            found=", ".join(refused),
            hint=f"to load it may run their code; if you trust them, start with {_TRUST}={','.join(refused)}",
        )
    return skops.io.load(path, trusted=unknown)


def _make_deterministic(path: Path) -> None:
    """Rewrite a skops file with neither memory addresses nor times in it.

    skops names objects by their address, and files of bytes by lot; zip entries carry the clock. All are replaced by the order
    of appearance.
    """
    with zipfile.ZipFile(path) as archive:
        contents = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    schema = contents.pop("schema.json")
    found = dict.fromkeys(identity for _, identity in _IDENTITY.findall(schema))
    numbers = {identity: str(number).encode() for number, identity in enumerate(found)}
    renamed = _IDENTITY.sub(lambda match: match[1] + numbers[match[2]], schema)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        _add(archive, "schema.json", renamed)
        for name, content in sorted((_renamed(name, numbers), content) for name, content in contents.items()):
            _add(archive, name, content)


def _renamed(name: str, numbers: dict[bytes, bytes]) -> str:
    stem, dot, suffix = name.partition(".")
    return f"{numbers.get(stem.encode(), stem.encode()).decode()}{dot}{suffix}"


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, _DAWN), content, zipfile.ZIP_DEFLATED)
