"""Parquet files."""

import polars as pl
from pydantic import Field

from engine.errors import DataError
from engine.plugin import Extractor, Source, SourcePartition
from plugins.extractors._files import disagreement, partitions


class Parquet(Extractor):
    """Read Parquet files, one partition a file.

    Names and types come from the files' footers; the types of a dataset's files must agree.
    """

    path: str = Field(description="A file or a glob pattern (`data/2013/*.parquet`), relative to where you stand.")

    def plan(self) -> Source:
        """Return a partition a file; the columns come from the footers."""
        files = partitions(self.path)
        headers = {file.name: tuple(self._schema(file)) for file in files}
        first = files[0].name
        for name, columns in headers.items():
            if columns != headers[first]:
                raise disagreement(first, headers[first], name, columns)
        return Source(files, headers[first])

    def read(self, partition: SourcePartition, *, thorough: bool = False) -> pl.LazyFrame:
        """Return the rows of one file."""
        return pl.scan_parquet(partition.name, glob=False)

    def _schema(self, file: SourcePartition) -> pl.Schema:
        try:
            return pl.scan_parquet(file.name, glob=False).collect_schema()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise DataError(
                f"{file.name} is no Parquet file, or a part of one", where=file.name, found=str(error)[:120]
            ) from error
