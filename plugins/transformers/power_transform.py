"""Columns with a shape nearer to the normal one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from engine.errors import DataError
from engine.plugin import Columns, FittedTransformer, require
from plugins.transformers import _quantiles
from plugins.transformers._numbers import choose_numbers, divided, number, require_finite

_Method = Literal["yeo-johnson", "box-cox"]
_Values: TypeAlias = NDArray[np.float64]

_EPSILON = float(np.finfo(np.float64).eps)
_HALF_RANGE = float(np.log(np.finfo(np.float64).max) + np.log(_EPSILON)) / 2
"""The logarithm of the largest number whose square, summed and rounded, still is a Float64."""


_IMPOSSIBLE = 1e9
"""What is more unlikely than any exponent, and finite: the search computes with it."""


class PowerTransform(FittedTransformer):
    """Take a power of each column that brings the training rows nearest to a normal distribution.

    It takes the skew out of amounts, durations and counts, for models that expect symmetric numbers. The exponent
    lambda of a column is the one of maximum likelihood, found on its distribution: 1 leaves the shape as it is, 0 is the
    logarithm. A constant column keeps its shape. Missing stays missing, infinite values are not learned from, results are
    Float64. It is scikit-learn's ``PowerTransformer``: where the likelihood has a clear maximum, lambda is within 1e-5 of
    its lambda up to 65,536 different values a column, and within 0.001 beyond, where values are rounded.
    """

    columns: Columns = Field(
        default="numeric",
        description="The columns to transform: a list of names, or numeric; all means the numeric ones too.",
    )
    method: _Method = Field(
        default="yeo-johnson",
        description="The family of powers. yeo-johnson (2000) takes any number. box-cox (1964) takes numbers above 0 only: "
        "any other stops the run in training and becomes missing later.",
    )
    standardize: bool = Field(
        default=True, description="Whether to give the result the mean 0 and the standard deviation 1 on the training rows."
    )

    def summarize(self, frame: pl.LazyFrame) -> pl.DataFrame:
        return _quantiles.summarize(frame, choose_numbers(self.columns, frame.collect_schema(), "power_transform"))

    def merge(self, a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
        return _quantiles.merge(a, b)

    def finish(self, summary: pl.DataFrame) -> pl.DataFrame:
        """Return ``column``, its ``lambda``, and ``shift`` and ``scale`` of the power: ``(power - shift) / scale``."""
        schema = {"column": pl.String, "lambda": pl.Float64, "shift": pl.Float64, "scale": pl.Float64}
        rows = [(name, *self._learned(name, values, counts)) for name, values, counts in _quantiles.points(summary)]
        return require_finite(pl.DataFrame(rows, schema, orient="row"), "lambda", "shift", "scale")

    def apply(self, frame: pl.LazyFrame, state: pl.DataFrame) -> pl.LazyFrame:
        schema = frame.collect_schema()
        require(state["column"].to_list(), schema.names())
        power = _box_cox if self.method == "box-cox" else _yeo_johnson
        return frame.with_columns(
            divided(power(number(name, schema[name]), exponent) - shift, scale).alias(name)
            for name, exponent, shift, scale in state.iter_rows()
        )

    def _learned(self, name: str, values: _Values, counts: NDArray[np.int64]) -> tuple[float, float, float]:
        """Return lambda, shift and scale of a column with these values, each ``counts`` times."""
        if self.method == "box-cox" and len(values) and values[0] <= 0:
            raise DataError(
                f"box-cox can not take the column '{name}'",
                expected="numbers above 0",
                found=f"{values[0]:g} in the training rows",
                hint="use method: yeo-johnson, which takes any number",
            )
        logarithm = np.log(values) if self.method == "box-cox" else np.sign(values) * np.log1p(np.abs(values))
        exponent = 1.0 if len(values) < 2 else _most_likely(self._powers, logarithm, counts)
        if not (self.standardize and len(values)):
            return exponent, 0.0, 1.0
        with np.errstate(over="ignore", invalid="ignore"):  # a figure that is not finite is refused by ``finish``
            mean, variance = _spread(self._powers(logarithm, exponent), counts)
        return exponent, mean, float(np.sqrt(variance)) if len(values) > 1 and variance > 0 else 1.0

    def _powers(self, logarithm: _Values, exponent: float) -> _Values:
        """Return the powers of the values with these logarithms; of Yeo and Johnson the sign is that of the value."""
        if self.method == "box-cox":
            return _expm1_over(logarithm, exponent)
        return np.where(logarithm >= 0, _expm1_over(logarithm, exponent), -_expm1_over(-logarithm, 2 - exponent))


def _expm1_over(logarithm: _Values, exponent: float) -> _Values:
    return logarithm if abs(exponent) < _EPSILON else np.expm1(exponent * logarithm) / exponent


def _spread(values: _Values, counts: NDArray[np.int64]) -> tuple[float, float]:
    n = counts.sum()
    mean = (values * counts).sum() / n
    return float(mean), float((counts * (values - mean) ** 2).sum() / n)


def _most_likely(power: Callable[[_Values, float], _Values], logarithm: _Values, counts: NDArray[np.int64]) -> float:
    """Return the exponent of maximum likelihood, searched where no power of these values overflows."""
    from scipy.optimize import fminbound

    slope, most = float((logarithm * counts).sum() / counts.sum()), float(np.abs(logarithm).max())

    def unlikeliness(exponent: float) -> float:
        with np.errstate(over="ignore", invalid="ignore"):
            _, variance = _spread(power(logarithm, exponent), counts)
        if not 0 < variance < np.inf:
            return _IMPOSSIBLE
        return float(0.5 * np.log(variance) - (exponent - 1) * slope)

    bound = _HALF_RANGE / most
    return float(fminbound(unlikeliness, -bound, bound + 2, xtol=1e-9, maxfun=1000))


def _box_cox(value: pl.Expr, exponent: float) -> pl.Expr:
    return _power(pl.when(value > 0).then(value).log(), exponent)


def _yeo_johnson(value: pl.Expr, exponent: float) -> pl.Expr:
    up, down = _power(value.log1p(), exponent), -_power((-value).log1p(), 2 - exponent)
    return pl.when(value >= 0).then(up).otherwise(down)


def _power(logarithm: pl.Expr, exponent: float) -> pl.Expr:
    """Return ``expm1(exponent * logarithm) / exponent``; the product keeps the digits of small numbers, as expm1 does."""
    if abs(exponent) < _EPSILON:
        return logarithm
    half = logarithm * (exponent / 2)
    return half.exp() * half.sinh() * (2 / exponent)
