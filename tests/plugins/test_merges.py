"""Fitting is a merge: however rows are partitioned and summaries merged, a step learns the same, and what its twin learns.

A fitted transformer of your own needs one line in ``STEPS``.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from polars.testing import assert_frame_equal
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from engine.plugin import TARGET, FittedTransformer
from engine.registry import build, find, names

Matrix = np.ndarray[Any, Any]

ANY = st.floats(-1e6, 1e6, width=32) | st.sampled_from([0.0, -0.0, 1.0, float("nan")]) | st.none()
"""Numbers of any size, missing ones among them."""

EIGHTHS = st.integers(-800, 800).map(lambda n: n / 8)
"""Numbers whose differences are no rounding errors, for twins that take nearly equal ones for equal."""

ROWS = {
    "x": ANY,
    "y": ANY,
    "k": st.integers(-(2**63), 2**63 - 1) | st.none(),
    "t": st.sampled_from(["a", "b", "B", "é", "", "other", "zz", None]),
    "f": st.booleans() | st.none(),
    TARGET: st.sampled_from(["no", "yes"]),
}
TYPES = {"x": pl.Float64, "y": pl.Float64, "k": pl.Int64, "t": pl.String, "f": pl.Boolean, TARGET: pl.String}


@dataclass(frozen=True)
class Step:
    """A fitted step as in YAML, how nearly orders of merging agree, and its twin.

    ``agree``: 0 where merging in any order gives the same state to the last bit, else the tolerance relative to the
    largest figure of a column. ``ties``: the state chooses, and rounding may decide between equals, so that it is the
    merged summaries that agree. ``twin``: from rows (a frame) and their columns of numbers ``x`` and ``y`` (an array) to
    what must come out, None where there is no twin here; ``within``: the tolerance, relative and absolute; ``values``:
    what ``x`` and ``y`` hold when the twin is asked; ``fewest``: in how many rows at least.
    """

    use: str
    parameters: dict[str, Any] = field(default_factory=dict)
    agree: float = 0
    twin: Callable[[pl.DataFrame, Matrix], Matrix] | None = None
    within: float = 1e-9
    values: st.SearchStrategy[float | None] = EIGHTHS
    fewest: int = 1
    ties: bool = False

    def __str__(self) -> str:
        return "-".join([self.use, *(f"{key}_{value}" for key, value in self.parameters.items())])

    def build(self, **parameters: Any) -> FittedTransformer:
        step = build("transformer", {"use": self.use, **self.parameters, **parameters})
        assert isinstance(step, FittedTransformer)
        return step


def sklearn(estimator: Any) -> Callable[[pl.DataFrame, Matrix], Matrix]:
    """Return the twin that fits a clone of a scikit-learn transformer to the numbers."""
    return lambda _, numbers: estimator.fit_transform(numbers)


def texts(estimator: Any) -> Callable[[pl.DataFrame, Matrix], Matrix]:
    return lambda rows, _: estimator.fit_transform(rows.select("t").to_numpy())


def drawn_in(_: pl.DataFrame, numbers: Matrix) -> Matrix:
    return np.clip(numbers, *np.quantile(numbers, [0.1, 0.8], axis=0))


def regressed(_: pl.DataFrame, numbers: Matrix) -> Matrix:
    missing = np.isnan(numbers)
    means = np.nan_to_num(SimpleImputer(keep_empty_features=True).fit(numbers).statistics_)
    complete, filled = numbers[~missing.any(axis=1)], np.where(missing, means, numbers)
    for column, other in ((0, 1), (1, 0)) if len(complete) else ():
        twin = make_pipeline(StandardScaler(), Ridge(alpha=1.0)).fit(complete[:, [other]], complete[:, column])
        said = twin.predict(np.where(missing, means, numbers)[:, [other]])
        filled[missing[:, column], column] = said[missing[:, column]]
    return filled


GAPS = EIGHTHS | st.none()
FEW = {"quantile_method": "linear", "subsample": None, "encode": "ordinal"}

STEPS = [
    Step("bin", {"strategy": "quantile", "n_bins": 4}, 0, sklearn(KBinsDiscretizer(4, strategy="quantile", **FEW))),
    Step("bin", {"strategy": "uniform", "n_bins": 3}, 0, sklearn(KBinsDiscretizer(3, strategy="uniform", **FEW))),
    Step("frequency", {"columns": ["t"]}, 0),
    Step("hash_categories", {"columns": ["t"], "n": 4}, 0),
    Step("impute", {"with": "mean"}, 1e-12, sklearn(SimpleImputer(keep_empty_features=True)), values=GAPS),
    Step("impute", {"with": "median"}, 0, sklearn(SimpleImputer(strategy="median", keep_empty_features=True)), values=GAPS),
    Step(
        "impute", {"with": "mode"}, 0, sklearn(SimpleImputer(strategy="most_frequent", keep_empty_features=True)), values=GAPS
    ),
    Step("impute", {"with": "model"}, 1e-9, regressed, 1e-8, values=GAPS),
    Step(
        "impute",
        {"with": {"constant": 1}},
        0,
        sklearn(SimpleImputer(strategy="constant", fill_value=1, keep_empty_features=True)),
        values=GAPS,
    ),
    Step("min_max", {"feature_range": [-1, 1]}, 0, sklearn(MinMaxScaler((-1, 1)))),
    Step("one_hot", {"columns": ["t"]}, 0, texts(OneHotEncoder(sparse_output=False))),
    Step("ordinal", {"columns": ["t"]}, 0, texts(OrdinalEncoder())),
    Step("pca", {"n_components": 2}, 1e-9, ties=True),
    Step("power_transform", {"method": "yeo-johnson"}, 0, sklearn(PowerTransformer("yeo-johnson")), 1e-3, fewest=12),
    Step("quantile_transform", {"n_quantiles": 9}, 0, sklearn(QuantileTransformer(n_quantiles=9)), fewest=9),
    Step(
        "quantile_transform",
        {"n_quantiles": 5, "output_distribution": "normal"},
        0,
        sklearn(QuantileTransformer(n_quantiles=5, output_distribution="normal")),
        fewest=5,
    ),
    Step("robust_scale", {"unit_variance": True}, 0, sklearn(RobustScaler(unit_variance=True))),
    Step("robust_scale", {"quantile_range": [5, 80]}, 0, sklearn(RobustScaler(quantile_range=(5, 80)))),
    Step("select", {"by": "variance", "threshold": 0.5}, 1e-9, ties=True),
    Step("standardize", {}, 1e-9, sklearn(StandardScaler())),
    Step("target_encode", {"columns": ["t"], "fold_by": ["x", "y", "k"], "smooth": 1}, 1e-9, ties=True),
    Step("tf_idf", {"column": "t"}, 0),
    Step("winsorize", {"lower": 0.1, "upper": 0.8}, 0, drawn_in),
]


@st.composite
def partitioned(draw: st.DrawFn) -> list[pl.DataFrame]:
    """Draw rows in partitions, some of which may be empty."""
    size = draw(st.integers(0, 30))
    columns = {name: draw(st.lists(values, min_size=size, max_size=size)) for name, values in ROWS.items()}
    rows = pl.DataFrame(columns, schema=TYPES)
    cuts = sorted(draw(st.lists(st.integers(0, size), max_size=4)))
    return [rows[start:end] for start, end in zip([0, *cuts], [*cuts, size], strict=True)]


def merged(step: FittedTransformer, parts: list[pl.DataFrame], choose: Callable[[int], int]) -> pl.DataFrame:
    """Merge the summaries of partitions two at a time, whichever two are chosen, until one is left."""
    summaries = [step.summarize(part.lazy()) for part in parts]
    while len(summaries) > 1:
        a, b = (summaries.pop(choose(len(summaries))) for _ in range(2))
        summaries.append(step.merge(a, b))
    return summaries[0]


def same_bytes(a: pl.DataFrame, b: pl.DataFrame) -> None:
    """Compare the bytes that are stored, too: frames that differ in the sign of a zero are equal to Polars."""
    assert_frame_equal(a, b, check_exact=True)
    first, second = (BytesIO() for _ in range(2))
    a.rechunk().write_parquet(first)
    b.rechunk().write_parquet(second)
    assert first.getvalue() == second.getvalue()


def nearly_the_same(a: pl.DataFrame, b: pl.DataFrame, tolerance: float, rows: pl.DataFrame) -> None:
    """Compare figures relative to the largest one of their column; means, which may cancel out, to the largest value."""
    assert a.schema == b.schema
    assert len(a) == len(b)
    numbers = rows.select(pl.col("x", "y", "k").cast(pl.Float64).fill_nan(None).abs().max().fill_null(0.0))
    values = numbers.row(0, named=True)
    for name, dtype in a.schema.items():
        left, right = (frame[name].explode() if dtype == pl.List else frame[name] for frame in (a, b))
        if not left.dtype.is_float():
            assert left.to_list() == right.to_list(), name
            continue
        most = np.full(len(left), np.nanmax(np.abs(left.to_numpy()), initial=1.0))
        if name in ("mean", "own_mean", "fill", "shift"):
            most = np.array([max(1.0, values[column]) for column in a["column"]])
        elif name == "intercept":
            most = np.full(len(left), max(1.0, *values.values()))
        assert np.all(np.abs(left.to_numpy() - right.to_numpy()) <= tolerance * most), name


@given(data=st.data())
@pytest.mark.parametrize("step", STEPS, ids=str)
def test_partitions_merged_in_any_order_teach_what_the_whole_teaches(step: Step, data: st.DataObject) -> None:
    plugin, parts = step.build(), data.draw(partitioned())
    rows = pl.concat(parts)
    whole = plugin.summarize(rows.lazy())
    found = merged(plugin, parts, lambda count: data.draw(st.integers(0, count - 1)))
    if step.ties:
        nearly_the_same(found, whole, step.agree, rows)
    elif step.agree:
        nearly_the_same(plugin.finish(found), plugin.finish(whole), step.agree, rows)
    else:
        same_bytes(plugin.finish(found), plugin.finish(whole))


@given(data=st.data())
@settings(max_examples=15, deadline=None)
@pytest.mark.parametrize("step", STEPS, ids=str)
def test_merging_commutes_and_no_rows_change_nothing_to_the_last_bit(step: Step, data: st.DataObject) -> None:
    plugin, parts = step.build(), data.draw(partitioned())
    a, b = (plugin.summarize(part.lazy()) for part in (parts[0], parts[-1]))
    nothing = plugin.summarize(parts[0].clear().lazy())
    same_bytes(plugin.merge(a, b), plugin.merge(b, a))
    same_bytes(plugin.merge(a, nothing), a)
    same_bytes(plugin.merge(nothing, a), a)
    same_bytes(plugin.merge(nothing, nothing), nothing)


@given(data=st.data())
@pytest.mark.parametrize("step", [step for step in STEPS if step.twin is not None], ids=str)
def test_a_step_learns_what_its_twin_learns(step: Step, data: st.DataObject) -> None:
    size = data.draw(st.integers(step.fewest, 40))
    column = st.lists(step.values, min_size=size, max_size=size)
    words = st.lists(ROWS["t"].filter(lambda word: word is not None), min_size=size, max_size=size)
    rows = pl.DataFrame(
        {"x": data.draw(column), "y": data.draw(column), "t": data.draw(words)}, schema={n: TYPES[n] for n in "xyt"}
    )
    columns = ["t"] if "columns" in step.parameters else ["x", "y"]
    plugin = step.build(columns=columns)
    cut = data.draw(st.integers(0, size))
    summary = plugin.merge(*(plugin.summarize(part.lazy()) for part in (rows[:cut], rows[cut:])))
    found = plugin.apply(rows.select(columns).lazy(), plugin.finish(summary)).collect()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # twins warn of constants, of few bins and of fewer rows than quantiles
        assert step.twin is not None
        expected = step.twin(rows, rows.select("x", "y").to_numpy())
    assert_allclose(found.cast(pl.Float64).to_numpy(), expected, rtol=step.within, atol=step.within)


def test_every_fitted_transformer_is_among_the_steps() -> None:
    fitted = {name for name in names("transformer") if issubclass(find("transformer", name), FittedTransformer)}
    assert {step.use for step in STEPS} == fitted


def test_components_are_those_of_scikit_learn_with_their_signs_however_rows_are_partitioned() -> None:
    drawn = np.random.RandomState(0)
    numbers = drawn.normal(size=(500, 4)) @ drawn.normal(size=(4, 4)) * [1, 5, 10, 100] + [0, 1e4, -3, 7]
    rows = pl.DataFrame(numbers, schema=list("dbca"))
    for asked in (4, 0.999999, 0.5):
        plugin = Step("pca", {"n_components": asked}).build()
        summary = merged(plugin, [rows[start : start + 70] for start in range(0, 500, 70)], lambda left: left // 2)
        found = plugin.apply(rows.lazy(), plugin.finish(summary)).collect()
        expected = PCA(asked, svd_solver="full").fit_transform(numbers)
        assert found.columns == [f"pca{number}" for number in range(expected.shape[1])]
        assert_allclose(found.to_numpy(), expected, atol=1e-9 * np.abs(expected).max())


@pytest.mark.parametrize("method", ["yeo-johnson", "box-cox"])
@pytest.mark.parametrize("shape", ["lognormal", "exponential", "huge", "small"])
def test_powers_are_those_of_scikit_learn(method: str, shape: str) -> None:
    drawn = np.random.RandomState(0).lognormal(1, 1, 4000)
    numbers = {"lognormal": drawn, "exponential": np.log1p(drawn), "huge": drawn * 1e12, "small": drawn / 100}[shape]
    rows = pl.DataFrame({"x": numbers})
    plugin = Step("power_transform", {"method": method}).build()
    state = plugin.finish(merged(plugin, [rows[:1000], rows[1000:1001], rows[1001:]], lambda left: left - 1))
    twin = PowerTransformer(method).fit(rows.to_numpy())
    assert state["lambda"].item() == pytest.approx(twin.lambdas_[0], abs=1e-5)
    assert_allclose(plugin.apply(rows.lazy(), state).collect().to_numpy(), twin.transform(rows.to_numpy()), atol=1e-5)
