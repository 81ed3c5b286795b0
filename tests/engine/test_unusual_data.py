"""What becomes of data that nobody thought of, through whole pipelines: each line of the table in docs/errors.md."""

# ruff: noqa: DTZ001  columns hold times without a zone

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from engine.config.specify import specify
from engine.errors import DataError
from engine.plugin import PART
from engine.runs import Run, run_pipeline

SIZE = 60
FIRST = datetime(2013, 1, 1)
TIMES = [FIRST + timedelta(hours=n) for n in range(SIZE)]
TABLE = (
    (Path(__file__).parents[2] / "docs" / "errors.md").read_text(encoding="utf-8").split("## Unusual data")[1].split("\n## ")[0]
)

Values = Sequence[Any] | pl.Series
Node = dict[str, Any]


class Pipeline:
    """A pipeline over rows with a column ``v``, beside others that are as usual."""

    def __init__(self, folder: Path) -> None:
        self._folders = (folder / str(number) for number in count())

    def run(self, v: Values, *, features: Sequence[Node] = (), encode: Sequence[Node] = (), **more: Any) -> Run:
        """Run it to its end, whatever that is. The first half of the rows is one file, the second half another."""
        size = len(v)
        columns = {
            "id": range(size),
            "at": [FIRST + timedelta(hours=n) for n in range(size)],
            "w": [n * 37 % 101 / 8 for n in range(size)],
            "kind": [("a", "b", "b")[n % 3] for n in range(size)],
        }
        rows = pl.DataFrame(columns, schema_overrides={"at": pl.Datetime("us")}).with_columns(v=pl.Series(v, strict=False))
        folder = next(self._folders)
        folder.mkdir()
        for number, part in enumerate((rows[: size // 2], rows[size // 2 :])):
            part.write_parquet(folder / f"{number}.parquet")
        source = {"use": "parquet", "path": str(folder / "*.parquet")}
        spec = {
            "name": "unusual",
            "problem": {"task": "classification", "target": "kind"},
            "datasets": {"rows": {"extract": source, "key": ["id"], "time": "at", "expect": more.pop("expect", [])}},
            "view": {"from": "rows", "features": list(features)},
            "encode": list(encode),
            "splitter": {"use": "chronological"},
            "model": "sklearn.DummyClassifier",
            "metrics": ["accuracy"],
            "store": {"root": str(folder / "store")},
        }
        return run_pipeline(specify(spec | more))

    def features(self, v: Values, *features: Node) -> pl.DataFrame:
        """Return the view's rows, by id."""
        run = self.run(v, features=features, encode=[{"use": "keep", "columns": ["w"]}])
        run.raise_failure()
        return run.features().sort("id").collect()

    def encoded(self, v: Values, *encode: Node) -> pl.DataFrame:
        """Return the encoded rows, in the order of their ids."""
        run = self.run(v, encode=encode)
        run.raise_failure()
        artifacts = [run.execution.artifact(key) for key in run.compiled.encoded]
        return pl.concat(run.store.scan(artifact) for artifact in artifacts if artifact is not None).collect()

    def refused(self, v: Values, **more: Any) -> DataError:
        """Return the error that a run ends with."""
        with pytest.raises(DataError) as raised:
            self.run(v, **more).raise_failure()
        return raised.value


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    return Pipeline(tmp_path)


CASES: dict[str, Callable[[Pipeline], None]] = {}


def line(of_the_table: str) -> Callable[[Callable[[Pipeline], None]], Callable[[Pipeline], None]]:
    """Make a function the test of a line, which is known by its first cell."""

    def register(case: Callable[[Pipeline], None]) -> Callable[[Pipeline], None]:
        CASES[of_the_table] = case
        return case

    return register


@line("a column without any value")
def nothing(pipeline: Pipeline) -> None:
    for v, dtype, with_, filled in (([None] * SIZE, pl.Float64, "median", 0.0), ([None] * SIZE, pl.Int64, "mode", 0)):
        found = pipeline.encoded(pl.Series(v, dtype=dtype), {"use": "impute", "with": with_}, {"use": "standardize"})
        assert found["v"].to_list() == [filled] * SIZE
    assert pipeline.encoded(pl.Series([None] * SIZE, dtype=pl.String), {"use": "one_hot"}).columns == ["id", "w", *ENDS]
    assert "v" not in pipeline.encoded(pl.Series([None] * SIZE, dtype=pl.Float64), {"use": "select", "by": "missing_share"})


ENDS = ["__target__", PART]


@line("a column of one value")
def constant(pipeline: Pipeline) -> None:
    v = [5.5] * SIZE
    assert set(pipeline.encoded(v, {"use": "standardize"})["v"]) == {0.0}
    assert set(pipeline.encoded(v, {"use": "min_max"})["v"]) == {0.0}
    assert set(pipeline.encoded(v, {"use": "bin"})["v"]) == {0}
    assert "v" not in pipeline.encoded(v, {"use": "select", "by": "variance", "threshold": 0})


@line("infinite values")
def infinite(pipeline: Pipeline) -> None:
    v = [float("inf") if n % 7 == 0 else float(n % 5) for n in range(SIZE)]
    for step in ({"use": "standardize"}, {"use": "min_max"}, {"use": "impute", "with": "mean"}, {"use": "pca"}):
        assert "nothing can be learned from column 'v'" in str(pipeline.refused(v, encode=[step]))
    assert pipeline.encoded(v, {"use": "winsorize", "upper": 1})["v"].max() == 4
    refused = pipeline.refused(v, model="sklearn.LogisticRegression")
    assert refused.found == "infinite or very large values in v"


@line("NaN")
def not_a_number(pipeline: Pipeline) -> None:
    v = [float("nan") if n % 7 == 0 else float(n % 5) for n in range(SIZE)]
    missing = [None if number != number else number for number in v]
    for steps in ([{"use": "impute"}], [{"use": "standardize"}], [{"use": "bin"}, {"use": "impute"}]):
        assert_frame_equal(pipeline.encoded(v, *steps), pipeline.encoded(missing, *steps))
    found = pipeline.features(v, {"use": "derive", "large": "v > 100"})
    assert found.filter("large")["v"].is_nan().all()
    assert found["large"].sum() == 9


@line("a category of its own in every row")
def categories(pipeline: Pipeline) -> None:
    v = [f"only {n}" for n in range(SIZE)]
    wide = pipeline.encoded(v, {"use": "one_hot", "max_levels": 3})
    assert [name for name in wide.columns if name.startswith("v=")] == ["v=only 0", "v=only 1", "v=only 10", "v=other"]
    train = pipeline.encoded(v, {"use": "target_encode", "smooth": 0}).filter(pl.col(PART) == "train")
    assert train.group_by("v").len()["len"].max() == train.height or train["v"].n_unique() <= 5  # the mean of other folds
    assert set(pipeline.encoded(v, {"use": "frequency"})["v"]) == {0.0, 1 / 36}


@line("categories that training did not see")
def unseen(pipeline: Pipeline) -> None:
    v = ["seen" if n < 40 else "new" for n in range(SIZE)]  # the last 20 rows are not all of training's

    def after(*steps: Node) -> dict[str, Any]:
        return pipeline.encoded(v, *steps).row(-1, named=True)

    assert after({"use": "one_hot"})["v=seen"] == 0
    assert after({"use": "ordinal"})["v"] == -1
    assert after({"use": "frequency"})["v"] == 0
    share = pipeline.encoded(v, {"use": "target_encode"}).filter(pl.col(PART) == "train")["__target__"].eq("b").mean()
    assert after({"use": "target_encode"})["v"] == pytest.approx(share)


@line("one row")
def one_row(pipeline: Pipeline) -> None:
    assert pipeline.refused([1.0]).what == "the part validation has no rows"


@line("no rows")
def no_rows(pipeline: Pipeline) -> None:
    assert pipeline.refused(pl.Series([], dtype=pl.Float64)).what == "the dataset rows has no rows"


ROLLING = {"use": "rolling", "on": "v", "value": "w", "within": "3h", "into": "lately"}


@line("times out of order")
def out_of_order(pipeline: Pipeline) -> None:
    steps = [ROLLING, {"use": "lag", "on": "v", "value": "w", "into": "before"}]
    found = pipeline.features([TIMES[n * 37 % SIZE] for n in range(SIZE)], *steps)
    sums = dict(found.select("v", "w").iter_rows())
    for time, w, before in found.select("v", "w", "before").iter_rows():
        assert sums[time] == w
        assert before == sums.get(time - timedelta(hours=1))
    first = found.filter(pl.col("v") == TIMES[3])["lately"].item()
    assert first == pytest.approx(sum(sums[time] for time in TIMES[:3]) / 3)


@line("clocks set forward or back")
def clocks(pipeline: Pipeline) -> None:
    hours = pl.Series([datetime(2013, 10, 26, 22) + timedelta(hours=n) for n in range(SIZE)])
    zoned = hours.dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Berlin")
    found = pipeline.features(zoned, ROLLING, {"use": "calendar", "column": "v", "parts": ["hour"]})
    assert found["v_hour"].to_list()[:6] == [0, 1, 2, 2, 3, 4]  # two hours are called 2
    lately = found.select(pl.mean_horizontal(pl.col("w").shift(n) for n in (1, 2, 3))).to_series()
    assert found["lately"].to_list() == pytest.approx(lately.to_list())
    parse = {"use": "parse_time", "columns": ["v"], "time_zone": "Europe/Berlin"}
    skipped = ["2013-03-31 02:30:00"] * SIZE
    assert "time" in str(pipeline.refused(skipped, features=[parse], encode=[{"use": "keep", "columns": ["w"]}]))
    assert pipeline.features(skipped, {**parse, "non_existent": "missing"})["v"].null_count() == SIZE


@line("times before the year 1 or after 9999")
def far(pipeline: Pipeline) -> None:
    seconds = [2**62 if n == 7 else n for n in range(SIZE)]
    parse = {"use": "parse_time", "columns": ["v"]}
    assert pipeline.refused(seconds, features=[parse]).found == f"such as {2**62}"
    assert pipeline.features(seconds, {**parse, "strict": False})["v"].null_count() == 1
    splitter = {"use": "chronological", "column": "v"}
    wild = pl.Series([2**62 + n for n in range(SIZE)]).cast(pl.Datetime("us"))
    pipeline.run(wild, splitter=splitter, encode=[{"use": "keep", "columns": ["w"]}]).raise_failure()


@line("whole numbers beyond their type")
def beyond(pipeline: Pipeline) -> None:
    parts = pl.Series([n % 24 for n in range(SIZE)], dtype=pl.Int8)
    found = pipeline.features(parts, {"use": "derive", "minute": "v * 60", "back": "0 - v", "square": "power(v, 2)"})
    assert found["minute"].to_list() == [n % 24 * 60 for n in range(SIZE)]
    assert found["square"].max() == 23**2
    small = pl.Series([n % 24 for n in range(SIZE)], dtype=pl.UInt32)
    assert pipeline.features(small, {"use": "derive", "less": "v - 5"})["less"].min() == -5
    large = [2**62] * SIZE
    assert str(2**63) in str(pipeline.refused(large, features=[{"use": "derive", "sum": "v + v"}]))
    apart = [{"use": "derive", "n": "0 - v"}, {"use": "difference", "column": "v", "minus": "n", "into": "d"}]
    assert "'v' minus 'n' is more than Int64 holds" in str(pipeline.refused(large, features=apart))
    rule = {"use": "expression", "where": "v * 2 > 0", "on_fail": "stop"}
    pipeline.features(large, {"use": "filter", "where": "v * 2 > 0"})
    assert pipeline.run(large, expect=[rule]).summary["status"] == "done"
    mean = pipeline.features(large, {"use": "expanding", "on": "at", "value": "v", "aggregate": "sum"})
    assert mean["v_sum_so_far"].max() == pytest.approx(59 * 2.0**62)
    assert set(pipeline.encoded(large, {"use": "standardize"})["v"]) == {0.0}


@line("a text of a megabyte in a cell")
def megabyte(pipeline: Pipeline) -> None:
    v = ["word " * 200_000, "x" * 1_000_000, *["short"] * (SIZE - 2)]
    steps = [{"use": "text_length", "columns": ["v"]}, {"use": "hash_tokens", "column": "v", "features": 4}]
    found = pipeline.features(v, *steps)
    assert found["v_characters"].to_list()[:3] == [1_000_000, 1_000_000, 5]
    assert pipeline.encoded(v, {"use": "one_hot", "max_levels": 1})["v=other"].to_list()[:3] == [1, 1, 0]


@pytest.mark.parametrize("of_the_table", CASES)
def test_unusual_data_does_what_the_table_says(of_the_table: str, pipeline: Pipeline) -> None:
    CASES[of_the_table](pipeline)


def test_each_line_of_the_table_is_tested() -> None:
    lines: Mapping[str, str] = dict(re.findall(r"^\| ([^|]+?) \| ([^|]+?) \|$", TABLE, re.MULTILINE))
    assert list(lines)[1:] == list(CASES)
