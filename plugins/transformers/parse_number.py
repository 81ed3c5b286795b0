"""Numbers out of text."""

import re
from typing import Literal

import polars as pl
from pydantic import Field, model_validator

from engine.errors import DataError
from engine.plugin import Transformer, require
from plugins.transformers._numbers import divided
from plugins.transformers._values import is_text, strictly

_THOUSANDS = {"": "", ",": ",", ".": r"\.", " ": "[ \u00a0\u2009\u202f]", "'": "['\u2019]", "_": "_"}
_MINUS = "[-\u2212]"


class ParseNumber(Transformer):
    """Turn columns of text into numbers.

    A text is read only if all of it is a number as the parameters say: `1,234` is none without `thousands: ","`, and
    `1,23` is none with it, because groups have three digits. White space around it does not matter, an empty text is
    missing. Columns of numbers become the type asked for.
    """

    columns: tuple[str, ...] = Field(min_length=1, description="The columns to turn into numbers.")
    into: Literal["Float64", "Int64"] = Field(
        default="Float64",
        description="The type of the results. For Int64 a text with a fraction other than 0, an exponent, or more than the "
        "type holds can not be read.",
    )
    thousands: Literal["", ",", ".", " ", "'", "_"] = Field(
        default="", description="What may stand between groups of three digits; a blank means no-break blanks too."
    )
    decimal: Literal[".", ","] = Field(default=".", description="What stands before the fraction.")
    percent: bool = Field(
        default=False,
        description="Whether a number may be followed by a percent sign, and is divided by 100 then: 12 % is 0.12.",
    )
    currency: tuple[str, ...] = Field(
        default=(), description="Signs or codes that may stand before or behind the number and are left out, such as €, USD."
    )
    parentheses: bool = Field(
        default=False, description="Whether a number in parentheses is negative, as accountants write: (12) is -12."
    )
    strict: bool = Field(
        default=True, description="Whether a text that can not be read stops the run; when false it becomes missing."
    )

    @model_validator(mode="after")
    def _marks_differ(self) -> "ParseNumber":
        if self.thousands == self.decimal:
            raise ValueError(f"'{self.decimal}' can not stand between thousands and before the fraction")
        if self.percent and self.into == "Int64":
            raise ValueError("hundredths are no whole numbers: leave out `percent`, or let `into` be Float64")
        if wrong := [sign for sign in self.currency if not re.fullmatch(r"[^\s\d.,'_()%+\-\u2212\u2019]+", sign)]:
            raise ValueError(f"'{wrong[0]}' is no currency sign: digits, blanks and marks of numbers can not be part of one")
        return self

    def apply(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        schema = frame.collect_schema()
        require(self.columns, schema.names())
        return frame.with_columns(self._number(name, schema[name]).alias(name) for name in self.columns)

    def _number(self, name: str, source: pl.DataType) -> pl.Expr:
        column, target = pl.col(name), pl.Int64() if self.into == "Int64" else pl.Float64()
        if source == pl.Null:
            return column.cast(target)
        if source.is_numeric():
            given, number = column, column.cast(target, strict=False)
            if self.into == "Int64" and not source.is_integer():
                number = pl.when(column == column.round(0)).then(number)
                given = column.fill_nan(None) if source.is_float() else column
        elif is_text(source):
            text = column.cast(pl.String).str.strip_chars()
            given = pl.when(text != "").then(text)
            number = self._read(given)
        else:
            raise DataError(f"column '{name}' can not become numbers", expected="text or numbers", found=str(source))
        if not self.strict:
            return number
        return strictly(
            number,
            given,
            target,
            f"column '{name}' holds what is no {self.into} in the way described",
            hint="thousands, decimal, percent, currency and parentheses say how numbers are written; with strict: false what "
            "can not be read becomes missing",
        )

    def _read(self, text: pl.Expr) -> pl.Expr:
        group, point = _THOUSANDS[self.thousands], re.escape(self.decimal)
        whole = rf"[0-9]{{1,3}}(?:{group}[0-9]{{3}})+|[0-9]+" if group else "[0-9]+"
        number = rf"(?:(?:{whole})(?:{point}[0-9]+)?|{point}[0-9]+)(?:[eE][+-]?[0-9]+)?"
        longest_first = sorted(self.currency, key=lambda sign: (-len(sign), sign))
        money = rf"(?:(?:{'|'.join(map(re.escape, longest_first))})\s*)?" if self.currency else ""
        percent = r"(?:\s*%)?" if self.percent else ""
        amount = rf"{number}{percent}\s*{money}"
        forms = [rf"(?:[+]|{_MINUS})?\s*{money}{amount}", rf"{money}(?:[+]|{_MINUS})\s*{amount}"]
        if self.parentheses:
            forms.append(rf"\(\s*{money}{amount}\)")
        read = pl.when(text.str.contains(rf"^(?:{'|'.join(forms)})$")).then(text)
        digits = read.str.extract(rf"({number})")
        if group:
            digits = digits.str.replace_all(group, "")
        digits = digits.str.replace(point, ".", literal=False)
        negative = read.str.contains(rf"^(?:\(|[^0-9]*{_MINUS}[^0-9]*[0-9])")
        signed = pl.when(negative).then(pl.lit("-") + digits).otherwise(digits)
        if self.into == "Int64":
            return signed.str.replace(r"\.0+$", "").cast(pl.Int64, strict=False)
        value = signed.cast(pl.Float64, strict=False)
        value = pl.when(value.is_finite()).then(value)
        return pl.when(read.str.contains("%")).then(divided(value, 100)).otherwise(value) if self.percent else value
