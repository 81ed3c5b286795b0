"""Keys as text: equal keys have equal text, on every machine."""

import polars as pl

_SEPARATOR, _MISSING = "\x1f", "\x00"


def texts_of(keys: pl.Series) -> pl.Series:
    """Return each key, a struct, as text that is the same whatever the width of numbers and the unit or zone of times."""
    frame = keys.struct.unnest()
    columns = [_canonical(name, dtype).fill_null(_MISSING) for name, dtype in frame.schema.items()]
    return frame.select(pl.concat_str(columns, separator=_SEPARATOR).alias("text")).to_series()


def _canonical(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if dtype in (pl.Date, pl.Datetime):
        return column.cast(pl.Datetime("us", getattr(dtype, "time_zone", None))).dt.epoch("us").cast(pl.String)
    return column.cast(pl.String)
