"""What a plugin author must read: the kinds of plugins, and what each is asked for.

A plugin is a frozen class whose annotated fields are its YAML parameters. It keeps no state: what it learns is
returned. A field that would be a Python keyword ends in an underscore (``with_`` is ``with`` in YAML). Put the class
into ``plugins/<kind>s/<name>.py`` and it is known under its class name in snake_case: ``OneHot`` is ``one_hot``.

    from engine.plugin import Transformer

    class Ratio(Transformer):
        \"\"\"Divide one column by another.\"\"\"

        over: str
        under: str
        into: str

        def apply(self, frame):
            return frame.with_columns((pl.col(self.over) / pl.col(self.under)).alias(self.into))

Loads Polars and pydantic, and neither Dask, Hydra nor a database driver.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias

import polars as pl
import polars.selectors as cs
from pydantic import Field, model_validator

from engine.errors import MissingColumn, nearest
from engine.validate import Described

TARGET = "__target__"
"""The column that holds the target wherever frames are encoded: text for classes, Float64 for regression."""

PART = "__part__"
"""The column that says which part of the segregation a row belongs to."""

PARTS = ("train", "validation", "test")

TaskName: TypeAlias = Literal["classification", "regression", "clustering"]

Columns: TypeAlias = Literal["all", "numeric", "text", "boolean", "temporal"] | tuple[str, ...]
"""Which columns a step works on: a list of names, or all of a type."""

_GROUPS = {
    "all": cs.all(),
    "numeric": cs.numeric(),
    "text": cs.string() | cs.categorical() | cs.enum(),
    "boolean": cs.boolean(),
    "temporal": cs.temporal(),
}


def choose(columns: Columns, schema: pl.Schema) -> list[str]:
    """Return the names that ``columns`` means in a schema, in the schema's order for groups.

    The target and the part are never among them. A listed name that is not there raises ``MissingColumn`` with the
    nearest one that is.
    """
    names = [name for name in schema.names() if name not in (TARGET, PART)]
    if isinstance(columns, str):
        return [name for name in cs.expand_selector(schema, _GROUPS[columns]) if name in names]
    require(columns, names)
    return list(columns)


def require(columns: tuple[str, ...] | list[str], known: list[str]) -> None:
    """Raise ``MissingColumn`` with the nearest name unless every one of ``columns`` is known."""
    for column in columns:
        if column not in known:
            near = nearest(column, known)
            raise MissingColumn(
                f"no column '{column}'",
                expected="one of " + ", ".join(known),
                hint=f"did you mean '{near}'?" if near else "",
            )


ROW = "__row__"
"""The column that holds the number of a row in its source partition, from 1, what precedes the first row not counted."""

CHECK = "__check__"
"""The column of the quarantine that says, in words, which rule a row broke or why it could not be parsed."""

RAW = "__raw__"
"""The column of the quarantine that holds the text of a row that could not be parsed; null for rows that broke a rule."""


@dataclass(frozen=True, slots=True)
class SourcePartition:
    """A piece of a source that one task reads: a file, a range of keys.

    ``name`` is what people call it and stays the same when the contents change: the path of a file, a range in words.
    ``fingerprint`` changes whenever the contents may have changed; equal means it need not be read again. In mode append,
    partitions of one ``unit`` become one batch: each file is a unit of its own, the ranges of one query are one together.
    ``detail`` is whatever the extractor needs to read the piece and its name does not say, as text: the bounds of a range.
    """

    name: str
    fingerprint: str
    unit: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """Which part of a source is asked for; all of it by default. Texts, as the extractor itself or a person wrote them.

    ``after`` is a watermark that the extractor returned before: only what is newer is asked for. ``since`` (included) and
    ``until`` (excluded) bound a backfill: whatever of the source lies between them is asked for, known or not.
    """

    after: str | None = None
    since: str | None = None
    until: str | None = None


ALL = Window()


@dataclass(frozen=True, slots=True)
class Source:
    """What an extractor found without reading data.

    ``columns`` are those of the first partition, None when the names are not known yet. ``watermark`` is how far an
    incremental source was looked at, to be given back as ``Window.after``; None for others. No partitions: nothing new.
    """

    partitions: tuple[SourcePartition, ...]
    columns: tuple[str, ...] | None
    watermark: str | None = None


@dataclass(frozen=True, slots=True)
class Salvaged:
    """A partition of which some rows can not be parsed. Every row of it is in one of the two frames.

    ``rows`` has ``ROW`` (UInt32) and the columns; ``rejected`` has ``ROW`` (UInt32), ``CHECK`` and ``RAW`` (String).
    """

    rows: pl.LazyFrame
    rejected: pl.LazyFrame


@dataclass(frozen=True, slots=True)
class Roles:
    """Which columns of a view mean what, for splitters: ``key`` may be empty, the others None."""

    task: TaskName
    target: str | None
    key: tuple[str, ...]
    time: str | None


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a person should know of: a stable code, one sentence, and what to do about it."""

    code: str
    message: str
    advice: str


