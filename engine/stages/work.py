"""What a stage function is given, and how it says what went wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from engine.errors import DataError, HostError, LevadaError
from engine.plugin import Plugin
from engine.registry import build
from engine.stores.artifacts import Artifact, ArtifactStore

_WITHIN = "\n\nThis error occurred in the following expression:"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a fit may take: so many seconds, so many bytes of memory; None is any. They change no result."""

    seconds: float | None = None
    memory: int | None = None


UNLIMITED = Limits()

FITS = ("estimate", "refit")
"""The stages that fit a model: those that are limited, and that share the cores where they run side by side."""


@dataclass(frozen=True, slots=True)
class Work:
    """One call of a stage function: plain parameters, the artifacts of the inputs in order, where to put the result."""

    params: dict[str, Any]
    inputs: tuple[Artifact, ...]
    store: ArtifactStore
    place: str
    stem: str
    secrets: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    limits: Limits = UNLIMITED
    """What a fit may take: no parameter, so that it is in no key."""
    shared: Path | None = None
    """A folder for matrices that several processes map into memory, while there are some."""

    def plugin(self, kind: str, key: str) -> Any:
        """Return the plugin that a parameter describes; the secrets of its dataset, which parameters lack, are put in."""
        secrets = self.secrets.get(self.params["dataset"], {}) if kind == "extractor" else {}
        return build(kind, {**self.params[key], **secrets} if secrets else self.params[key], (key,))

    def plugins(self, kind: str, key: str) -> list[Plugin]:
        """Return the plugins that a list of parameters describes."""
        return [build(kind, node, (key, number)) for number, node in enumerate(self.params[key])]

    def scan(self, *inputs: Artifact) -> pl.LazyFrame:
        """Return the rows of artifacts with the same schema, one after the other."""
        frames = [self.store.scan(artifact) for artifact in inputs]
        return frames[0] if len(frames) == 1 else pl.concat(frames, how="vertical")

    def keep(self, frame: pl.LazyFrame | pl.DataFrame, value: object = None, *, statistics: bool = True) -> Artifact:
        """Write rows as this work's result; without ``statistics`` where nobody will look for a range of values."""
        return self.store.write_frame(frame.lazy(), self.place, self.stem, value, statistics=statistics)


def split(inputs: Sequence[Artifact], *counts: int) -> list[tuple[Artifact, ...]]:
    """Cut a task's inputs into groups of ``counts``, and what remains."""
    groups, start = [], 0
    for count in counts:
        groups.append(tuple(inputs[start : start + count]))
        start += count
    return [*groups, tuple(inputs[start:])]


@contextmanager
def explained(what: str, *, hint: str = "") -> Iterator[None]:
    """Turn what Polars and scikit-learn raise about data into ``DataError`` that says what was being done."""
    try:
        yield
    except LevadaError as error:
        # One that a plugin raises while Polars works comes back as text, with the expression behind it.
        said, raised_within, _ = error.what.partition(_WITHIN)
        if not raised_within:
            raise
        raise _retold(type(error), said, what) from None
    except FileNotFoundError as error:
        raise DataError(what, found="the file is not there", hint=hint) from error
    except MemoryError as error:
        raise HostError(f"{what}: not enough memory", hint="use fewer workers, or a larger machine") from error
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError, TypeError, OSError) as error:
        if isinstance(error, OSError) and (error.errno is not None or "os error" in str(error)):
            raise HostError(f"{what}: {error}") from error
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise DataError(what, found=(lines[0] if lines else type(error).__name__)[:300], hint=hint) from error


def _retold(kind: type[LevadaError], said: str, where: str) -> LevadaError:
    """Return the error whose text ``said`` is, with the place where it arose."""
    what, *lines = said.splitlines()
    details = {name: text.strip() for name, _, text in (line.strip().partition(" ") for line in lines)}
    return kind(
        what, where=where, expected=details.get("expected", ""), found=details.get("found", ""), hint=details.get("try", "")
    )
