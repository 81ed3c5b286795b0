"""Collections of MongoDB."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import polars as pl
from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr, field_validator, model_validator

from engine.errors import ConfigError
from engine.names import Secret, new_id
from engine.plugin import ALL, CHECK, RAW, ROW, Extractor, Salvaged, Source, SourcePartition, Window
from engine.validate import Described
from plugins.extractors._mongo_collection import Query, batches, check, condition, decoded, extremes, firsts, opened
from plugins.extractors._mongo_shapes import Layout, Shape
from plugins.extractors._ranges import Range, behind, cut, read_as, written
from plugins.extractors._streamed import refuse_reserved, streamed

if TYPE_CHECKING:
    from pymongo.collection import Collection

_SAMPLE = 1_000  # documents from which types are guessed; a wrong guess fails loudly and is learned from all documents

Plain = StrictBool | StrictInt | StrictFloat | StrictStr


class Bounds(Described):
    """Bounds of a field's values, both included."""

    min: Plain | None = Field(default=None, description="The least value.")
    max: Plain | None = Field(default=None, description="The largest value.")
    as_: Literal["value", "time", "id"] = Field(
        default="value",
        description="What the texts are: themselves, times (2013-01-31 12:00:00, UTC) or ids of 24 hexadecimal digits.",
    )

    @model_validator(mode="after")
    def _bounded(self) -> Bounds:
        if self.min is None and self.max is None:
            raise ValueError("give min, max or both")
        self.query()
        return self

    def query(self) -> Query:
        """Return the bounds as MongoDB writes them."""
        found = {"$gte": self.min, "$lte": self.max}
        return {operator: self._bound(value) for operator, value in found.items() if value is not None}

    def _bound(self, value: Plain) -> Any:
        if self.as_ == "value":
            return value
        from datetime import UTC

        time = datetime.fromisoformat(str(value)) if self.as_ == "time" else None
        if time is not None:
            return time if time.tzinfo else time.replace(tzinfo=UTC)
        return Range.from_json([["ObjectId", str(value)], None, True, True, "without"]).low


