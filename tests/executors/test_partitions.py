"""However the rows of a dataset lie in files, a pipeline comes to the same features, states and encoded rows."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from engine.runs import run_pipeline
from tests.executors import whole

PARTS = 4


def worked(folder: Path, *parts: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the features and the encoded rows, in the order of their ids."""
    shutil.rmtree(folder, ignore_errors=True)
    whole.write(folder, parts)
    run = run_pipeline(whole.spec(folder, store={"root": str(folder / "store")}))
    run.raise_failure()
    artifacts = [run.execution.artifact(key) for key in run.compiled.encoded]
    encoded = pl.concat(run.store.scan(artifact) for artifact in artifacts if artifact is not None)
    return run.features().sort("id").collect(), encoded.sort("id").collect()


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> tuple[pl.DataFrame, pl.DataFrame]:
    return worked(tmp_path_factory.mktemp("together"), whole.READINGS)


def test_the_example_has_something_in_every_column(together: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    features, encoded = together
    assert [name for name in features.columns if features[name].null_count() == whole.SIZE] == []
    assert [name for name in encoded.columns if encoded[name].n_unique() == 1] == []


@settings(max_examples=3, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, PARTS - 1), min_size=whole.SIZE, max_size=whole.SIZE), st.randoms(use_true_random=False))
def test_any_partitioning_in_any_order_comes_to_the_same(together, tmp_path: Path, places, order) -> None:
    numbers = list(range(whole.SIZE))
    order.shuffle(numbers)
    rows = whole.READINGS[numbers]
    parts = [rows.filter(pl.Series(places) == place) for place in range(PARTS)]
    features, encoded = worked(tmp_path / "apart", *(part for part in parts if len(part)))
    assert_frame_equal(features, together[0], check_exact=True)
    assert_frame_equal(encoded, together[1], rel_tol=1e-9, abs_tol=1e-12)  # moments are merged up to rounding
