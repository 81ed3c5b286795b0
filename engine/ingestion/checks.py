"""Looks at the rules about datasets as a whole, once their batches are committed and before anything is made of them.

In: what each dataset holds. Out: for each that has such rules what it breaks. Partitions are summarized in parallel, and
what was summarized before is looked up: the rest is a merge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import polars as pl

from engine.compile import Tasks, merged
from engine.config.spec import Dataset
from engine.errors import DataError, LevadaError
from engine.execute import Execution, Outcome, Watcher, Workers, execute
from engine.graph import Graph
from engine.ingestion.replay import chains
from engine.plugin import ROW, Broken, DatasetCheck, Finding, Plugin, require
from engine.registry import describe
from engine.schemas import Columns, schema_of, union
from engine.stages.check import as_text
from engine.stages.numbers import numbered, outside
from engine.stages.work import explained
from engine.stores.artifacts import ArtifactStore
from engine.stores.batches import Held, current
from engine.stores.catalog import Catalog

_FAN_IN = 32  # summaries that one task merges
_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Subject:
    """What a dataset holds now, the columns of all of it, and the partitions that are ``foreseen``, by source.

    One that has ``failed`` is not whole: it is not looked at.
    """

    name: str
    dataset: Dataset | None
    held: tuple[Held, ...]
    columns: Columns
    foreseen: tuple[str, ...] = ()
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a dataset breaks: the first rule that stops, as an error, and all others as findings."""

    findings: tuple[Finding, ...]
    error: LevadaError | None


@dataclass(frozen=True, slots=True)
class _Asked:
    """A rule of a dataset, and the tasks whose results are its summaries; ``error`` says why there are none."""

    subject: Subject
    number: int
    rule: DatasetCheck
    summary: str = ""
    other: str | None = None
    error: LevadaError | None = None


@dataclass(frozen=True, slots=True)
class _Fault:
    """A rule that is broken, or of which it could not be found out; what can not be found out always stops."""

    error: LevadaError
    stops: bool
    such: str = ""


@dataclass(frozen=True, slots=True)
class Questions:
    """What the rules of datasets ask for: for each dataset its rules, and the tasks that all of them need."""

    rules: tuple[tuple[_Asked, ...], ...]
    graph: Graph
    given: Mapping[str, Outcome]


def plan_checks(subjects: Sequence[Subject], catalog: Catalog) -> Questions:
    """Return what the rules of ``subjects`` ask for.

    A dataset that a rule refers to and that is none of them is taken as it was last ingested.
    """
    builder = _Builder()
    rules = tuple(tuple(_asked(builder, subject, subjects, catalog)) for subject in subjects)
    return Questions(rules, Graph(builder.tasks), builder.given)


def check_datasets(
    asked: Questions,
    store: ArtifactStore,
    catalog: Catalog,
    workers: Workers,
    *,
    run: str,
    keep_going: bool,
    watchers: Sequence[Watcher],
) -> list[Verdict]:
    """Return, for each dataset, which rules about all of it are broken."""
    if not any(asked.rules):
        return [Verdict((), None) for _ in asked.rules]
    done = execute(asked.graph, store, catalog, workers, run=run, keep_going=keep_going, watchers=watchers, given=asked.given)
    now = datetime.now(UTC)
    return [_verdict([fault for one in some if (fault := _judge(one, done, store, now)) is not None]) for some in asked.rules]


def _asked(builder: _Builder, subject: Subject, subjects: Sequence[Subject], catalog: Catalog) -> list[_Asked]:
    """Add the tasks that the rules of a dataset need; those that refer to a dataset that has failed are left out."""
    if subject.dataset is None or subject.failed:
        return []
    known, found = {one.name: one for one in subjects}, list[_Asked]()
    for number, rule in subject.dataset.dataset_checks.items():
        reference = rule.refers_to()
        other = subject if reference is None else known.get(reference[0]) or last_ingested(reference[0], catalog)
        if not other.failed:
            found.append(_ask(builder, subject, other, number, rule))
    return found


def last_ingested(name: str, catalog: Catalog) -> Subject:
    """Return a dataset as it was last ingested, without rules of its own."""
    batches = catalog.batches(name)
    held = current(batches, batches[-1].definition, mode=batches[-1].mode) if batches else []
    full = [one.partition.columns for one in held if one.partition.loaded.rows]
    columns = union(full or [one.partition.columns for one in held])
    return Subject(
        name, None, tuple(held), tuple((column, "String" if dtype == "Null" else dtype) for column, dtype in columns)
    )


def _ask(builder: _Builder, subject: Subject, other: Subject, number: int, rule: DatasetCheck) -> _Asked:
    """Add the tasks that a rule needs."""
    assert subject.dataset is not None
    check, reference = subject.dataset.expect[number], rule.refers_to()
    try:
        own = builder.summary(check, subject, rule.needs(), rule.needs())
        if reference is None:
            return _Asked(subject, number, rule, own)
        return _Asked(subject, number, rule, own, builder.summary(check, other, reference[1], rule.needs()))
    except DataError as error:
        error.where = f"datasets.{subject.name}.expect[{number}], the rule: {rule.describe()}"
        return _Asked(subject, number, rule, error=error)


