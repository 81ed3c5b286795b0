"""What a report is told of a model: how well it did on each part, and which features it needs."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from engine.report.record import Numbers, Present, Record, Text


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


class Bin(Record):
    """Rows of about equal probability, ``since`` one to another: the mean, and the share that came true with its interval."""

    mean: float | None = None
    share: float | None = None
    low: float | None = None
    high: float | None = None
    rows: int = 0
    since: float | None = Field(default=None, alias="from")
    to: float | None = None


class Reliability(Record):
    """How far the probabilities of one class can be believed: ``error`` is the expected calibration error."""

    name: Text = Field(default="", alias="class")
    error: float | None = None
    brier: float | None = None
    bins: tuple[Bin, ...] = ()


class Thresholds(Record):
    """What would be if rows were said to be of a class from each rating ``at`` on; ``used`` is where predictions were cut."""

    name: Text = Field(default="", alias="class")
    rating: str = ""
    used: float | None = None
    at: Numbers = ()
    precision: Numbers = ()
    recall: Numbers = ()
    f1: Numbers = ()
    positive: Numbers = ()
    cost: Numbers = ()

    @property
    def cheapest(self) -> int | None:
        """The place of the threshold at which errors cost least."""
        known = [(cost, place) for place, cost in enumerate(self.cost[: len(self.at)]) if cost is not None]
        return min(known)[1] if known else None


class Histogram(Record):
    """Counts between edges; there is one edge more than there are counts."""

    edges: Numbers = ()
    counts: tuple[int, ...] = ()


class Scatter(Record):
    """Rows, by what was true and what was predicted."""

    truth: Numbers = ()
    prediction: Numbers = ()


class Along(Record):
    """Rows of about equal prediction: what their residuals are on average, with the interval of 95 % of that mean."""

    prediction: float | None = None
    mean: float | None = None
    low: float | None = None
    high: float | None = None
    rows: int = 0


class Cluster(Record):
    """A group that was found; ``labels`` counts its rows by the target, which the model did not see."""

    cluster: int
    rows: int = 0
    labels: Annotated[dict[Text, int], Present] = Field(default_factory=dict)


class Exemplar(Record):
    """The typical row of a group: its number in the view, from 1, and its values before the encoding."""

    cluster: int
    row: int
    values: dict[Text, Text] = Field(default_factory=dict)


class Alike(Record):
    """A group, and the mean Jaccard coefficient of its rows and those of its like in each refit: 1 is the same rows."""

    cluster: int
    mean: float | None = None

    @property
    def word(self) -> str:
        """What the coefficient means, after Hennig (2007): below 0.6 a group should not be trusted."""
        if self.mean is None:
            return ""
        return "stable" if self.mean >= 0.75 else "doubtful" if self.mean >= 0.6 else "dissolves"


class Stability(Record):
    """How alike a clustering and its refits on some of the rows were: adjusted Rand index, its range, numbers of groups."""

    refits: int = 0
    adjusted_rand: float | None = None
    range: tuple[float, float] | None = None
    clusters: tuple[int, int] | None = None
    jaccard: tuple[Alike, ...] = ()

    def of(self, cluster: int) -> Alike | None:
        """Return what is known of a group."""
        return next((one for one in self.jaccard if one.cluster == cluster), None)


class Projection(Record):
    """Rows in the plane; ``label`` is empty where there is no target, a label where a row has none."""

    x: Numbers = ()
    y: Numbers = ()
    cluster: tuple[int, ...] = ()
    label: tuple[Text, ...] = ()


class Evaluation(Record):
    """How the model did on one part. In ``confusion``, a row is a true class and a column a predicted one.

    ``intervals`` are of 95 %, by metric; ``off_by`` are shares of the rows with the absolute error that they do not exceed.
    """

    rows: int = 0
    intervals: dict[str, tuple[float, float]] = Field(default_factory=dict)
    classes: tuple[Text, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    roc: tuple[Roc, ...] = ()
    pr: tuple[Pr, ...] = ()
    calibration: tuple[Reliability, ...] = ()
    thresholds: Thresholds = Thresholds()
    residuals: Histogram = Histogram()
    scatter: Scatter = Scatter()
    along: tuple[Along, ...] = ()
    off_by: tuple[tuple[float, float | None], ...] = ()
    clusters: tuple[Cluster, ...] = ()
    projection: Projection = Projection()


class Importance(Record):
    """How much the metric loses when a feature is shuffled: mean and standard deviation over repetitions."""

    feature: Text
    mean: float = 0.0
    std: float = 0.0
