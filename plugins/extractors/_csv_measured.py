"""Lets Polars read the whole numbers of a CSV file itself, which is quick, and proves that no value was changed by it.

Zeros, a plus and spaces before a number, which Polars reads over, only make it longer. So if all values together, numbers as
they are printed, are as long as the text of the file, no number was written in another way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl
import polars.selectors as cs

from plugins.extractors._csv_layout import Layout


def is_measurable(found: Layout, width: int, nulls: Sequence[str]) -> bool:
    """Say whether the length of what was read can be compared with the length of the text, ``nulls`` read as nothing.

    It can if no quote and no CR stands within a value, and if it is known how long each null was.
    """
    lengths = {len(word.encode()) for word in nulls}
    return not found.quoted and not found.returns and len(lengths) <= 1 and found.has_fields(width)


def measured(read: pl.LazyFrame, found: Layout, nulls: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Yield what is read of a file; ``ComputeError`` after the last if they are not as long together as the text of the file.

    It has whole numbers and text, and what was nothing or one of ``nulls`` is null.
    """
    length, empty = 0, 0
    for batch in read.collect_batches(maintain_order=True, engine="streaming"):
        length += _length(batch)
        empty += sum(column.null_count() for column in batch.iter_columns())
        yield batch
    null = len(nulls[0].encode()) if nulls else 0
    if length + (empty - found.empty) * null != found.text:
        raise pl.exceptions.ComputeError("a whole number is written in another way than it would be printed")


def _length(batch: pl.DataFrame) -> int:
    """Return how many bytes the values of a batch have, whole numbers as they are printed."""
    texts, numbers = batch.select(cs.string().str.len_bytes().sum()), batch.select(cs.integer())
    return sum(int(column.item()) for column in texts) + sum(_digits(column) for column in numbers)


def _digits(numbers: pl.Series) -> int:
    """Return how many characters whole numbers have when they are printed. Comparing is quicker than printing them."""
    least, most = numbers.min(), numbers.max()
    if not isinstance(least, int) or not isinstance(most, int):
        return 0
    count = len(numbers) - numbers.null_count()
    for power in range(1, len(str(most)) if most > 0 else 1):
        count += int((numbers >= 10**power).sum())
    if least < 0:
        count += int((numbers < 0).sum())
        for power in range(1, len(str(-least))):
            count += int((numbers <= -(10**power)).sum())
    return count
