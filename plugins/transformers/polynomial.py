"""Products of columns."""

from collections import Counter
from collections.abc import Iterator
from functools import reduce
from itertools import chain, combinations, combinations_with_replacement
from math import comb

import polars as pl
from pydantic import Field, model_validator

from engine.errors import DataError
from engine.plugin import Transformer, require
from plugins.transformers._numbers import number

_MOST = 10_000


class Polynomial(Transformer):
    """Add the products of columns and their powers, so that linear models see curves and how columns act together.

    Of columns ``a`` and ``b``, degree 2 adds ``a^2``, ``a b`` and ``b^2`` (Float64), in the order and with the names of
    scikit-learn's ``PolynomialFeatures``; the columns themselves stay. A product with a missing factor is missing, one
    that no Float64 holds is infinite. Nothing is learned, so the step may stand anywhere: under ``features``, where its
    columns are stored with the view, or under ``encode``, after columns were scaled, which keeps powers in bounds.
    """

    columns: tuple[str, ...] = Field(
        min_length=1,
        description="The columns to multiply, numbers or booleans (true is 1). They are listed, for products soon are "
        "many: ten columns have 55 of degree 2 and 220 of degree 3.",
    )
    degree: int = Field(default=2, ge=2, le=6, description="How many factors a product has at most, from 2 to 6.")
    interaction_only: bool = Field(
        default=False, description="Whether to leave out products that have a column twice, such as squares."
    )

    @model_validator(mode="after")
    def _products_are_few(self) -> "Polynomial":
        twice = [name for name, count in Counter(self.columns).items() if count > 1]
        if twice:
            raise ValueError(f"column '{twice[0]}' is listed twice")
        n = len(self.columns)
        choices = range(2, self.degree + 1)
        count = sum(comb(n, size) if self.interaction_only else comb(n + size - 1, size) for size in choices)
        if count > _MOST:
            raise ValueError(f"{n} columns have {count:,} products of degree {self.degree}; at most {_MOST:,} are made")
        return self

    def apply(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        schema = frame.collect_schema()
        require(self.columns, schema.names())
        for name in self.columns:
            if not (schema[name].is_numeric() or schema[name] in (pl.Boolean, pl.Null)):
                raise DataError(
                    f"column '{name}' can not be multiplied", expected="numbers or booleans", found=str(schema[name])
                )
        products = {_name(factors): factors for factors in self._products()}
        taken = sorted(products.keys() & set(schema.names()))
        if taken:
            raise DataError(f"there is a column '{taken[0]}' already", hint=f"drop or rename '{taken[0]}' first")
        factor = {name: number(name, schema[name]) for name in self.columns}
        return frame.with_columns(
            reduce(lambda a, b: a * b, (factor[column] for column in factors)).alias(name) for name, factors in products.items()
        )

    def _products(self) -> Iterator[tuple[str, ...]]:
        choose = combinations if self.interaction_only else combinations_with_replacement
        return chain.from_iterable(choose(self.columns, size) for size in range(2, self.degree + 1))


def _name(factors: tuple[str, ...]) -> str:
    return " ".join(name if count == 1 else f"{name}^{count}" for name, count in Counter(factors).items())