class Mongo(Extractor):
    """Read a collection of MongoDB, in ranges of `_id` that are read side by side, in the order of `_id`.

    Documents keep their nesting; a field that is absent and one that is null are the same. Whole numbers become Int64, times
    Datetime[UTC] in milliseconds, ids and decimals text. Types are guessed from the first documents of a range, and learned
    from all of them where the guess does not hold. A field whose values are of several types becomes text, each value as JSON;
    whole numbers beside others become Float64 when all are exact. A document that can not be decoded, or a time beyond the
    years 1 to 9999, goes to quarantine.

    Nothing tells whether a collection has changed, so without a `watermark` it is read each time. With one only documents
    beyond the largest value of last time are asked for, the largest value of now included. A document that appears later with
    a value at or below it is missed: let `lag` be longer than that may take. `_id` grows by seconds only, and only where the
    servers' and clients' clocks agree. Documents without a watermark are read the first time only.
    """

    uri: Secret = Field(
        description="Where the server is: mongodb://user:password@host:27017/. Take it from the environment: "
        "${oc.env:MONGO_URI}."
    )
    database: str = Field(min_length=1, description="The database's name.")
    collection: str = Field(min_length=1, description="The collection's name.")
    filter: dict[str, Plain | tuple[Plain, ...] | Bounds] = Field(
        default_factory=dict,
        description="Which documents to read, by field (`place.city`): a value, a list of values of which one must be met, or "
        "{min, max}, both included. Operators of MongoDB are refused.",
    )
    columns: tuple[str, ...] = Field(
        default=(), description="The fields to read, of the outermost level; all when none is named."
    )
    partition_rows: int = Field(
        default=500_000,
        ge=1,
        description="About how many documents a range has. Fewer when documents are large or memory is short.",
    )
    watermark: str | None = Field(
        default=None,
        description="A field that only grows, such as `_id` or the time of the last change: only newer documents are read.",
    )
    lag: float = Field(
        default=0,
        ge=0,
        description="How far reading stays behind the largest watermark, in seconds for times and ids, else in its own unit: "
        "for documents that appear late. 0 when each appears in the order of its watermark.",
    )

    @field_validator("filter")
    @classmethod
    def _plain_filter(cls, found: dict[str, Any]) -> dict[str, Any]:
        for name, value in found.items():
            _plain_field(name)
            values = value if isinstance(value, tuple) else (value.min, value.max) if isinstance(value, Bounds) else (value,)
            for text in values:
                if isinstance(text, str) and text.startswith("$"):
                    raise ValueError(f"'{text}' begins with $, as operators of MongoDB do")
        return found

    @field_validator("columns")
    @classmethod
    def _plain_columns(cls, columns: tuple[str, ...]) -> tuple[str, ...]:
        for name in columns:
            _plain_field(name)
            if "." in name:
                raise ValueError(f"'{name}' is inside of a field: read the whole of '{name.partition('.')[0]}'")
        return columns

    @field_validator("watermark")
    @classmethod
    def _plain_watermark(cls, watermark: str | None) -> str | None:
        if watermark is not None:
            _plain_field(watermark)
        return watermark

    @model_validator(mode="after")
    def _lag_of_something(self) -> Mongo:
        if self.lag and self.watermark is None:
            raise ValueError("lag goes with watermark")
        return self

    @property
    def incremental(self) -> bool:
        """Whether there is a watermark."""
        return self.watermark is not None

    @property
    def between(self) -> str | None:
        """The watermark."""
        return self.watermark

    def plan(self, window: Window = ALL) -> Source:
        """Return a partition for each range of ids, from counts and the ids that ranges begin with.

        ``after`` is excluded. ``since`` is included and ``until`` excluded; for ids both may be times. A backfill returns the
        watermark that was given. The fields are known only when ``columns`` names them.
        """
        if window != ALL and self.watermark is None:
            raise ConfigError(
                "a part of this source can not be asked for", hint="say with watermark which field it is a part of"
            )
        columns = self.columns or None
        with opened(self.uri, self.database, self.collection) as collection:
            check(collection)
            base, watermark = self._asked(collection, window)
            query = self._query(base or [])
            if base is None or (self.watermark is not None and collection.count_documents(query, limit=1) == 0):
                return Source((), columns, window.after)
            starts = firsts(collection, query, self.partition_rows)
        pieces = cut(starts, Range(), nulls=False) if starts and len(starts) > 1 else ()
        wheres = [[*base, ("_id", piece)] for piece in pieces] or [base]
        return Source(tuple(self._partition(where, base) for where in wheres), columns, watermark)

    def read(self, partition: SourcePartition, *, thorough: bool = False) -> pl.LazyFrame:
        """Return the documents of one range, with types guessed from the first or, if ``thorough``, learned from all."""
        query = self._query(_where(partition))
        layout = self._learn(query, None if thorough else _SAMPLE)

        def frames() -> Iterator[pl.DataFrame]:
            yield layout.schema.to_frame()
            with opened(self.uri, self.database, self.collection) as collection:
                for documents in batches(collection, query, self._projection()):
                    yield layout.frame(documents)

        return streamed(frames, layout.schema)

    def salvage(self, partition: SourcePartition, folder: Path) -> Salvaged:
        """Return the documents of one range that can be decoded and fit, and the others as text."""
        query = self._query(_where(partition))
        shape, files, first = Shape(), _Files(folder), 1
        with opened(self.uri, self.database, self.collection, raw=True) as collection:
            for found in batches(collection, query, self._projection()):
                for raw in found:
                    shape.see_fields(decoded(raw) or {})
            layout = Layout.of(shape, self.columns)
            files.add(layout, [], [])
            for found in batches(collection, query, self._projection()):
                kept, rejected = [], []
                for number, raw in enumerate(found, first):
                    document = decoded(raw)
                    misfit = layout.misfit(document) if document is not None else None
                    if document is None or misfit is not None:
                        rejected.append((number, _rule(misfit, layout), str(document) if document else raw.raw.hex()))
                    else:
                        kept.append((number, document))
                first += len(found)
                files.add(layout, kept, rejected)
        return Salvaged(pl.scan_parquet(files.rows, glob=False), pl.scan_parquet(files.rejected, glob=False))

    def _learn(self, query: Query, documents: int | None) -> Layout:
        shape = Shape()
        with opened(self.uri, self.database, self.collection) as collection:
            for found in batches(collection, query, self._projection(), limit=documents or 0):
                for document in found:
                    shape.see_fields(document)
        refuse_reserved(self.columns or shape.fields)
        return Layout.of(shape, self.columns)

    def _projection(self) -> Query | None:
        if not self.columns:
            return None
        return {"_id": "_id" in self.columns, **{name: True for name in self.columns if name != "_id"}}

    def _query(self, where: list[tuple[str, Range]]) -> Query:
        """Return what is asked of MongoDB: the filter, each value behind an operator of ours, and ranges."""
        found: list[Query] = []
        for name, value in self.filter.items():
            if isinstance(value, Bounds):
                found.append({name: value.query()})
            else:
                found.append({name: {"$in": list(value)} if isinstance(value, tuple) else {"$eq": value}})
        found += [asked for name, piece in where if (asked := condition(name, piece))]
        return {"$and": found} if found else {}

    def _asked(self, collection: Collection[Any], window: Window) -> tuple[list[tuple[str, Range]] | None, str | None]:
        """Return the ranges of the watermark that are asked for, None if there are no such documents, and the next one."""
        field = self.watermark
        if field is None:
            return [], None
        ends = extremes(collection, field, self._query([]))
        if ends is None:
            return ([(field, Range(nulls="only"))] if window == ALL else None), window.after
        largest = ends[1]
        backfill = window.since is not None or window.until is not None
        upper = largest if backfill else behind(largest, self.lag, field)
        after, since, until = (
            None if text is None else read_as(largest, text, what)
            for what, text in (("after", window.after), ("since", window.since), ("until", window.until))
        )
        base = [(field, Range(after, upper, low_included=False, nulls="also" if window == ALL else "without"))]
        if backfill:
            base.append((field, Range(since, until, high_included=False)))
        return base, window.after if backfill else written(upper)

    def _partition(self, where: list[tuple[str, Range]], base: list[tuple[str, Range]]) -> SourcePartition:
        label = f"{self.database}.{self.collection}"
        name = ", ".join(dict.fromkeys(filter(None, [label, *(found.words(field) for field, found in where)])))
        unit = ", ".join(filter(None, [label, *(found.words(field, both=True) for field, found in base)]))
        return SourcePartition(name, new_id(), unit, json.dumps([[field, found.to_json()] for field, found in where]))


