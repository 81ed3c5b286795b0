"""A value from within JSON."""

import re
from typing import Annotated, Literal

import polars as pl
from pydantic import AfterValidator, Field

from engine.errors import DataError, nearest
from engine.plugin import Transformer, require
from plugins.transformers._values import is_text, strictly

_STEP = re.compile(r"\.?([^.\[\]'\"$*?@\s]+)|\[(-?[0-9]+)\]|\['([^']+)'\]")
_TYPES = {"String": pl.String(), "Int64": pl.Int64(), "Float64": pl.Float64(), "Boolean": pl.Boolean()}


def _steps(path: str) -> list[str | int]:
    """Return the keys and places of a path. Raises ``ValueError`` for what is no path to one value."""
    rest, steps = path.removeprefix("$"), list[str | int]()
    while rest:
        found = _STEP.match(rest)
        if found is None:
            raise ValueError(
                f"'{path}' is no path to one value: write keys and places, such as $.legs[0].carrier or $['two words']; "
                f"'{rest}' can not be read"
            )
        key, place, quoted = found.groups()
        steps.append(int(place) if place is not None else key or quoted)
        rest = rest[found.end() :]
    if not steps:
        raise ValueError("the path is empty: write keys and places, such as $.legs[0].carrier")
    return steps


def _is_path(path: str) -> str:
    _steps(path)
    return path


class JsonPath(Transformer):
    """Take one value out of a column of JSON text, structs or lists, by its path.

    Missing where the path leads nowhere, or to null. In JSON text a string that reads as the type counts as a value of it,
    and String gives objects and arrays as JSON. The column itself stays.
    """

    column: str = Field(description="The column of JSON text, structs or lists.")
    path: Annotated[str, AfterValidator(_is_path)] = Field(
        description="The way to the value: keys and places, such as `$.legs[0].carrier`; places count from 0, -1 is the last. "
        "A key with a dot or a blank is written `['two words']`. Wildcards and filters are refused: there is one value."
    )
    into: str = Field(description="The name of the new column; one of this name is replaced.")
    dtype: Literal["String", "Int64", "Float64", "Boolean"] = Field(
        default="String", description="The type of the value, as Polars calls it."
    )
    strict: bool = Field(
        default=True,
        description="Whether text that is no JSON, or a value that is not of the type, stops the run; when false it becomes "
        "missing.",
    )

    def apply(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        schema = frame.collect_schema()
        require((self.column,), schema.names())
        source = schema[self.column]
        if is_text(source):
            value = self._of_text(pl.col(self.column).cast(pl.String))
        elif source == pl.Null:
            value = pl.col(self.column).cast(_TYPES[self.dtype])
        else:
            value = self._of_nested(source)
        return frame.with_columns(value.alias(self.into))

    def _of_text(self, text: pl.Expr) -> pl.Expr:
        steps = "".join(f"[{step}]" if isinstance(step, int) else f"['{step}']" for step in _steps(self.path))
        found = text.str.json_path_match("$" + steps)
        if self.strict:
            whole = pl.when(found.is_null() & (text.str.strip_chars() != "null")).then(text)
            parsed = pl.coalesce(found, whole.str.json_path_match("$"))
            judged = strictly(
                parsed,
                pl.coalesce(found, whole),
                pl.String(),
                f"column '{self.column}' holds text that is no JSON",
                hint="with strict: false such text gives a missing value",
            )
            found = pl.when(judged.is_not_null()).then(found)
        return self._typed(found, pl.String())

    def _of_nested(self, source: pl.DataType) -> pl.Expr:
        value, here = pl.col(self.column), source
        for step in _steps(self.path):
            if isinstance(step, str) and isinstance(here, pl.Struct):
                fields = dict(here.to_schema())
                if step not in fields:
                    near = nearest(step, fields)
                    raise DataError(
                        f"there is no '{step}' in column '{self.column}'",
                        expected="one of " + ", ".join(fields),
                        hint=f"did you mean '{near}'?" if near else "",
                    )
                value, here = value.struct.field(step), _instance(fields[step])
            elif isinstance(step, int) and isinstance(here, pl.List | pl.Array):
                inner = _instance(here.inner)
                value = (value if isinstance(here, pl.List) else value.arr.to_list()).list.get(step, null_on_oob=True)
                here = inner
            else:
                raise self._wrong(f"'{self.path}' asks for {'place' if isinstance(step, int) else 'key'} {step}", here)
        if here.is_nested():
            raise self._wrong(f"'{self.path}' leads to several values", here)
        return self._typed(value, here)

    def _typed(self, value: pl.Expr, source: pl.DataType) -> pl.Expr:
        target = _TYPES[self.dtype]
        if source in (target, pl.Null):
            return value.cast(target)
        if source == pl.String and target == pl.Boolean:
            typed = value.replace_strict(["true", "false"], [True, False], default=None, return_dtype=pl.Boolean)
        elif source == pl.String and target == pl.Int64:
            typed = value.str.replace(r"\.0+$", "").cast(pl.Int64, strict=False)
        elif target == pl.Int64 and source.is_float():
            typed = pl.when(value == value.round(0)).then(value.cast(pl.Int64, strict=False))
        elif target == pl.Boolean or (source == pl.Boolean and target != pl.String):
            raise self._wrong(f"what '{self.path}' leads to is no {self.dtype}", source)
        else:
            typed = value.cast(target, strict=False)
        if not self.strict:
            return typed
        return strictly(
            typed,
            value,
            target,
            f"'{self.path}' of column '{self.column}' leads to a value that is no {self.dtype}",
            hint="choose another dtype; with strict: false such values become missing",
        )

    def _wrong(self, what: str, found: pl.DataType) -> DataError:
        return DataError(f"{what} in column '{self.column}'", found=str(found))


def _instance(dtype: object) -> pl.DataType:
    made = dtype() if isinstance(dtype, type) else dtype
    assert isinstance(made, pl.DataType)  # the types of a schema are nothing else
    return made