@dataclass(slots=True)
class _Builder(Tasks):
    """The tasks so far; those of partitions are given, as they have been ingested."""

    given: dict[str, Outcome] = field(default_factory=dict)

    def summary(self, check: Plugin, subject: Subject, columns: Sequence[str], names: Sequence[str]) -> str:
        """Add the tasks that summarize a dataset, and return the key of the last one."""
        if not subject.held and not subject.foreseen:
            raise DataError(f"nothing was ingested of {subject.name}", hint=f"`levada ingest {subject.name}` does that")
        types = dict(subject.columns) if subject.held else dict.fromkeys(columns, "Null")  # what is foreseen may have any
        require(list(columns), list(types))
        wanted = list(columns) or list(types)[:1]  # rows can only be counted where there is a column
        params = {"check": describe(check), "columns": [[name, types[name]] for name in wanted], "names": list(names) or wanted}
        parts = [self._partition(subject.name, held) for held in subject.held]
        parts += [self.partition(subject.name, source, None) for source in subject.foreseen]
        level = [self._add(check, subject.name, params, [part]) for part in parts]
        merging = {"check": describe(check), "columns": None}
        return merged(level, lambda group: self._add(check, subject.name, merging, group), _FAN_IN)[0]

    def _add(self, check: Plugin, name: str, params: Mapping[str, object], inputs: Sequence[str]) -> str:
        return self.add("check", params, inputs, f"{name}.check", plugins=[check])

    def _partition(self, name: str, held: Held) -> str:
        artifact = held.artifact()
        key = self.partition(name, held.partition.source, artifact.digest)
        self.given[key] = Outcome("reused", artifact)
        return key


def _judge(one: _Asked, done: Execution, store: ArtifactStore, now: datetime) -> _Fault | None:
    """Return how a dataset breaks a rule, or why that could not be found out; None when it keeps it."""
    if one.error is not None:
        return _Fault(one.error, stops=True)
    keys = [key for key in (one.summary, one.other) if key is not None]
    artifacts = [done.artifact(key) for key in keys]
    summaries = [store.scan(artifact).collect() for artifact in artifacts if artifact is not None]
    if len(summaries) < len(keys):
        failed = next((error for task, error in done.failures() if task.function == "check"), None)
        return _Fault(failed, stops=True) if failed is not None else None
    place, words = f"datasets.{one.subject.name}.expect[{one.number}]", one.rule.describe()
    try:
        with explained(f"the rule can not be applied: {words}"):
            broken = one.rule.judge(summaries[0], summaries[1] if one.other is not None else None, now)
            if broken is None:
                return None
            examples = _examples(one.subject, one.rule.needs(), broken, store)
    except LevadaError as error:
        error.where = error.where or place
        return _Fault(error, stops=True)
    such = f"such as {', '.join(examples)}" if examples else ""
    hint = "mend the source, or repair it under prepare and let the rule only warn (on_fail: warn)"
    what, found = f"{one.subject.name} breaks the rule: {words}", "; ".join(filter(None, (broken.found, such)))
    if one.rule.on_fail == "warn":
        return _Fault(DataError(what, found=broken.found), stops=False, such=such)
    return _Fault(DataError(what, where=place, found=found, hint=hint), stops=True)


def _examples(subject: Subject, columns: Sequence[str], broken: Broken, store: ArtifactStore) -> list[str]:
    """Return where the first rows are that break a rule: the file, the number, the batch."""
    found: list[str] = []
    types = {name: dtype for name, dtype in schema_of(subject.columns).items() if name in columns}
    if broken.examples is None:
        return found
    for chain in chains(subject.held):
        for place, held in enumerate(chain.parts):
            rows = outside(numbered(store.raw, chain.links(place)), held.without)
            has = rows.collect_schema()
            typed = [(pl.col(name) if name in has else pl.lit(None)).cast(dtype).alias(name) for name, dtype in types.items()]
            first = as_text(rows.select(ROW, *typed)).filter(broken.examples).select(ROW).head(_EXAMPLES - len(found))
            numbers = first.collect(engine="streaming").to_series()
            found += [f"{chain.source}, row {number:,} (batch {held.batch.id[:13]})" for number in numbers]
            if len(found) >= _EXAMPLES:
                return found
    return found


def _verdict(faults: Sequence[_Fault]) -> Verdict:
    """Return the first error that stops, and the rest as findings."""
    stop = next((fault for fault in faults if fault.stops), None)
    findings = [
        Finding("rule_broken", f"{fault.error.what}: {fault.error.found}", fault.such or "no row was set aside")
        for fault in faults
        if fault is not stop
    ]
    return Verdict(tuple(findings), stop.error if stop is not None else None)
