"""Functions that the user writes in Python."""

import hashlib
import importlib
import inspect
import json
import pkgutil
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import polars as pl
from pydantic import Field

from engine.errors import ConfigError, DataError, LevadaError, nearest
from engine.names import SafeName
from engine.plugin import ALL, Extractor, Source, SourcePartition, Window
from plugins.extractors._streamed import streamed

_PACKAGE = "plugins.functions"


class Python(Extractor):
    """Call a function of your own: `prices` is the function `prices` in the file `plugins/functions/prices.py`.

    It is called with `arguments` as keywords and returns a Polars DataFrame, a LazyFrame, or an iterator of DataFrames
    that all have the same columns and types. Only the iterator keeps memory bounded; it is called once more for its first
    frame, which tells the columns. It should give equal rows in equal order for equal arguments.

    Without more it makes one partition, which is read again when the arguments or the file have changed, or if `always`.
    A function `partitions` in the same file, called with the same arguments, may return several, as a mapping from name to
    a text that changes with the contents; the function is then called for each with its name as `partition`.
    """

    function: SafeName = Field(description="The name of the function and of its file in `plugins/functions/`.")
    arguments: dict[str, Any] = Field(default_factory=dict, description="What the function is called with, by keyword.")
    always: bool = Field(
        default=False,
        description="Whether it is called in every run, as for a source that changes and does not say so. Equal rows make no "
        "new batch.",
    )

    def modules(self) -> set[str]:
        """Return the module of the function: when its code changes, what was made by it is made again."""
        return {f"{_PACKAGE}.{self.function}"}

    def plan(self, window: Window = ALL) -> Source:
        """Return one partition, or those that the file's ``partitions`` tells; the columns are not known before."""
        if window.since is not None or window.until is not None:
            raise ConfigError(f"the function '{self.function}' knows no dates by which to choose", hint="give it arguments")
        module = _module(self.function)
        told = getattr(module, "partitions", None)
        function = self._function(module, {} if told is None else {"partition": ""})
        state = hashlib.sha256(Path(str(module.__file__)).read_bytes())
        state.update(json.dumps(self.arguments, sort_keys=True, default=str).encode())
        suffix = f"{state.hexdigest()[:16]}-{time.time_ns()}" if self.always else state.hexdigest()[:16]
        if told is None:
            return Source((SourcePartition(self.function, suffix, self.function),), None)
        found = _called(module, told, self.arguments)
        is_right = isinstance(found, Mapping) and all(isinstance(text, str) for item in found.items() for text in item)
        if not is_right:
            raise _wrong(module, told, "a mapping from the name of each partition to a text that changes with it", found)
        if not found:
            raise DataError(f"the partitions of '{function.__name__}' are none", where=_place(module, told))
        return Source(tuple(SourcePartition(name, f"{text}-{suffix}", name, name) for name, text in found.items()), None)

    def read(self, partition: SourcePartition, *, thorough: bool = False) -> pl.LazyFrame:
        """Return what the function does. ``DataError`` with file and line for what it raises."""
        module = _module(self.function)
        extra = {"partition": partition.detail} if hasattr(module, "partitions") else {}
        function = self._function(module, extra)
        found = _called(module, function, {**self.arguments, **extra})
        if isinstance(found, pl.DataFrame | pl.LazyFrame):
            return found.lazy()
        if not isinstance(found, Iterator):
            raise _wrong(module, function, "a Polars DataFrame, a LazyFrame or an iterator of DataFrames", found)
        schema = next(_frames(module, function, found, None), pl.DataFrame()).schema
        if not schema:
            raise DataError(f"the function '{self.function}' yields no columns", where=_place(module, function))

        def frames() -> Iterator[pl.DataFrame]:
            return _frames(module, function, _called(module, function, {**self.arguments, **extra}), schema)

        return streamed(frames, schema)

    def _function(self, module: ModuleType, extra: Mapping[str, Any]) -> Callable[..., Any]:
        """Return the function. ``ConfigError`` if it is not there or can not be called with the arguments."""
        function: Callable[..., Any] | None = vars(module).get(self.function)
        if not callable(function) or getattr(function, "__module__", None) != module.__name__:
            known = [name for name, value in vars(module).items() if inspect.isfunction(value)]
            raise ConfigError(
                f"there is no function '{self.function}' in its file",
                where=str(module.__file__),
                expected=f"def {self.function}(...)",
                found=", ".join(known),
            )
        try:
            inspect.signature(function).bind(**self.arguments, **extra)
        except TypeError as error:
            raise ConfigError(
                f"the function '{self.function}' can not be called with these arguments: {error}",
                where=_place(module, function),
                expected=f"{self.function}{inspect.signature(function)}",
                found=", ".join([*self.arguments, *extra]),
            ) from None
        return function


