"""Ingested rows into a MongoDB and back, against the driver alone on the very same documents.

Writing: ``MongoRaw.put``, from a Parquet file to documents that are on the disk, against ``insert_many`` of documents
that are made already, in calls of the same size and with the same index. The difference is the digest of the rows, making
the documents, and the record that is written last. Reading: ``MongoRaw.scan``, with the types as they were and the digest
checked, against ``find_polars_all`` of the same fields, in no order. The rows are flights. Every round has collections of
its own; both sides run in turn in one process, against the server at ``LEVADA_MONGO_URI`` or, without that, against the
one that the tests use, which the program starts.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.data import FLIGHTS
from benchmarks.timing import PYTHON, Row, compare, run

ROWS = 60_000
ROUNDS = 5


def measure() -> list[Row]:
    """Return the lines of the table."""
    told = run([PYTHON, "-m", "benchmarks.mongo"]).told()
    return [
        compare(f"{ROWS:,} rows into MongoDB", [(one["put"], one["insert"]) for one in told], "s", 1.25),
        compare(f"{ROWS:,} rows out of MongoDB", [(one["scan"], one["find"]) for one in told], "s", 1.25),
    ]


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _round(uri: Any, folder: Path, number: int) -> dict[str, float]:
    """Return the seconds of each side."""
    import polars as pl
    from pymongoarrow.api import find_polars_all

    from engine.stores import mongo, mongo_raw
    from engine.stores.mongo_columns import Form
    from engine.stores.raw import Slot

    files = sorted(FLIGHTS.glob("flights/*.csv.gz"))[:3]
    flights = pl.concat(pl.read_csv(file, null_values=["NA"], try_parse_dates=True) for file in files).head(ROWS)
    database, store = mongo.database(uri, "benchmark"), mongo_raw.MongoRaw(uri, "benchmark")
    plain = database[f"plain_{number}"]
    plain.create_index([("_batch", 1), ("_partition", 1), ("_row", 1)], unique=True)
    form = Form.of(flights.lazy())
    documents = form.documents(flights)
    for row, document in enumerate(documents, 1):
        document.update(_batch="0198b9e0-0000-7000-8000-000000000000", _partition="0000-0123456789abcdef0123", _row=row)

    def insert() -> None:
        for first in range(0, ROWS, mongo_raw.INSERT):
            plain.insert_many(documents[first : first + mongo_raw.INSERT], ordered=False)

    file, slot = folder / "flights.parquet", Slot("raw", f"flights_{number}", "0198b9e0-0000-7000-8000-000000000000", 0)
    flights.write_parquet(file)
    kept: list[Any] = []
    seconds = {"put": _seconds(lambda: kept.append(store.put(file, slot))), "insert": _seconds(insert)}
    query, schema = {"_batch": documents[0]["_batch"]}, form.arrow_schema()
    for _ in range(2):  # what a server reads for the first time takes it longer, whoever asks: the second time counts
        fresh = mongo_raw.MongoRaw(uri, "benchmark")  # which checks the digest
        seconds["scan"] = _seconds(lambda: fresh.scan(kept[0]).collect())  # noqa: B023  # called at once
        seconds["find"] = _seconds(lambda: find_polars_all(plain, query, schema=schema))
    if not store.scan(kept[0]).collect().equals(flights):
        raise RuntimeError("what was read is not what was written")
    plain.drop()
    store.remove(kept[0].file.path)
    return seconds


def _main() -> None:
    from engine.names import Secret
    from tests import servers

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="levada-mongo-")))
        uri = os.environ.get("LEVADA_MONGO_URI") or stack.enter_context(servers.mongo(folder)).address
        _round(Secret(uri), folder, -1)  # imports and first calls are not what is measured
        json.dump([_round(Secret(uri), folder, number) for number in range(ROUNDS)], sys.stdout)


if __name__ == "__main__":
    _main()