class Plugin(Described):
    """The base of all kinds: frozen, its fields are its parameters, unknown parameters are refused."""

    kind: ClassVar[str]
    revision: ClassVar[int] = 1
    """Of extractors and checks: raised when equal parameters come to mean something else, so that data is read again."""

    def modules(self) -> set[str]:
        """Return modules, besides its own, whose code the plugin runs because of its parameters."""
        return set()


class Extractor(Plugin):
    """Reads a dataset from where it is.

    Runs in any process, several partitions at once, so it keeps nothing open between calls. Credentials are fields of
    type ``Secret``: they are left out of keys, records and messages, and sent to workers by themselves.
    """

    kind: ClassVar[str] = "extractor"
    scans: ClassVar[bool] = False
    """Whether ``read`` returns a scan of Polars' own over files: it may be read several times at once. A query may not."""

    @property
    def incremental(self) -> bool:
        """Whether ``plan`` honours ``Window.after`` and returns a watermark; else partitions are told apart by fingerprint."""
        return False

    @property
    def between(self) -> str | None:
        """The column whose values ``Window.since`` and ``until`` bound; None when they bound whole partitions."""
        return None

    @abstractmethod
    def plan(self, window: Window = ALL) -> Source:
        """Return the partitions and the columns, from metadata only: names, sizes, headers, counts, never rows.

        Partitions come in a stable order. Raises ``DataError`` when there is nothing where something is expected,
        ``ConfigError`` when a window makes no sense for this source, ``HostError`` when it can not be reached.
        """

    @abstractmethod
    def read(self, partition: SourcePartition, *, thorough: bool = False) -> pl.LazyFrame:
        """Return the rows of one partition, in their order, in bounded memory when streamed.

        Types may be learned from a sample first, as long as a wrong guess fails when the frame is collected
        (``polars.exceptions.ComputeError``): it is then asked for again with ``thorough``, and types are learned from
        every row. Raises ``DataError`` when the partition as a whole can not be read.
        """

    def is_complete(self, partition: SourcePartition, written: pl.LazyFrame) -> bool:
        """Say whether ``written``, the rows that ``read`` gave, is all there was. If not, ``salvage`` is asked."""
        return True

    def salvage(self, partition: SourcePartition, folder: Path) -> Salvaged | None:
        """Return rows and rejected rows apart, after reading has failed for good or was not complete; None: can not.

        ``folder`` is there for files while the frames are in use. Memory stays bounded. Raises ``DataError`` when the
        partition as a whole is at fault.
        """
        return None


class Check(Plugin):
    """A rule that every row must keep; a row that breaks it goes to quarantine with the reason."""

    kind: ClassVar[str] = "check"
    together: ClassVar[bool] = False
    """Whether the answer for a row depends on other rows: all rows of its partition are then seen together, in order."""

    on_fail: Literal["quarantine", "warn", "stop"] = Field(
        default="quarantine",
        description="What becomes of a row that breaks the rule: it is set aside, kept with a warning, or the run stops.",
    )

    @abstractmethod
    def violations(self) -> pl.Expr:
        """Return a boolean expression, true where a row breaks the rule, never null.

        Where rows are seen ``together``, those that another rule sets aside are among them.
        """

    @abstractmethod
    def needs(self) -> tuple[str, ...]:
        """Return the columns that the rule looks at."""

    @abstractmethod
    def describe(self) -> str:
        """Return the rule in words, for the quarantine: ``distance is between 1 and 6000``."""

    def over_dataset(self) -> DatasetCheck | None:
        """Return the check of a whole dataset that these parameters ask for instead; None for all that look at rows."""
        return None


@dataclass(frozen=True, slots=True)
class Broken:
    """How a dataset breaks a rule: what was found, in words, and which rows are examples; None when it is no row's fault."""

    found: str
    examples: pl.Expr | None = None


