"""Looks once more at the rows of a partition that are in quarantine: those that keep the rules now become rows.

In: nothing; the pieces of the raw store are named by the parameters. Out: the rows that pass, in order; the value is as that of
``ingest``, and says which rules rows break that are loaded. No file: no row passes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from engine.digest import canonical
from engine.errors import DataError
from engine.plugin import CHECK, RAW, ROW, Check, Extractor, SourcePartition
from engine.schemas import schema_of, wider
from engine.stages.ingest import slot_of
from engine.stages.numbers import Link, count_around, numbered, outside, waiting
from engine.stages.reading import Rules, Written, columns_in, fitting, read_partition, reasons_in, spans_in, split, with_rules
from engine.stages.work import Work, explained
from engine.stores import files
from engine.stores.artifacts import Artifact, sink
from engine.stores.commit import scratch


def run(work: Work) -> Artifact:
    """Replay the quarantine of one partition.

    ``links`` are the partition and the replays of it so far; ``partition`` is the piece of the source if it is to be read
    again, else None; ``rows_in`` is how many rows it had; ``wanted`` are the columns of the dataset; ``verify`` asks for the
    loaded rows to be checked too; ``without`` are ranges that a backfill has replaced. The rest is as for ``ingest``.
    """
    links = [Link.from_json(node) for node in work.params["links"]]
    checks = [check for check in work.plugins("check", "expect") if isinstance(check, Check)]
    with explained(f"cannot check {work.params['source']}"):
        broken = _broken(work, links, checks) if work.params["verify"] else []
    if broken or links[-1].aside is None:
        return work.store.value({"rows_in": 0, "broken": broken})
    with scratch(work.store.root) as folder:
        with explained(f"cannot read {work.params['source']} again"):
            written = (
                _read_again(work, links, checks, folder) if work.params["partition"] else _stored(work, links, checks, folder)
            )
            passed = pl.scan_parquet(written.loaded, glob=False).select(pl.len()).collect().item()
        if not passed:
            return work.store.value({"rows_in": written.rows_in, "broken": []})
        # a rule that would stop an ingestion sets aside here: these rows have been put aside before
        reasons = [
            {**reason, "on_fail": "warn" if reason["on_fail"] == "warn" else "quarantine"}
            for reason in reasons_in(written.aside, checks)
        ]
        columns, spans = columns_in(written.loaded), spans_in(written.loaded)
        loaded = work.store.raw.put(written.loaded, slot_of(work, "raw"))
        aside = work.store.raw.put(written.aside, slot_of(work, "quarantine")) if reasons else None
    value = {"rows_in": written.rows_in, "broken": [], "reasons": reasons, "columns": columns, "spans": spans}
    return Artifact(canonical(value), loaded.file, loaded.rows, (aside,) if aside else ())


def _broken(work: Work, links: Sequence[Link], checks: Sequence[Check]) -> list[list[Any]]:
    """Return the rules that loaded rows break, each with how many do."""
    found: dict[str, int] = {}
    strict = [check for check in checks if check.on_fail != "warn"]
    alone = [check for check in strict if not check.together]
    together = [check for check in strict if check.together]
    frames = [(work.store.raw.scan(link.loaded), alone) for link in links if alone]
    if together:
        frames.append((_partition(work, links), together))
    for rows, some in frames:
        columns = [name for name in rows.collect_schema().names() if name not in (ROW, _LOADED)]
        frame, rules = with_rules(rows, columns, Rules(some, work.params["held"]))
        frame, _ = fitting(some, frame)
        ours = pl.col(_LOADED) if some is together else pl.lit(value=True)
        counts = {words: (broken & ours).sum() for words, broken, _ in rules}
        for words, rows_in in frame.select(**counts).collect(engine="streaming").row(0, named=True).items():
            found[words] = found.get(words, 0) + (rows_in or 0)
    return [[words, rows] for words, rows in found.items() if rows]


_LOADED = "__loaded__"


def _partition(work: Work, links: Sequence[Link]) -> pl.LazyFrame:
    """Return all rows of a partition in the order of the source, those that are loaded marked.

    A value that was set aside because it does not fit its column is missing.
    """
    loaded = _loaded(work, links)
    rows = waiting(work.store.raw, links[-1], work.params["without"])
    if rows is None:
        return loaded.with_columns(pl.lit(value=True).alias(_LOADED))
    schema, has = loaded.collect_schema(), rows.collect_schema()
    aside = rows.select(
        (pl.col(name) if name in has else pl.lit(None)).cast(dtype, strict=False).alias(name) for name, dtype in schema.items()
    )
    both = zip((loaded, aside), (True, False), strict=True)
    return pl.concat([frame.with_columns(pl.lit(value=there).alias(_LOADED)) for frame, there in both]).sort(ROW)


def _loaded(work: Work, links: Sequence[Link]) -> pl.LazyFrame:
    """Return the rows of a partition that are loaded, with their numbers, whichever replay has brought them in."""
    held = [numbered(work.store.raw, links[: place + 1]) for place in range(len(links))]
    rows = held[0] if len(held) == 1 else pl.concat(held, how="diagonal_relaxed").sort(ROW)
    return outside(rows, work.params["without"])


def _stored(work: Work, links: Sequence[Link], checks: Sequence[Check], folder: Path) -> Written:
    """Check the rows as they were set aside. What could not be parsed can not be checked, and stays."""
    rows = waiting(work.store.raw, links[-1], work.params["without"])
    assert rows is not None, "run has looked"
    columns = [name for name in rows.collect_schema().names() if name not in (ROW, CHECK, RAW)]
    parsed = rows.filter(pl.col(RAW).is_null()).select(ROW, *columns)
    unparsed = rows.filter(pl.col(RAW).is_not_null()).select(ROW, CHECK, RAW)
    among = _loaded(work, links) if any(check.together for check in checks) else None
    return split(_widened(work, parsed), unparsed, Rules(checks, work.params["held"], work.params["fit"], among), folder)


def _read_again(work: Work, links: Sequence[Link], checks: Sequence[Check], folder: Path) -> Written:
    """Read the whole partition, see that the rows which are loaded are still the same, and keep those that were not."""
    raw, partition = work.store.raw, SourcePartition(**work.params["partition"])
    rows = waiting(raw, links[-1])
    assert rows is not None, "run has looked"
    numbers = rows.select(ROW).collect()[ROW]
    extractor: Extractor = work.plugin("extractor", "extract")
    (folder / "all").mkdir()
    written = read_partition(extractor, partition, Rules(checks, work.params["held"], work.params["fit"]), folder / "all")
    loaded, aside = pl.scan_parquet(written.loaded, glob=False), None
    ours = pl.col(ROW).is_in(numbers.implode())
    if written.aside.exists():
        aside = pl.scan_parquet(written.aside, glob=False)
        warned = [check.describe() for check in checks if check.on_fail == "warn"]
        loaded = count_around(loaded, aside.filter(~pl.col(CHECK).is_in(warned)))
    else:
        loaded = count_around(loaded, None)
    _see_that_nothing_else_changed(work, links, loaded.filter(~ours), written.rows_in)
    mine = Written(folder / "loaded.parquet", folder / "aside.parquet", len(numbers))
    files.write(mine.loaded, lambda path: sink((_widened(work, loaded.filter(ours)).drop(ROW), path)))
    if aside is not None:
        left = aside.filter(ours)
        files.write(mine.aside, lambda path: sink((left, path)))
    return mine


def _widened(work: Work, frame: pl.LazyFrame) -> pl.LazyFrame:
    """Return rows with the types of the dataset where they hold all values of the rows' own."""
    has, wanted = frame.collect_schema(), schema_of(work.params["wanted"])
    casts = {
        name: dtype for name, dtype in wanted.items() if name in has and has[name] != dtype and wider(has[name], dtype) == dtype
    }
    return frame.with_columns(pl.col(name).cast(dtype) for name, dtype in casts.items())


