"""What a pipeline is, after its YAML has been read: frozen, validated, with its plugins in it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Annotated, Literal

from pydantic import AfterValidator, ByteSize, Field, StrictInt

from engine.config.locate import Origin
from engine.errors import unknown
from engine.gates import parse
from engine.names import Duration, SafeName, Secret, span
from engine.plugin import (
    Check,
    Columns,
    Costs,
    DatasetCheck,
    Extractor,
    FittedTransformer,
    Metric,
    Model,
    Splitter,
    TaskName,
    Tracker,
    Transformer,
)
from engine.validate import Described


class Spec(Described):
    """The base of all parts of a specification."""


class Problem(Spec):
    """The question that the pipeline answers."""

    task: TaskName = Field(description="What kind of answer: a class, a number, or groups that nobody has named.")
    target: str | None = Field(
        default=None,
        description="The column to predict. For clustering: known labels, if there are any, that groups are compared with.",
    )
    metric: str | None = Field(default=None, description="The metric that ranks candidates; by default the task's first.")
    goal: float | None = Field(default=None, description="The value of the metric from which on the question is answered.")
    costs: Costs = Field(
        default_factory=dict,
        description="What it costs to predict a class where another is true, by the true and then the predicted class: "
        "{true: {false: 50}}. What is not named costs 1 where it is wrong, and nothing where it is right. The metric is cost.",
    )
    features: Columns = Field(default="all", description="The columns of the view that models may see; the target never is.")


class Dataset(Spec):
    """A named source: how it is read, what is expected of its rows, how it is prepared."""

    extract: Extractor = Field(description="The extractor that reads it.")
    mode: Literal["append", "snapshot"] = Field(
        default="snapshot", description="append: a new file is a new batch; snapshot: the present files are the dataset."
    )
    on_change: Literal["error", "new_batch"] = Field(
        default="error",
        description="What becomes of a file that was ingested and has changed since, in mode append: it is refused, or it "
        "takes the place of what it was, as a new batch.",
    )
    on_drift: Literal["error", "quarantine", "evolve"] = Field(
        default="error",
        description="What becomes of rows with new, missing, renamed or retyped columns: they are refused, those that do not "
        "fit go to quarantine, or the dataset takes on the columns of both. Types that only widen are no such change.",
    )
    key: tuple[str, ...] = Field(default=(), description="The columns that identify a row.")
    time: str | None = Field(default=None, description="The column that says when a row happened.")
    expect: tuple[Check | DatasetCheck, ...] = Field(default=(), description="Rules; rows that break one go to quarantine.")
    prepare: tuple[Transformer, ...] = Field(default=(), description="Steps that repair and derive; none of them is fitted.")

    @property
    def row_checks(self) -> tuple[Check, ...]:
        """The rules that rows keep: they are part of how the dataset is read."""
        return tuple(check for check in self.expect if isinstance(check, Check) and check.over_dataset() is None)

    @property
    def dataset_checks(self) -> dict[int, DatasetCheck]:
        """The rules that the dataset as a whole keeps, by their place among ``expect``."""
        found = {number: check.over_dataset() for number, check in enumerate(self.expect)}
        return {number: check for number, check in found.items() if check is not None}


class Join(Spec):
    """A dataset joined to the view's rows, each of which stays.

    With a ``time`` it is as of each row's own time: the last row of the dataset that was known then.
    """

    with_: SafeName = Field(description="The dataset to join.")
    on: tuple[str, ...] = Field(
        default=(), description="The columns that are equal on both sides. With a time there may be none."
    )
    time: str | None = Field(
        default=None,
        description="The view's column of times by which the dataset is looked at: each row is given the last row of the "
        "dataset that is not later, never one of its future.",
    )
    with_time: str | None = Field(
        default=None,
        description="The dataset's column of times; by default the dataset's own time, else that of the same name.",
    )
    tolerance: Duration | None = Field(
        default=None, description="How old a row may be at the time it is joined to: 90s, 2h, 7d. By default as old as it is."
    )
    known_after: Duration = Field(
        default="0s", description="How long after its own time a row of the dataset is known: until then it is not joined."
    )
    suffix: str | None = Field(
        default=None, description="Added to the dataset's columns that exist already; by default _ and the dataset's name."
    )
    many: bool = Field(default=False, description="Allow several rows of the dataset to match one row of the view.")


class View(Spec):
    """A feature table: a dataset, others joined to it, and features extracted from the whole."""

    from_: SafeName = Field(description="The dataset whose rows are the rows of the view.")
    join: tuple[Join, ...] = Field(default=(), description="What is joined to it, in order.")
    features: tuple[Transformer, ...] = Field(default=(), description="Steps that make features; none of them is fitted.")
    broadcast_limit: ByteSize = Field(
        default=ByteSize(128 * 10**6),
        gt=0,
        description="How large a joined dataset may be, as it is stored, to be joined to each partition as a whole: 64MB, "
        "1GiB. One that is larger is joined bucket by bucket, by the hash of its keys, each no larger than this. Lower it "
        "where memory runs short.",
    )
    as_of: str | None = Field(
        default=None,
        description="A point of the store's history: a time such as 2026-11-24T18:30, or a batch as `levada batches` lists it. "
        "Then the datasets are what had been ingested by then, and their sources are not looked at.",
    )
    describe: dict[str, str] = Field(
        default_factory=dict, description="What columns of the view mean, in words, by name; for those who read the features."
    )


class Executor(Spec):
    """Where tasks run."""

    kind: Literal["threads", "local_cluster", "cluster"] = Field(
        default="threads",
        description="threads of this process, a cluster of processes on this machine with a dashboard, or one at an address.",
    )
    workers: int | None = Field(default=None, ge=1, description="Threads or processes; by default one a core.")
    address: str | None = Field(default=None, description="The scheduler of kind cluster: tcp://host:port or tls://host:port.")
    insecure: bool = Field(default=False, description="Allow an address beyond this machine without TLS.")
    retries: int = Field(default=2, ge=0, description="How often a task that the machine failed is tried again.")


def _kept(value: int | str) -> int | str:
    with suppress(ValueError):
        if isinstance(value, str):
            span(value)
        if isinstance(value, str) or value >= 1:
            return value
    raise ValueError("give a number of versions, 1 or more, or an age such as 90d")


class Store(Spec):
    """Where batches, features, results and the catalog are kept."""

    kind: Literal["local", "mongo"] = Field(
        default="local",
        description="local: all of it in files below the root. mongo: ingested rows and the catalog in a MongoDB instead.",
    )
    root: str = Field(default=".levada", min_length=1, description="A folder; on a cluster, one that every worker sees.")
    uri: Secret | None = Field(default=None, description="The MongoDB of kind mongo; a password belongs into ${oc.env:NAME}.")
    database: SafeName = Field(default="levada", description="The database of kind mongo; one for each store.")
    keep_features: Annotated[StrictInt | str, AfterValidator(_kept)] | None = Field(
        default=None,
        description="Which versions of a view's features `levada gc` leaves: so many of the newest, or those younger than an "
        "age such as 90d; null leaves all. What the latest finished run of a pipeline used stays in any case.",
    )


def _readable(text: str) -> str:
    parse(text)
    return text


class Promote(Spec):
    """When a run of the pipeline becomes what an alias means."""

    when: Annotated[str, AfterValidator(_readable)] = Field(
        description="A condition of metrics, of this run and of those that aliases mean, such as "
        "`roc_auc >= champion.roc_auc + 0.002`; several with `and`. A comparison with an alias that means nothing yet holds."
    )
    on: Literal["train", "validation", "test"] = Field(
        default="validation", description="The part on which both were measured; test rows are better left for the last word."
    )
    as_: SafeName = Field(default="champion", description="The alias that means this run's bundle once the condition holds.")


class PipelineSpec(Spec):
    """A whole pipeline. Equal specifications are equal values."""

    name: SafeName = Field(description="The pipeline's name: what was chosen in the group pipeline.")
    problem: Problem = Field(description="The question.")
    datasets: dict[SafeName, Dataset] = Field(min_length=1, description="The sources, by name.")
    view: View = Field(description="The feature table.")
    encode: tuple[Transformer | FittedTransformer, ...] = Field(
        default=(), description="Steps fitted on training rows only; they become part of the bundle."
    )
    splitter: Splitter = Field(description="How rows become training, validation and test rows.")
    model: Model = Field(description="The algorithm.")
    metrics: tuple[Metric, ...] = Field(default=(), description="What is measured; the ranking metric is the first.")
    slices: tuple[str, ...] = Field(
        default=(),
        description="Columns of the view, before the encoding, by whose values the rows are told apart: the ranking metric is "
        "measured for each value, and the worst is named. It changes no other result; a trial of a sweep goes without.",
    )
    stability: int | None = Field(
        default=None,
        ge=2,
        le=1_000,
        description="How often a clustering is fitted again, each time on 80 % of its rows and with another seed, to say "
        "whether it comes to the same groups; 20 are enough to tell. A trial of a sweep goes without. null: never.",
    )
    executor: Executor = Field(default_factory=Executor, description="Where tasks run.")
    store: Store = Field(default_factory=Store, description="Where results are kept.")
    promote: Promote | None = Field(
        default=None,
        description="When a run is promoted by itself; null leaves that to `levada promote`. A sweep promotes none.",
    )
    tracker: Tracker | None = Field(
        default=None, description="What is told of each run besides the catalog; it changes no result. null: nothing."
    )
    assess: bool = Field(
        default=True,
        description="Whether a run also says in what condition its data is, as `levada assess` does. It changes no result; a "
        "trial of a sweep goes without.",
    )
    data: str = Field(default="data", description="The folder of the example data, for paths to refer to as ${data}.")
    keep_going: bool = Field(default=True, description="After a failure, do all that does not depend on it.")
    timeout: float | None = Field(
        default=None,
        gt=0,
        description="How many seconds a fit may take; one that takes longer is ended and fails. It changes no result. null: as "
        "long as it takes.",
    )
    memory: ByteSize | None = Field(
        default=None,
        gt=0,
        description="How much memory a fit may take, with its rows and libraries: 500MB, 2GB, 1GiB. One that takes more is "
        "ended and fails. It changes no result. null: as much as there is.",
    )
    learning_curve: bool | tuple[Annotated[float, Field(gt=0)], ...] = Field(
        default=False,
        description="Whether to fit the model on fewer training rows, too, to see whether more would help: true, or the sizes, "
        "as shares up to 1 or as numbers of rows. In a sweep it is of the best trial alone.",
    )
    stop_at_goal: bool = Field(
        default=False, description="Whether a sweep begins no more trials once one has reached problem.goal where trials rank."
    )
    origin: Origin = Field(default=Origin(), exclude=True, repr=False, description="Where it was written, for messages.")

    @property
    def metric(self) -> Metric:
        """The metric that ranks candidates."""
        return self.metrics[0]

    def named(self, datasets: Iterable[str]) -> list[str]:
        """Return names of datasets, each once. Raises ``UnknownName`` for one that the pipeline does not have."""
        names = list(dict.fromkeys(datasets))
        for name in names:
            if name not in self.datasets:
                raise unknown("dataset", name, self.datasets, where="datasets")
        return names
