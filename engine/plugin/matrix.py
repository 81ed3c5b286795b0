"""The numbers of a frame as one matrix, made once for all that look at the frame, and once for all processes where told to.

A matrix is the largest thing that a fit holds, and fits of a sweep all want the same one.
"""

from __future__ import annotations

import fcntl
import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
import polars as pl
import polars.selectors as cs
from numpy.typing import NDArray

Matrix: TypeAlias = NDArray[np.float64]


@dataclass(slots=True)
class _Making:
    """A matrix that one thread makes while others wait for it, and the file that other processes find it in, if any."""

    file: Path | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    matrix: Matrix | None = None
    holes: tuple[str, ...] = ()


_MAKING: dict[int, _Making] = {}
"""By the identity of a frame, for as long as that lives."""

_LOCK = threading.Lock()


def numbers_of(features: pl.DataFrame) -> tuple[Matrix, tuple[str, ...]]:
    """Return a row for each row as 64-bit numbers, NaN for what is missing, and the columns in which something is.

    Columns are numeric or boolean. The matrix lives as long as the frame does, is shared by all that ask for it, and can not be
    written to. Safe to call from several threads.
    """
    making = _making(features)
    with making.lock:
        if making.matrix is None:
            missing = features.with_columns(cs.float().fill_nan(None)).null_count()
            making.holes = tuple(name for name in missing.columns if missing[name][0])
            making.matrix = _made(features) if making.file is None else _found(making.file, features)
        return making.matrix, making.holes


def share(features: pl.DataFrame, file: Path) -> None:
    """Have the matrix of a frame kept in a file that processes map into memory: whoever needs it first writes it.

    The file must mean these features and no others. Where it can not be written each process makes a matrix of its own.
    """
    _making(features).file = file


def _making(features: pl.DataFrame) -> _Making:
    with _LOCK:
        making = _MAKING.get(id(features))
        if making is None:
            making = _MAKING[id(features)] = _Making()
            weakref.finalize(features, _MAKING.pop, id(features), None).atexit = False
        return making


def _made(features: pl.DataFrame) -> Matrix:
    matrix = features.cast(pl.Float64).fill_null(np.nan).to_numpy(order="c")
    matrix.flags.writeable = False
    return matrix


def _found(file: Path, features: pl.DataFrame) -> Matrix:
    """Return the matrix of a file, which is written first if it is not there."""
    with suppress(OSError), _alone(file.with_suffix(".lock")):
        if not file.exists():
            unfinished = file.with_suffix(f".{os.getpid()}.npy")
            np.save(unfinished, _made(features))
            unfinished.rename(file)
        mapped: Matrix = np.asarray(np.load(file, mmap_mode="r"))  # the same memory, and no type of its own to be stored
        return mapped
    return _made(features)


@contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Wait until no other process is in this context for the same file."""
    with file.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
