"""Affinity propagation as a clusterer of its own: clusters, exemplars as rows, convergence, and what does not fit."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from sklearn.cluster import AffinityPropagation

from engine.errors import DataError
from engine.plugin import Model
from engine.registry import build
from engine.stores import models

_random = np.random.RandomState(1)
ROWS = pl.DataFrame({name: [*_random.normal(0, 0.3, 20), *_random.normal(at, 0.3, 20)] for name, at in (("a", 4), ("b", 5))})


def model(**parameters: Any) -> Model:
    made = build("model", {"use": "affinity_propagation", **parameters})
    assert isinstance(made, Model)
    return made


def test_clusters_and_exemplars_are_those_of_scikit_learn() -> None:
    made = model(preference=-20)
    fitted = made.estimate(ROWS, None)
    theirs = AffinityPropagation(damping=0.7, max_iter=500, preference=-20, random_state=0).fit(ROWS.to_numpy())
    assert made.predict(fitted, ROWS)["prediction"].to_list() == theirs.labels_.tolist()
    said = made.summary(fitted)
    assert said.exemplars == tuple(theirs.cluster_centers_indices_)
    assert said.facts == {"clusters": 2, "converged": True, "iterations": theirs.n_iter_}
    assert said.findings == ()


def test_a_sample_is_learned_from_and_all_rows_get_a_cluster() -> None:
    made = model(preference=-20, sample=12)
    fitted = made.estimate(ROWS, None)
    exemplars = made.summary(fitted).exemplars
    found = made.predict(fitted, ROWS)["prediction"]
    assert found[list(exemplars)].to_list() == [0, 1]
    assert found[:20].n_unique() == found[20:].n_unique() == 1


def test_a_fitted_model_is_stored_with_equal_bytes_and_predicts_as_before(tmp_path: Path) -> None:
    made = model()
    for name in ("one", "two"):
        models.dump(made.estimate(ROWS, None), tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    again = models.load(tmp_path / "one")
    assert_frame_equal(made.predict(again, ROWS), made.predict(made.estimate(ROWS, None), ROWS))


def test_a_fit_that_does_not_converge_says_so_and_what_to_try() -> None:
    made = model(max_iter=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        said = made.summary(made.estimate(ROWS, None))
    assert said.facts["converged"] is False
    assert [(finding.code, "damping" in finding.advice) for finding in said.findings] == [("not_converged", True)]


def test_rows_that_do_not_fit_are_refused_with_the_bytes_before_memory_is_taken() -> None:
    many = pl.DataFrame({"a": pl.int_range(3_000_000, eager=True)})
    with pytest.raises(DataError, match="3,000,000 rows does not fit into memory") as caught:
        model().estimate(many, None)
    assert "432.0 TB (432,000,000,000,000 bytes)" in caught.value.found
    assert "model.sample=" in caught.value.hint
    with pytest.raises(DataError, match="KernelRidge of 3,000,000 rows"):
        build("model", "sklearn.KernelRidge").estimate(many, many["a"])  # type: ignore[attr-defined]  # it is a model


def test_no_rows_get_no_clusters() -> None:
    made = model()
    assert made.predict(made.estimate(ROWS, None), ROWS.clear()).schema == {"prediction": pl.Int64}
