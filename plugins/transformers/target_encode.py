"""Levels as what the target is among them, without telling a row its own target."""

import polars as pl
from pydantic import Field

from engine.errors import DataError
from engine.plugin import PART, TARGET, Columns, FittedTransformer, choose, require
from plugins.transformers import _levels, _names
from plugins.transformers._row_hash import row_hash

_FOLD, _LEVEL, _VALUES, _PRIOR = "__fold__", "__level__", "__values__", "__prior__"
_SUMMARY = pl.Schema(
    {
        "column": pl.String(),
        "level": pl.String(),
        "fold": pl.Int16(),
        "class": pl.String(),
        "rows": pl.Int64(),
        "sum": pl.Float64(),
    }
)
_STATE = pl.Schema(
    {
        "column": pl.String(),
        "known": pl.Boolean(),
        "level": pl.String(),
        "fold": pl.Int16(),
        "values": pl.List(pl.Float64()),
    }
)
_KEYS = ("column", "level", "fold", "class")
_MANY = 20  # so many rows of a level in one fold are no chance: with 5 folds, one in 2e13


class TargetEncode(FittedTransformer):
    """Replace each level by the mean of the target among its training rows, smoothed towards the mean of all rows.

    For classes the mean is the share of the second one of two in order, and takes the column's place; of more classes,
    the share of each becomes ``<column>:<class>``. For a number it is its mean. It suits columns of very many levels,
    for which ``one_hot`` has no room.

    A training row is given the mean of the other folds: had it a part in its own value, a model would learn the target
    from it, most of all where a level has one row. The fold of a row is a hash of its values, the target left out, so
    that equal rows share a fold and the same rows always have the same one. Other rows are given the mean of all
    training rows. A level that was not seen there, in other folds or in training, has the mean of all those rows; a
    missing value is a level of its own. Rows without a target, or with one that is not finite, teach nothing.
    """

    columns: Columns = Field(default="text", description="The columns to replace: a list of names, or text, boolean or all.")
    smooth: float = Field(
        default=10.0,
        ge=0,
        description="How many rows of the overall mean are added to each level (scikit-learn's smooth). More trust rare "
        "levels less; 0 takes them at their word.",
    )
    folds: int = Field(
        default=5, ge=2, le=100, description="Into how many folds training rows fall. More learn a row's value from more rows."
    )
    fold_by: Columns = Field(
        default="all",
        description="The columns whose values decide the fold of a row: a list of names, or all of a type. They must tell "
        "rows apart. Name those of a group, such as a customer, to keep its rows in one fold.",
    )
    seed: int = Field(default=0, ge=0, lt=2**31, description="The number that decides the folds; any other, other folds.")

    def summarize(self, frame: pl.LazyFrame) -> pl.DataFrame:
        schema = frame.collect_schema()
        if TARGET not in schema:
            raise DataError("target_encode needs a target", hint="use frequency or one_hot, which need none")
        names = choose(self.columns, schema)
        number = schema[TARGET].is_numeric()
        target = pl.col(TARGET).cast(pl.Float64 if number else pl.String)
        known = target.is_finite() if number else target.is_not_null()
        levels = {f"{_LEVEL}{place}": _levels.text(name, schema[name]) for place, name in enumerate(names)}
        rows = frame.filter(known).select(self._fold(schema), target.alias(TARGET), **levels).collect()
        # The empty row of each column says that it is there, also where no partition has rows.
        nothing = {"level": None, "fold": None, "class": None, "rows": 0, "sum": 0.0}
        empty = pl.DataFrame([{"column": name, **nothing} for name in names], schema=_SUMMARY)
        counted = [_counted(rows, place, name, number=number) for place, name in enumerate(names)]
        return pl.concat([empty, *counted]).sort(_KEYS)

    def merge(self, a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
        return pl.concat([a, b]).group_by(_KEYS).agg(pl.col("rows", "sum").sum()).sort(_KEYS)

    def finish(self, summary: pl.DataFrame) -> pl.DataFrame:
        """Return the ``values`` of each ``level`` of a ``column``, as seen from each ``fold`` it is in and, null, from outside.

        Values are in the order of ``classes``, which is the same for all. Rows that are not ``known`` have the values of
        levels that were not seen.
        """
        classes = summary["class"].drop_nulls().unique().sort().to_list()
        outputs: list[str | None] = classes if len(classes) > 2 else classes[-1:] or [None]
        columns = summary["column"].unique().sort().to_list()
        state = [self._encodings(name, summary.filter(pl.col("column") == name), outputs) for name in columns]
        listed = pl.lit(outputs if len(outputs) > 1 else [], pl.List(pl.String)).alias("classes")
        return pl.concat([_STATE.to_frame(), *state]).with_columns(listed)

    def apply(self, frame: pl.LazyFrame, state: pl.DataFrame) -> pl.LazyFrame:
        schema = frame.collect_schema()
        columns = state["column"].unique(maintain_order=True).to_list()
        require(columns, schema.names())
        if not columns:
            return frame
        classes = state["classes"][0].to_list()
        made = {name: [f"{name}:{label}" for label in classes] or [name] for name in columns}
        taken = [name for name in schema.names() if name not in columns]
        _names.require_new([name for names in made.values() for name in names], taken, hint="rename that column")
        apart = pl.when(pl.col(PART) == "train").then(self._fold(schema)) if PART in schema else pl.lit(None, pl.Int16)
        frame = frame.with_columns(apart.alias(_FOLD))
        for name in columns:
            own = state.filter(pl.col("column") == name)
            seen = own.filter("known").select(
                pl.col("level").alias(_LEVEL), pl.col("fold").alias(_FOLD), pl.col("values").alias(_VALUES)
            )
            rest = own.filter(~pl.col("known")).select(pl.col("fold").alias(_FOLD), pl.col("values").alias(_PRIOR))
            level = _levels.text(name, schema[name]).alias(_LEVEL)
            joined = (
                frame.with_columns(level)
                .join(seen.lazy(), on=[_LEVEL, _FOLD], how="left", nulls_equal=True, maintain_order="left")
                .join(rest.lazy(), on=_FOLD, how="left", nulls_equal=True, maintain_order="left")
            )
            value = pl.coalesce(_VALUES, _PRIOR)
            encoded = [value.list.get(place).alias(new) for place, new in enumerate(made[name])]
            frame = joined.with_columns(encoded).drop(_LEVEL, _VALUES, _PRIOR, *([name] if classes else []))
        return frame.drop(_FOLD)

    def _fold(self, schema: pl.Schema) -> pl.Expr:
        fold = row_hash(schema, choose(self.fold_by, schema), seed=self.seed) % self.folds
        return fold.cast(pl.Int16).alias(_FOLD)

    def _encodings(self, name: str, summary: pl.DataFrame, outputs: list[str | None]) -> pl.DataFrame:
        """Return the part of the state that is one column's."""
        sums = [
            _added(pl.col("sum") if label is None else pl.col("sum").filter(pl.col("class") == label)).alias(f"sum{place}")
            for place, label in enumerate(outputs)
        ]
        rows = summary.filter(pl.col("rows") > 0).sort(_KEYS)
        cells = rows.group_by("level", "fold", maintain_order=True).agg(pl.col("rows").sum(), *sums)
        self._require_spread(name, cells)
        parts = ("rows", *(f"sum{place}" for place in range(len(outputs))))
        whole = cells.select(pl.lit(None, pl.Int16).alias("fold"), *(_added(pl.col(part)) for part in parts))
        folds = cells.group_by("fold", maintain_order=True).agg(_added(pl.col(part)) for part in parts)
        # What a row of a fold may know is all but that fold; where that is nothing, all rows share one mean.
        other = folds.select("fold", *((whole[part][0] - pl.col(part)).alias(part) for part in parts))
        other = other.with_columns(
            pl.when(pl.col("rows") > 0).then(pl.col(part)).otherwise(whole[part][0]).alias(part) for part in parts
        )
        every = pl.DataFrame({"fold": range(self.folds)}, schema={"fold": pl.Int16}).join(whole.drop("fold"), how="cross")
        unseen = every.join(folds.select("fold"), on="fold", how="anti")
        means = [
            pl.when(pl.col("rows") > 0).then(pl.col(part) / pl.col("rows")).otherwise(0.0).alias(f"prior{place}")
            for place, part in enumerate(parts[1:])
        ]
        priors = pl.concat([whole, other, unseen]).select("fold", *means)
        levels = cells.group_by("level", maintain_order=True).agg(_added(pl.col(part)) for part in parts)
        outside = levels.select("level", pl.lit(None, pl.Int16).alias("fold"), *parts)
        inside = cells.join(levels, on="level", nulls_equal=True, maintain_order="left", suffix="_all")
        inside = inside.select("level", "fold", *((pl.col(f"{part}_all") - pl.col(part)).alias(part) for part in parts))
        seen = pl.concat([outside, inside.filter(pl.col("rows") > 0)]).join(
            priors, on="fold", how="left", nulls_equal=True, maintain_order="left"
        )
        values = [
            (pl.col(f"sum{place}") + self.smooth * pl.col(f"prior{place}")) / (pl.col("rows") + self.smooth)
            for place in range(len(outputs))
        ]
        before = [pl.col(f"prior{place}") for place in range(len(outputs))]
        unknown = priors.select(
            known=pl.lit(value=False), level=pl.lit(None, pl.String), fold="fold", values=pl.concat_list(before)
        )
        known = seen.select(known=pl.lit(value=True), level="level", fold="fold", values=pl.concat_list(values))
        return pl.concat([unknown, known]).sort("known", "level", "fold").select(pl.lit(name).alias("column"), pl.all())

    def _require_spread(self, name: str, cells: pl.DataFrame) -> None:
        """Raise ``DataError`` where rows can not be told apart: then training would not see what its levels are worth."""
        levels = cells.group_by("level").agg(pl.col("rows").sum(), pl.col("fold").n_unique().alias("folds"))
        together = levels.filter((pl.col("folds") == 1) & (pl.col("rows") >= _MANY))["rows"].sum()
        total = levels["rows"].sum()
        if together * 2 > total:
            raise DataError(
                f"target_encode can not cross-fit column '{name}': rows with one level all fall into one fold",
                expected="rows that differ in other columns than this one",
                found=f"{together:,} of {total:,} rows whose level is in one fold only",
                hint="let problem.features keep a column that tells rows apart, such as a time, or name others in fold_by",
            )


def _counted(rows: pl.DataFrame, place: int, name: str, *, number: bool) -> pl.DataFrame:
    """Return how many rows a level has in each fold, by class or with the sum of the target."""
    keys = [pl.col(f"{_LEVEL}{place}").alias("level"), pl.col(_FOLD).alias("fold")]
    label = pl.lit(None, pl.String) if number else pl.col(TARGET)
    found = rows.group_by(*keys, label.alias("class")) if not number else rows.group_by(*keys)
    total = _added(pl.col(TARGET)) if number else pl.len().cast(pl.Float64)
    counted = found.agg(pl.len().cast(pl.Int64).alias("rows"), total.alias("sum"))
    if number:
        counted = counted.with_columns(label.alias("class"))
    return counted.select(pl.lit(name).alias("column"), "level", "fold", "class", "rows", "sum").cast(_SUMMARY)


def _added(column: pl.Expr) -> pl.Expr:
    """Return the sum as that of a list, in the order of the rows: else its last digits depend on how many threads there are."""
    return column.implode().list.sum()
