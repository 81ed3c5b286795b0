"""What a report is told: the contract of a run's and a sweep's summary, as plain JSON.

Everything but ``id``, ``pipeline`` and ``status`` may be absent or null: a failed run has no scores, and a page that
shows what there is serves better than none. Keys that are not known here are left alone.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Numbers: TypeAlias = tuple[float | None, ...]
Status: TypeAlias = Literal["done", "failed", "interrupted"]
Text = Annotated[str, BeforeValidator(lambda value: "" if value is None else str(value))]  # numbers name classes too


class Record(BaseModel):
    """A mapping of a summary; a null takes the default, as if the key were absent."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, protected_namespaces=())

    @model_validator(mode="before")
    @classmethod
    def _leave_out_nulls(cls, data: object) -> object:
        return {key: value for key, value in data.items() if value is not None} if isinstance(data, dict) else data


class Question(Record):
    """What was asked, and the answer: ``metric`` on rows of ``part``; ``reached`` is None without goal or answer."""

    task: str = ""
    target: Text = ""
    metric: str = ""
    goal: float | None = None
    greater_is_better: bool = True
    answer: float | None = None
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
    classes: dict[Text, int] = {}


class Warned(Record):
    """Something to look at, and what to do about it."""

    code: str = ""
    message: str = ""
    advice: str = ""


class LeftOut(Record):
    """A column that is no feature, and why."""

    column: Text
    reason: str = ""


class Features(Record):
    """Which columns the model saw, and which it did not."""

    used: tuple[Text, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


class Roc(Record):
    """A curve of one class: the share of the others that is taken for it, the share of it that is found."""

    name: Text = Field(default="", alias="class")
    fpr: Numbers = ()
    tpr: Numbers = ()


class Pr(Record):
    """A curve of one class: the share of it that is found, the share of what is taken for it that is right."""

    name: Text = Field(default="", alias="class")
    recall: Numbers = ()
    precision: Numbers = ()


class Histogram(Record):
    """Counts between edges; there is one edge more than there are counts."""

    edges: Numbers = ()
    counts: tuple[int, ...] = ()


class Scatter(Record):
    """Rows, by what was true and what was predicted."""

    truth: Numbers = ()
    prediction: Numbers = ()


class Cluster(Record):
    """A group that was found; ``labels`` counts its rows by the target, which the model did not see."""

    cluster: int
    rows: int = 0
    labels: dict[Text, int] = {}


class Projection(Record):
    """Rows in the plane; ``label`` is empty where there is no target, a label where a row has none."""

    x: Numbers = ()
    y: Numbers = ()
    cluster: tuple[int, ...] = ()
    label: tuple[Text, ...] = ()


class Evaluation(Record):
    """How the model did on one part. In ``confusion``, a row is a true class and a column a predicted one."""

    classes: tuple[Text, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    roc: tuple[Roc, ...] = ()
    pr: tuple[Pr, ...] = ()
    residuals: Histogram = Histogram()
    scatter: Scatter = Scatter()
    clusters: tuple[Cluster, ...] = ()
    projection: Projection = Projection()


class Importance(Record):
    """How much the metric loses when a feature is shuffled: mean and standard deviation over repetitions."""

    feature: Text
    mean: float = 0.0
    std: float = 0.0


class Lineage(Record):
    """Where a result came from; ``code`` is a digest, ``commit`` the repository's, if there is one."""

    batches: tuple[Batch, ...] = ()
    versions: dict[str, Text] = {}
    commit: str = ""
    code: str = ""


class Failure(Record):
    """A task that failed: the ``index``-th of its label, and what it said."""

    label: Text = ""
    index: int | None = None
    message: str = ""


class Run(Record):
    """One execution of a pipeline. ``metrics`` and ``evaluation`` are by part; ``seconds`` is time on the clock."""

    id: Text
    pipeline: Text
    status: Status
    started: str = ""
    seconds: float | None = None
    question: Question = Question()
    overrides: tuple[str, ...] = ()
    model: dict[str, object] = {}
    stages: tuple[Stage, ...] = ()
    edges: tuple[tuple[Text, Text], ...] = ()
    datasets: tuple[Dataset, ...] = ()
    split: tuple[Share, ...] = ()
    warnings: tuple[Warned, ...] = ()
    features: Features = Features()
    metrics: dict[str, dict[str, float | None]] = {}
    evaluation: dict[str, Evaluation] = {}
    importance: tuple[Importance, ...] = ()
    lineage: Lineage = Lineage()
    failures: tuple[Failure, ...] = ()


class Trial(Record):
    """One member of a sweep. ``status`` is done, failed, or left_out: not of this task; ``error`` says why."""

    number: int
    overrides: tuple[str, ...] = ()
    model: str = ""
    status: str = "done"
    metrics: dict[str, float | None] = {}
    seconds: float | None = None
    error: str = ""


class Sweep(Record):
    """Trials of one pipeline. ``stages`` count the tasks of all trials once; ``run`` is the summary of the best."""

    id: Text
    pipeline: Text
    status: Status
    started: str = ""
    seconds: float | None = None
    question: Question = Question()
    part: str = ""
    trials: tuple[Trial, ...] = ()
    best: int | None = None
    best_overrides: tuple[str, ...] = ()
    command: str = ""
    run: Run | None = None
    stages: tuple[Stage, ...] = ()
    edges: tuple[tuple[Text, Text], ...] = ()