class _Files:
    """Files of rows and of rejected rows in a folder, a pair for each batch."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.rows, self.rejected = folder, list[Path](), list[Path]()

    def add(self, layout: Layout, kept: list[tuple[int, Mapping[str, Any]]], rejected: list[tuple[int, str, str]]) -> None:
        """Write a pair of files."""
        number = len(self.rows)
        self.rows.append(self._folder / f"rows-{number}.parquet")
        self.rejected.append(self._folder / f"rejected-{number}.parquet")
        numbers = pl.Series(ROW, [place for place, _ in kept], pl.UInt32)
        layout.frame(document for _, document in kept).insert_column(0, numbers).write_parquet(self.rows[-1])
        schema = {ROW: pl.UInt32, CHECK: pl.String, RAW: pl.String}
        pl.DataFrame(rejected, schema=schema, orient="row").write_parquet(self.rejected[-1])


def _plain_field(name: str) -> None:
    if not name or any(not part or part.startswith("$") for part in name.split(".")) or "\0" in name:
        raise ValueError(f"'{name}' is no field: operators of MongoDB, which begin with $, are refused")


def _rule(misfit: str | None, layout: Layout) -> str:
    """Return in words what a rejected document should have been."""
    if misfit is None:
        return "is a valid document"
    times = isinstance(layout.schema.get(misfit), pl.Datetime)
    return f"{misfit} is a time of the years 1 to 9999" if times else f"{misfit} is as in the other documents"


def _where(partition: SourcePartition) -> list[tuple[str, Range]]:
    return [(field, Range.from_json(found)) for field, found in json.loads(partition.detail)]