class DatasetCheck(Plugin):
    """A rule about a dataset as a whole: all rows of all its batches together, those in quarantine left out.

    It is looked at when the rows have been ingested, and before anything is prepared. Looking is a merge, as with a fitted
    transformer: ``summarize`` sees one partition, ``merge`` joins two summaries and is associative and commutative, the
    summary of no rows is its identity. So a new batch costs only itself. Summaries are frames, and equal rows give equal ones.
    """

    kind: ClassVar[str] = "check"

    on_fail: Literal["warn", "stop"] = Field(
        default="stop",
        description="What happens when the rule is broken: the run stops before anything is prepared, or it goes on with a "
        "warning. No row is set aside.",
    )

    @abstractmethod
    def needs(self) -> tuple[str, ...]:
        """Return the columns that the rule looks at; none when only the number of rows counts."""

    @abstractmethod
    def describe(self) -> str:
        """Return the rule in words: ``there are at least 1,000 rows``."""

    def refers_to(self) -> tuple[str, tuple[str, ...]] | None:
        """Return another dataset that the rule looks at too, and its columns, as many as ``needs``; None for most.

        Its partitions are summarized and merged in the same way, with the columns called as those of ``needs``.
        """
        return None

    @abstractmethod
    def summarize(self, frame: pl.LazyFrame) -> pl.DataFrame:
        """Return what the rows of one partition tell. Raises ``DataError`` for types that make no sense.

        The frame has the columns of ``needs``, or any; categories are text.
        """

    @abstractmethod
    def merge(self, a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
        """Return the summary of the rows of both."""

    @abstractmethod
    def judge(self, summary: pl.DataFrame, other: pl.DataFrame | None, now: datetime) -> Broken | None:
        """Return how the dataset breaks the rule, None when it keeps it.

        ``other`` is the summary of what ``refers_to`` names. ``now`` is in UTC; it belongs here and not in a summary, which
        is kept. Raises ``DataError`` when the two can not be compared.
        """

    def over_dataset(self) -> DatasetCheck | None:
        """Return itself."""
        return self


class Transformer(Plugin):
    """A change of a frame that learns nothing from it.

    ``scope`` is ``row`` when a row's result depends on that row alone: then partitions are worked on apart, and
    consecutive steps become one lazy plan. It is ``history`` when it also depends on rows of earlier times (see
    ``TimeAware``), and ``table`` when rows must be seen together.
    """

    kind: ClassVar[str] = "transformer"
    scope: ClassVar[Literal["row", "history", "table"]] = "row"

    @abstractmethod
    def apply(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """Return the changed frame, lazy, the order of rows kept. The frame given is not modified."""


class TimeAware(Transformer):
    """A change of a frame in which a row's result depends on it and on rows of earlier times, never on later ones.

    Partitions are worked on apart, each beside those rows of the others that lie in its past.
    """

    scope: ClassVar[Literal["row", "history", "table"]] = "history"

    on: str = Field(description="The column that says when a row happened: dates or times. A row without it gets nothing.")

    @property
    @abstractmethod
    def lookback(self) -> timedelta | None:
        """How far before a row's time the rows lie that its result depends on; None: all that lie before it."""

    @abstractmethod
    def apply(self, frame: pl.LazyFrame, earlier: pl.LazyFrame | None = None) -> pl.LazyFrame:
        """Return the changed frame, lazy, the order of rows kept.

        ``earlier`` has rows of other partitions, in the order of these, with the same columns: all within the look-back of
        any row of the frame, and maybe more. None: the frame is all there is. Rows of equal times count in their order.
        """


class FittedTransformer(Plugin):
    """A change of a frame that is first learned from training rows.

    Learning is a merge: ``summarize`` looks at one partition, ``merge`` joins two summaries, ``finish`` makes the
    state. ``merge`` is associative and commutative, and the summary of no rows is its identity, so the state does not
    depend on how rows were partitioned. Summaries and states are frames: they are stored and sent as such.
    """

    kind: ClassVar[str] = "transformer"
    scope: ClassVar[Literal["row"]] = "row"

    @abstractmethod
    def summarize(self, frame: pl.LazyFrame) -> pl.DataFrame:
        """Return what one partition of training rows tells. The frame has the features and, if any, ``TARGET``."""

    @abstractmethod
    def merge(self, a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
        """Return the summary of the rows of both."""

    @abstractmethod
    def finish(self, summary: pl.DataFrame) -> pl.DataFrame:
        """Return the state that ``apply`` needs."""

    @abstractmethod
    def apply(self, frame: pl.LazyFrame, state: pl.DataFrame) -> pl.LazyFrame:
        """Return the changed frame, row by row, lazy, in order. ``TARGET`` and ``PART`` pass through untouched.

        ``PART`` is there in a pipeline and not where one request is answered: only a step that treats training rows
        otherwise than the rest looks at it.
        """

    def choices(self, state: pl.DataFrame) -> pl.DataFrame | None:
        """Return ``column``, ``kept`` and ``reason``, a row a column, if the step chooses columns; reports show it."""
        return None


class Selector(Plugin):
    """A way to choose features. Its summaries merge like a fitted transformer's.

    Every selector rates features, so that the best can be kept. One that ``decides`` also says which stay, and why.
    """

    kind: ClassVar[str] = "selector"
    measure: ClassVar[str] = "score"
    """What the score is, in words, for the reasons that reports show."""
    numeric: ClassVar[bool] = True
    """Whether it takes numbers and booleans only; else columns of any type."""
    decides: ClassVar[bool] = False
    """Whether ``score`` says by itself which columns stay, so that it needs no number to keep and no threshold."""

    @abstractmethod
    def summarize(self, frame: pl.LazyFrame) -> pl.DataFrame:
        """Return what one partition of training rows tells of its features; ``TARGET`` is there if there is one."""

    @abstractmethod
    def merge(self, a: pl.DataFrame, b: pl.DataFrame) -> pl.DataFrame:
        """Return the summary of the rows of both."""

    @abstractmethod
    def score(self, summary: pl.DataFrame) -> pl.DataFrame:
        """Return ``column`` (String) and ``score`` (Float64, larger is better), a row a feature.

        A selector that decides adds ``kept`` (Boolean) and ``reason`` (String), a sentence without its full stop.
        """


class Splitter(Plugin):
    """Assigns every row of a view to train, validation or test. The three shares sum to 1."""

    kind: ClassVar[str] = "splitter"

    train: float = Field(default=0.6, ge=0, le=1, description="Share of rows that models and encodings learn from.")
    validation: float = Field(default=0.2, ge=0, le=1, description="Share of rows that candidates are compared on.")
    test: float = Field(default=0.2, ge=0, le=1, description="Share of rows kept for the chosen model alone.")

    @model_validator(mode="after")
    def _shares_sum_to_one(self) -> Splitter:
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-9:
            raise ValueError(f"train + validation + test must be 1, but they are {total:g}")
        if self.train == 0:
            raise ValueError("train must be more than 0: nothing can be learned from no rows")
        return self

    @abstractmethod
    def needs(self, roles: Roles) -> list[str]:
        """Return the columns that ``assign`` looks at. Raises ``ConfigError`` when a role it needs is not set."""

    @abstractmethod
    def assign(self, roles: Roles) -> pl.Expr:
        """Return an expression over the whole view, rows in order, that is one of ``PARTS`` for each row."""


class Model(Plugin):
    """An algorithm that is estimated from rows and then predicts."""

    kind: ClassVar[str] = "model"
    task: ClassVar[TaskName]

    @abstractmethod
    def estimate(self, features: pl.DataFrame, target: pl.Series | None) -> Any:
        """Return the fitted model: the same input and parameters give the same one.

        Features are numeric; the target is text for classes, Float64 for regression, None for clustering.
        """

    @abstractmethod
    def predict(self, fitted: Any, features: pl.DataFrame) -> pl.DataFrame:
        """Return a row for each row: ``prediction``, and probabilities where the model can say them.

        Predictions are text for classes, Float64 for regression, Int64 for clusters; probabilities are columns
        ``probability:<class>`` (Float64, 0 to 1), one for each class in sorted order. A classifier that only ranks gives
        ``score:<class>`` instead (Float64, larger is surer).
        """

    def importance(self, fitted: Any) -> pl.Series | None:
        """Return the model's own rating of its features in their order, or None. Permutation works for all."""
        return None


class Metric(Plugin):
    """A number that says how good predictions are."""

    kind: ClassVar[str] = "metric"
    tasks: ClassVar[frozenset[TaskName]]
    greater_is_better: ClassVar[bool] = True

    @abstractmethod
    def score(self, truth: pl.Series | None, prediction: pl.DataFrame, features: pl.DataFrame) -> float | None:
        """Return the number, or None where it is not defined (one class only, no probabilities, one cluster).

        ``truth`` and ``prediction`` are as in ``Model``; ``features`` are the encoded features of the same rows, for
        metrics that look at distances.
        """
