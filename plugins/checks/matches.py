"""Values must have a form."""

import polars as pl
from polars.exceptions import PolarsError
from pydantic import Field, field_validator

from engine.plugin import Check


class Matches(Check):
    """The values of a column match a regular expression, each as a whole.

    The syntax is that of Polars, which is Rust's: no look-around and no references back. `(?i)` in front ignores case.
    Values that are not text are compared as Polars writes them. A missing value breaks nothing; add ``not_null`` if it
    should.
    """

    column: str = Field(description="The column to look at.")
    pattern: str = Field(
        min_length=1, description="The regular expression, such as `[A-Z]{2}[0-9]+`. It stands for the whole value."
    )

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        _compile(pattern, pattern)  # by itself first: `a)|(b` would only fit into the brackets that are put around it
        _compile(_whole(pattern), pattern)
        return pattern

    def violations(self) -> pl.Expr:
        text = pl.col(self.column).cast(pl.String)
        return text.str.contains(_whole(self.pattern)).fill_null(value=True).not_()

    def needs(self) -> tuple[str, ...]:
        return (self.column,)

    def describe(self) -> str:
        return f"{self.column} matches {self.pattern}"


def _whole(pattern: str) -> str:
    return rf"\A(?:{pattern})\z"


def _compile(pattern: str, written: str) -> None:
    """Raise ``ValueError`` that says what is wrong with a pattern, and at which character, unless Polars can compile it."""
    try:
        pl.Series([""]).str.contains(pattern)
    except PolarsError as error:
        said = str(error).partition("\n\n")[0].splitlines()
        reason = next((line.removeprefix("error: ") for line in said if line.startswith("error: ")), said[0])
        mark = next((line for line in said if set(line.strip()) == {"^"}), "")
        place = f", at character {mark.index('^') - _INDENT + 1}" if mark else ""
        if pattern != written:
            reason, place = "it ends in a comment", ""
        raise ValueError(f"'{written}' is no regular expression that Polars can compile: {reason}{place}") from error


_INDENT = 4  # spaces in front of the pattern, and of the mark below it, in the message