def _module(name: str) -> ModuleType:
    """Return the module with a user's function. ``ConfigError`` if there is none, or it can not be imported."""
    whole = f"{_PACKAGE}.{name}"
    try:
        return importlib.import_module(whole)
    except ModuleNotFoundError as error:
        if error.name not in {whole, _PACKAGE}:
            raise ConfigError(f"the file of '{name}' imports '{error.name}', which is not installed") from error
        known = _known()
        near = nearest(name, known)
        raise ConfigError(
            f"there is no function '{name}'",
            expected=f"a file plugins/functions/{name}.py with def {name}(...)",
            found=", ".join(known),
            hint=f"did you mean '{near}'?" if near else "",
        ) from None
    except Exception as error:  # the user's own code may raise anything
        raise ConfigError(f"the file of '{name}' can not be imported: {_said(error)}", where=_line(error, "")) from error


def _known() -> list[str]:
    try:
        return sorted(info.name for info in pkgutil.iter_modules(importlib.import_module(_PACKAGE).__path__))
    except ModuleNotFoundError:
        return []


def _called(module: ModuleType, function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    try:
        return function(**arguments)
    except LevadaError:
        raise
    except Exception as error:  # the user's own code may raise anything
        raise _failed(module, function, error) from error


def _frames(
    module: ModuleType, function: Callable[..., Any], found: Iterator[Any], schema: pl.Schema | None
) -> Iterator[pl.DataFrame]:
    """Yield the frames of an iterator. ``DataError`` for what is no frame, or one unlike the first."""
    try:
        for number, frame in enumerate(found, 1):
            if not isinstance(frame, pl.DataFrame):
                raise _wrong(module, function, f"a Polars DataFrame as frame {number}", frame)
            if schema is not None and frame.schema != schema:
                raise DataError(
                    f"frame {number} of '{function.__name__}' has other columns than the first",
                    where=_place(module, function),
                    expected=_columns(schema),
                    found=_columns(frame.schema),
                )
            yield frame
    except LevadaError:
        raise
    except Exception as error:  # the user's own code may raise anything
        raise _failed(module, function, error) from error


def _columns(schema: pl.Schema) -> str:
    return ", ".join(f"{name} {dtype}" for name, dtype in schema.items())


def _failed(module: ModuleType, function: Callable[..., Any], error: Exception) -> DataError:
    where = _line(error, str(module.__file__)) or _place(module, function)
    return DataError(f"the function '{function.__name__}' failed: {_said(error)}", where=where)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def _line(error: Exception, file: str) -> str:
    """Return the last place in a file, or anywhere, that an error went through."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if file in {"", frame.filename}]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""


def _place(module: ModuleType, function: Callable[..., Any]) -> str:
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{module.__file__}:{code.co_firstlineno}" if code else str(module.__file__)


def _wrong(module: ModuleType, function: Callable[..., Any], expected: str, found: object) -> DataError:
    return DataError(
        f"the function '{function.__name__}' returns something else than is expected",
        where=_place(module, function),
        expected=expected,
        found=f"{type(found).__name__}: {found!r}"[:80],
    )
