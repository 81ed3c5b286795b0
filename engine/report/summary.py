"""What a report is told: the contract of a run's and a sweep's summary, as plain JSON.

Everything but ``id``, ``pipeline`` and ``status`` may be absent or null: a failed run has no scores, and a page that
shows what there is serves better than none. Keys that are not known here are left alone.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field

from engine.report.condition import Condition
from engine.report.evaluation import Evaluation, Exemplar, Importance, Stability
from engine.report.learning import LearningCurve
from engine.report.record import Present, Record, Text
from engine.report.slices import Slices
from engine.report.wording import measured

Status: TypeAlias = Literal["done", "failed", "interrupted", "not_begun"]


class Question(Record):
    """What was asked, and the answer: ``metric`` on rows of ``part``; ``reached`` is None without goal or answer.

    ``interval`` is of 95 %, None where there is none.
    """

    task: str = ""
    target: Text = ""
    metric: str = ""
    goal: float | None = None
    greater_is_better: bool = True
    answer: float | None = None
    interval: tuple[float, float] | None = None
    part: str = ""
    reached: bool | None = None


class Stage(Record):
    """The tasks of one label; ``seconds`` is their sum, not the time on the clock."""

    label: Text
    tasks: int = 0
    ran: int = 0
    reused: int = 0
    failed: int = 0
    skipped: int = 0
    rows: int | None = None
    bytes: int | None = None
    seconds: float | None = None


class Reason(Record):
    """A check, and how many rows of a dataset it sent to quarantine."""

    check: Text
    rows: int = 0


class Batch(Record):
    """What one ingestion committed; ``sources`` are the files or queries it came from."""

    dataset: Text = ""
    id: Text = ""
    sequence: int | None = None
    rows: int | None = None
    partitions: int | None = None
    created: str = ""
    sources: tuple[Text, ...] = ()


class Dataset(Record):
    """A named source as this run read it; ``columns`` are names and types."""

    name: Text
    mode: str = ""
    batches: tuple[Batch, ...] = ()
    rows: int | None = None
    quarantined: int = 0
    partitions: int | None = None
    columns: tuple[tuple[Text, Text], ...] = ()
    reasons: tuple[Reason, ...] = ()


class Share(Record):
    """A part of the split, with its first and last time where rows have one, and its rows of each class."""

    part: str
    rows: int = 0
    share: float | None = None
    since: Text = Field(default="", alias="from")
    until: Text = Field(default="", alias="to")
    classes: Annotated[dict[Text, int], Present] = Field(default_factory=dict)


def _is_table(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


class Warned(Record):
    """Something to look at, and what to do about it; ``severity`` is error, warning or info.

    ``numbers`` are what was measured, by name: values, or a list of mappings, which is a table.
    """

    code: str = ""
    message: str = ""
    advice: str = ""
    severity: str = "warning"
    numbers: Annotated[dict[str, Any], Present] = Field(default_factory=dict)

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What is no table, in words."""
        flat = [(name, value) for name, value in self.numbers.items() if not _is_table(value)]
        return [(name.replace("_", " "), measured(value)) for name, value in flat]

    @property
    def tables(self) -> list[tuple[list[str], list[list[str]]]]:
        """The head and the rows of each table."""
        found = [value for value in self.numbers.values() if _is_table(value)]
        return [([*rows[0]], [[measured(row.get(name)) for name in rows[0]] for row in rows]) for rows in found]


class LeftOut(Record):
    """A column that is no feature, and why."""

    column: Text
    reason: str = ""


class Choice(Record):
    """What a step of the encoding that chooses columns said of one: whether it stayed, and why."""

    step: Text = ""
    column: Text
    kept: bool | None = None
    reason: Text = ""


class Features(Record):
    """Which columns the model saw, and which it did not."""

    used: tuple[Text, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    chosen: tuple[Choice, ...] = ()


class Lineage(Record):
    """Where a result came from; ``code`` is a digest, ``commit`` the repository's, if there is one."""

    batches: tuple[Batch, ...] = ()
    versions: Annotated[dict[str, Text], Present] = Field(default_factory=dict)
    commit: str = ""
    code: str = ""


class Failure(Record):
    """A task that failed: the ``index``-th of its label, and what it said."""

    label: Text = ""
    index: int | None = None
    message: str = ""


class Run(Record):
    """One execution of a pipeline. ``metrics``, ``evaluation`` and ``slices`` are by part; ``seconds`` is time on the clock."""

    id: Text
    pipeline: Text
    status: Status
    started: str = ""
    seconds: float | None = None
    question: Question = Question()
    overrides: tuple[str, ...] = ()
    model: dict[str, object] = Field(default_factory=dict)
    stages: tuple[Stage, ...] = ()
    edges: tuple[tuple[Text, Text], ...] = ()
    datasets: tuple[Dataset, ...] = ()
    condition: Condition = Condition()
    split: tuple[Share, ...] = ()
    warnings: tuple[Warned, ...] = ()
    features: Features = Features()
    metrics: Annotated[dict[str, dict[str, float | None]], Present] = Field(default_factory=dict)
    evaluation: Annotated[dict[str, Evaluation], Present] = Field(default_factory=dict)
    slices: Annotated[dict[str, Slices], Present] = Field(default_factory=dict)
    tested: bool = False
    importance: tuple[Importance, ...] = ()
    learning_curve: LearningCurve = LearningCurve()
    fit: dict[str, str | int | float | bool] = Field(default_factory=dict)
    exemplars: tuple[Exemplar, ...] = ()
    stability: Stability = Stability()
    lineage: Lineage = Lineage()
    failures: tuple[Failure, ...] = ()


class Trial(Record):
    """One member of a sweep. ``error`` says why its ``status`` is failed, or left_out: of another task, or not installed.

    Other states are done and not_begun. What was known before took no time: its seconds are None. A candidate looks like
    a trial: it is those of its ``numbers``, which differ in how rows were divided, with their means and the ``deviation``.
    """

    number: int
    numbers: tuple[int, ...] = ()
    overrides: tuple[str, ...] = ()
    model: str = ""
    baseline: bool = False
    status: str = "done"
    metrics: dict[str, float | None] = Field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = Field(default_factory=dict)
    deviation: float | None = None
    seconds: float | None = None
    fit_seconds: float | None = None
    predict_seconds: float | None = None
    model_bytes: int | None = None
    error: str = ""


class Comparison(Record):
    """The best candidate less the next in the ranking, on the same rows, with the interval of 95 % of the difference.

    ``divisions`` is how often the rows were divided for both; then the difference is the mean.
    """

    next: int
    difference: float
    interval: tuple[float, float]
    differs: bool
    divisions: int = 1


class Sweep(Record):
    """Trials of one pipeline. ``stages`` count the tasks of all trials once; ``run`` is the summary of the best.

    ``tested`` are the trials that saw test rows: the best alone, unless there are no others to rank on. Where they are
    ``redrawn``, trials have different ones.
    """

    id: Text
    pipeline: Text
    status: Status
    started: str = ""
    seconds: float | None = None
    question: Question = Question()
    part: str = ""
    trials: tuple[Trial, ...] = ()
    candidates: tuple[Trial, ...] = ()
    tested: tuple[int, ...] = ()
    comparison: Comparison | None = None
    redrawn: bool = False
    best: int | None = None
    best_overrides: tuple[str, ...] = ()
    command: str = ""
    run: Run | None = None
    stages: tuple[Stage, ...] = ()
    edges: tuple[tuple[Text, Text], ...] = ()
