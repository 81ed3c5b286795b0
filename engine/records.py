"""Says what the store holds: batches, their rows with the numbers that they have in the source, the quarantine, events.

Answers are plain data, and nothing is changed. A dataset is what it was when it was last ingested: no pipeline is needed to
ask.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from engine.config.spec import Store
from engine.errors import DataError, unknown
from engine.ingestion.replay import Chain, chains
from engine.opened import Stores, opened
from engine.plugin import CHECK, RAW, ROW
from engine.schemas import schema_of, shown, union
from engine.stages.numbers import Link, numbered, outside, waiting
from engine.stores.batches import Batch, BatchPartition, Columns, Held, current
from engine.stores.history import find_batch

BATCH = "__batch__"
"""The column that holds the id of the batch that a row came with."""

PARTITION = "__partition__"
"""The column that holds the piece of the source that a row came from."""


@contextmanager
def looked(store: Store) -> Iterator[Stores]:
    """Open a store to look at it. Raises ``DataError`` when there is none."""
    if store.kind == "local" and not (Path(store.root) / "catalog.sqlite").exists():
        where = Path(store.root).absolute()
        raise DataError(f"there is no store at {where}", hint="ingest something first, or name the store with store.root=…")
    with opened(store, look=True) as stores:
        yield stores


def held_now(batches: Sequence[Batch]) -> list[Held]:
    """Return what makes up a dataset, given all its batches, as it was read last.

    What was read in another way before, from a file that is gone by now, still belongs to a dataset of mode append.
    """
    if not batches:
        return []
    newest = batches[-1]
    held = current(batches, newest.definition, mode=newest.mode)
    if newest.mode == "snapshot":
        return held
    found = {one.partition.source: one for one in held}
    before: dict[str, Held] = {}
    for batch in batches:
        for partition in batch.partitions:
            file = Path(partition.of or partition.source)
            if partition.source not in found and file.is_absolute() and not file.exists():
                before[partition.source] = Held(batch, partition)
    return [one for chain in chains([*(before | found).values()]) for one in chain.parts]


def _batches(stores: Stores, dataset: str | None) -> list[Batch]:
    """Return the batches of a dataset, which must be known, or of all."""
    batches = stores.catalog.batches(dataset)
    if dataset is not None and not batches:
        raise unknown("dataset", dataset, {batch.dataset for batch in stores.catalog.batches()})
    return batches


def _by_dataset(batches: Iterable[Batch]) -> dict[str, list[Batch]]:
    found: dict[str, list[Batch]] = {}
    for batch in batches:
        found.setdefault(batch.dataset, []).append(batch)
    return found


def list_batches(store: Store, dataset: str | None = None) -> list[dict[str, Any]]:
    """Return the batches of a store, or of a dataset, newest last. Raises ``UnknownName`` for one that has none."""
    with looked(store) as stores:
        return [_row(batch) for batch in sorted(_batches(stores, dataset), key=lambda one: (one.created, one.sequence))]


def _row(batch: Batch) -> dict[str, Any]:
    return {
        "id": batch.id,
        "dataset": batch.dataset,
        "sequence": batch.sequence,
        "mode": batch.mode,
        "rows_in": batch.rows_in,
        "rows": batch.rows,
        "quarantined": batch.quarantined,
        "partitions": len(batch.partitions),
        "created": _time(batch.created),
        "by": batch.by,
        "run": batch.run,
        "replays": list(batch.replays),
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def show_batch(store: Store, identity: str, rows: int = 0) -> dict[str, Any]:
    """Return everything that is recorded of a batch, and the first of its rows with their numbers in the source.

    Raises ``DataError`` when nothing, or more than one batch, is named so.
    """
    with looked(store) as stores:
        everything = stores.catalog.batches()
        batch = find_batch(everything, identity)
        if batch is None:
            raise DataError(f"there is no batch '{identity}'", hint="`levada batches` lists them")
        all_of_it = [one for one in everything if one.dataset == batch.dataset]
        held = held_now(all_of_it)
        return {
            **_row(batch),
            "fingerprint": batch.fingerprint,
            "definition": batch.definition,
            "source": json.loads(batch.source) if batch.source else None,
            "columns": shown(batch.columns),
            "carried": [f"{identity}:{number}" for identity, number in batch.carried],
            "drift": list(batch.drift),
            "watermark": batch.watermark,
            "backfill": {"column": batch.between, "since": batch.since, "until": batch.until}
            if batch.since is not None or batch.until is not None
            else None,
            "adopts": batch.adopts,
            "pieces": [_piece(batch, partition, held) for partition in batch.partitions],
            "first_rows": _first_rows(stores, batch, all_of_it, rows),
        }


def _piece(batch: Batch, partition: BatchPartition, held: Sequence[Held]) -> dict[str, Any]:
    return {
        "number": partition.number,
        "source": partition.source,
        "of": partition.of or None,
        "fingerprint": partition.fingerprint,
        "rows_in": partition.rows_in,
        "quarantined": partition.quarantined,
        "loaded": partition.loaded.model_dump(),
        "aside": partition.aside.model_dump() if partition.aside is not None else None,
        "reasons": [reason.model_dump() for reason in partition.reasons],
        "columns": shown(partition.columns),
        **_now(batch, partition, held),
    }


def _now(batch: Batch, partition: BatchPartition, held: Sequence[Held]) -> dict[str, Any]:
    """Return whether a partition belongs to its dataset now, what took its place, and what of it was replaced."""
    own = next((one for one in held if (one.batch.id, one.partition.number) == (batch.id, partition.number)), None)
    origin = partition.of or partition.source
    other = next((one for one in held if one.partition.source == origin), None)
    return {
        "held": own is not None,
        "replaced_by": other.batch.id if own is None and other is not None else None,
        "without": [list(one) for one in own.without] if own is not None else [],
    }


def _first_rows(stores: Stores, batch: Batch, batches: Sequence[Batch], count: int) -> list[dict[str, Any]]:
    if not count:
        return []
    found: list[dict[str, Any]] = []
    for partition in batch.partitions:
        frame = numbered(stores.files.raw, _links(batch, partition, batches)).head(count - len(found))
        found += [{PARTITION: partition.source, **row} for row in plain_rows(frame)]
        if len(found) >= count:
            break
    return found


def _links(batch: Batch, partition: BatchPartition, batches: Sequence[Batch]) -> list[Link]:
    """Return a partition, whether it is held or not, after those whose quarantine it replays."""
    links, one = [Link.of(partition)], partition
    while one.of:
        tail, replays = one.source.removeprefix(f"{one.of}, replayed from batch "), batch.replays
        named = (other for other in batches if other.id in replays and other.id.startswith(tail))
        batch, one = next((other, part) for other in named for part in other.partitions if one.of in (part.of, part.source))
        links.insert(0, Link.of(one))
    return links


def rows(store: Store, dataset: str) -> pl.LazyFrame:
    """Return the rows that a dataset has now, and where each is from: ``__batch__``, ``__partition__``, ``__row__``.

    The number is that in the source, from 1, also behind rows that went to quarantine. Columns that a partition lacks are
    null. Raises ``UnknownName`` for a dataset of which nothing was ingested, ``Corrupt`` for rows that are not as they were.
    """
    with looked(store) as stores:
        held = held_now(_batches(stores, dataset))
        columns = tuple(union(one.partition.columns for one in held))
        parts = [_named(stores, chain, place, columns) for chain in chains(held) for place in range(len(chain.parts))]
        if not parts:
            return pl.LazyFrame(schema={**schema_of(columns), BATCH: pl.String, PARTITION: pl.String, ROW: pl.UInt32})
        return pl.concat(parts, how="vertical")


def _named(stores: Stores, chain: Chain, place: int, columns: Columns) -> pl.LazyFrame:
    held = chain.parts[place]
    frame = outside(numbered(stores.files.raw, chain.links(place)), held.without)
    has = frame.collect_schema()
    return frame.select(
        *(
            (pl.col(name) if name in has else pl.lit(None)).cast(dtype).alias(name)
            for name, dtype in schema_of(columns).items()
        ),
        pl.lit(held.batch.id).alias(BATCH),
        pl.lit(chain.source).alias(PARTITION),
        pl.col(ROW),
    )


def quarantine(store: Store, dataset: str | None = None, count: int = 10) -> dict[str, Any]:
    """Return what is in quarantine now, by dataset, source and reason; of one dataset also the first ``count`` rows.

    Rows of a version that another has replaced, and rows that a replay has brought in, are not. Raises ``UnknownName`` for a
    dataset of which nothing was ingested.
    """
    with looked(store) as stores:
        counts: list[dict[str, Any]] = []
        first: list[dict[str, Any]] = []
        for name, batches in _by_dataset(_batches(stores, dataset)).items():
            for chain in chains(held_now(batches)):
                last = chain.last
                if not last.partition.quarantined:
                    continue
                frame = waiting(stores.files.raw, Link.of(last.partition), last.without)
                assert frame is not None, "what is counted is there"
                by_check = frame.group_by(CHECK).agg(rows=pl.len(), first=pl.col(ROW).min()).sort("first", CHECK)
                for check, number, row in by_check.collect().rows():
                    entry = {"dataset": name, "source": chain.source, "check": check, "rows": number, "first": row}
                    counts.append({**entry, "batch": last.batch.id})
                if dataset is not None and len(first) < count:
                    first += [_quarantined(chain.source, row) for row in plain_rows(frame.head(count - len(first)))]
        return {"rows": sum(one["rows"] for one in counts), "reasons": counts, "first_rows": first}


def _quarantined(source: str, row: dict[str, Any]) -> dict[str, Any]:
    values = {name: value for name, value in row.items() if name not in (ROW, CHECK, RAW)}
    raw = row[RAW]
    return {
        "source": source,
        "row": row[ROW],
        "check": row[CHECK],
        "values": values if raw is None else None,
        "raw": raw,
    }


def plain_rows(frame: pl.LazyFrame) -> list[dict[str, Any]]:
    """Return rows as plain data: what JSON can not say is said as text. For a few rows that people look at."""
    return [{name: _plain(value) for name, value in row.items()} for row in frame.collect().rows(named=True)]


def _plain(value: Any) -> Any:
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return str(value)


def events(store: Store, topic: str = "batch.committed") -> list[dict[str, Any]]:
    """Return the events of a topic that were announced, oldest first."""
    found: list[dict[str, Any]] = []
    with looked(store) as stores:
        while page := stores.catalog.logged(topic, found[-1]["offset"] if found else 0, 1000):
            found += [
                {"offset": offset, "id": one.id, "time": _time(one.created), "key": one.key, "payload": one.payload}
                for offset, one in page
            ]
    return found
