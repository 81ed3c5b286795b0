"""Parquet files."""

from __future__ import annotations

from typing import ClassVar

import polars as pl
from pydantic import Field

from engine.errors import DataError
from engine.plugin import ALL, Extractor, Source, SourcePartition, Window
from plugins.extractors._files import partitions


class Parquet(Extractor):
    """Read Parquet files, one partition a file.

    Names and types come from the files' footers; values are taken as they are.
    """

    scans: ClassVar[bool] = True

    path: str = Field(description="A file or a glob pattern (`data/2013/*.parquet`), relative to where you stand.")

    def plan(self, window: Window = ALL) -> Source:
        """Return a partition a file; the columns come from the footer of the first, None if it can not be read.

        Bounds of the window are compared with the dates in the names of the files.
        """
        files = partitions(self.path, window)
        try:
            columns = tuple(self.read(files[0]).collect_schema()) if files else None
        except DataError:
            columns = None  # read says so, of this file alone
        return Source(files, columns)

    def read(self, partition: SourcePartition, *, thorough: bool = False) -> pl.LazyFrame:
        """Return the rows of one file. Raises ``DataError`` when its footer can not be read."""
        frame = pl.scan_parquet(partition.name, glob=False, hive_partitioning=False)
        try:
            frame.collect_schema()
        except (pl.exceptions.PolarsError, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise DataError(
                f"{partition.name} is no Parquet file, or a part of one",
                where=partition.name,
                found=str(error).splitlines()[0][:120],
                hint="get it again",
            ) from error
        return frame