def _see_that_nothing_else_changed(work: Work, links: Sequence[Link], found: pl.LazyFrame, rows_in: int) -> None:
    expected = work.params["rows_in"]
    if rows_in != expected:
        raise _changed(work, f"{expected:,} rows", f"{rows_in:,} rows")
    before = _loaded(work, links)
    count, now = (frame.select(pl.len()).collect(engine="streaming").item() for frame in (before, found))
    if count != now:
        raise _changed(work, f"{count:,} rows besides those in quarantine", f"{now:,} that keep the rules")
    if count and (what := _difference(before, found)):
        raise _changed(work, f"the {count:,} rows that are loaded, as they are", what)


def _difference(before: pl.LazyFrame, found: pl.LazyFrame) -> str:
    """Return in words what differs between two frames of as many rows, empty when nothing does."""
    old, new = before.collect_schema(), found.collect_schema()
    if odd := sorted(set(old) ^ set(new)):
        return f"the column '{odd[0]}' is {'new' if odd[0] in new else 'missing'}"
    same = []
    for name, dtype in old.items():
        both = dtype if dtype == new[name] else wider(dtype, new[name]) or dtype
        same.append(pl.col(name).cast(both).eq_missing(pl.col(f"{_NOW}{name}").cast(both, strict=False)))
    pairs = pl.concat([before, found.rename({name: f"{_NOW}{name}" for name in new})], how="horizontal")
    row = pairs.filter(~pl.all_horizontal(same)).select(pl.col(ROW).min()).collect(engine="streaming").item()
    return f"row {row:,} is another" if row is not None else ""


_NOW = "now:"


def _changed(work: Work, expected: str, found: str) -> DataError:
    name, mode = work.params["dataset"], work.params["mode"]
    hint = "on_change: new_batch lets `levada ingest` put it in the place of what it was"
    return DataError(
        f"{work.params['source']} has changed in other rows than those in quarantine",
        where=f"datasets.{name}.{'on_change' if mode == 'append' else 'mode'}",
        expected=expected,
        found=found,
        hint=hint if mode == "append" else "`levada ingest` reads all of it again",
    )
