"""XGBoost, LightGBM and CatBoost as models; tests of a library that is not installed are skipped."""

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from pydantic import ValidationError

from engine import registry
from engine.cli import run as levada
from engine.errors import ConfigError, DataError
from engine.plugin import Model
from engine.registry import build, describe, find
from engine.stores import models
from tests.conftest import Shapes

FAMILIES = {"xgboost": "XGB", "lightgbm": "LGBM", "catboost": "CatBoost"}
ROUNDS = {"xgboost": "n_estimators", "lightgbm": "n_estimators", "catboost": "iterations"}

_random = np.random.RandomState(0)
FEATURES = pl.DataFrame({"a": _random.normal(size=200), "b": _random.normal(size=200)}).with_columns(
    pl.when(pl.col("b") > 1.5).then(None).otherwise("b").alias("b"), whole=pl.int_range(200) % 7
)
NUMBERS = FEATURES.select(y=3 * pl.col("a") + pl.col("b").fill_null(2))["y"]
TARGETS = {
    "Regressor": NUMBERS,
    "Classifier": (NUMBERS > 0).replace_strict({True: "yes", False: "no"}, return_dtype=pl.String),
}
THREE = pl.Series(["low" if number < -1 else "top" if number > 1 else "mid" for number in NUMBERS])


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(request.param, reason=f"no {request.param}: pip install 'levada[{request.param}]'")
    name: str = request.param
    return name


def model(family: str, kind: str, rounds: int = 20, **parameters: Any) -> Model:
    made = build("model", {"use": f"{family}.{FAMILIES[family]}{kind}", ROUNDS[family]: rounds, **parameters})
    assert isinstance(made, Model)
    return made


@pytest.mark.parametrize("kind", ["Classifier", "Regressor"])
def test_a_model_learns_takes_missing_values_and_is_stored_with_equal_bytes(family: str, kind: str, tmp_path: Path) -> None:
    made, target = model(family, kind), TARGETS[kind]
    assert build("model", describe(made)) == made == pickle.loads(pickle.dumps(made))
    for name in ("one", "two"):
        models.dump(made.estimate(FEATURES, target), tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    fitted = models.load(tmp_path / "one")
    found = made.predict(fitted, FEATURES)
    if kind == "Classifier":
        assert (found["prediction"] == target).mean() > 0.9
        assert found.columns == ["prediction", "probability:no", "probability:yes"]
        assert found.select(pl.sum_horizontal(pl.exclude("prediction")).is_close(1.0, abs_tol=1e-6).all()).item()
    else:
        assert np.corrcoef(found["prediction"], target)[0, 1] > 0.9
    assert_frame_equal(made.predict(fitted, FEATURES[:1]), found[:1])
    assert made.predict(fitted, FEATURES.clear()).schema == found.schema
    rating = made.importance(fitted)
    assert rating is not None
    assert rating.arg_max() == 0
    assert made.summary(fitted).facts == {"trees": 20}


def test_three_classes_have_a_probability_each_in_their_order(family: str) -> None:
    made = model(family, "Classifier")
    found = made.predict(made.estimate(FEATURES, THREE), FEATURES)
    assert found.columns[1:] == ["probability:low", "probability:mid", "probability:top"]
    assert (found["prediction"] == THREE).mean() > 0.9


def test_early_stopping_keeps_the_best_round_of_held_out_rows(family: str) -> None:
    noise = pl.Series(np.random.RandomState(1).permutation(TARGETS["Classifier"].to_list()))
    made = model(family, "Classifier", rounds=200, early_stopping_rounds=5)
    fitted = made.estimate(FEATURES, noise)
    assert 1 <= made.summary(fitted).facts["trees"] < 60  # type: ignore[operator]  # a number of trees
    assert made.predict(fitted, FEATURES).height == 200


def test_wrong_parameters_are_refused_by_name(family: str) -> None:
    with pytest.raises(ConfigError, match="unknown key 'learning_rat'"):
        model(family, "Classifier", learning_rat=0.1)
    with pytest.raises((ConfigError, ValidationError)):
        model(family, "Classifier", early_stopping_rounds=0)


def test_every_parameter_is_described(family: str) -> None:
    fields = find("model", f"{family}.{FAMILIES[family]}Classifier").model_fields
    assert all(len(info.description or "") > 20 for info in fields.values())
    assert {"early_stopping_rounds", "validation_fraction", "learning_rate"} <= set(fields)


def test_a_model_learns_from_more_rows_and_the_old_one_stays_as_it_was(family: str) -> None:
    made, (first, rest) = model(family, "Regressor"), (slice(0, 100), slice(100, 200))
    fitted = made.estimate(FEATURES[first], NUMBERS[first])
    before = made.predict(fitted, FEATURES)
    updated = made.update(fitted, FEATURES[rest], NUMBERS[rest])
    assert made.update(fitted, FEATURES[rest], NUMBERS[rest]).content == updated.content
    assert made.summary(updated).facts == {"trees": 40}
    assert_frame_equal(made.predict(fitted, FEATURES), before)
    old, new = (found["prediction"][rest] - NUMBERS[rest] for found in (before, made.predict(updated, FEATURES)))
    assert new.pow(2).sum() < old.pow(2).sum()


def test_rows_without_one_of_the_classes_are_learned_from_and_a_strange_class_is_refused(family: str) -> None:
    made = model(family, "Classifier", early_stopping_rounds=5)
    fitted = made.estimate(FEATURES, THREE)
    few = THREE != "top"
    updated = made.update(fitted, FEATURES.filter(few), THREE.filter(few))
    assert made.predict(updated, FEATURES).columns == made.predict(fitted, FEATURES).columns
    assert made.summary(updated).facts["trees"] > made.summary(fitted).facts["trees"]  # type: ignore[operator]  # numbers
    with pytest.raises(DataError, match="never seen") as caught:
        made.update(fitted, FEATURES, THREE.replace({"mid": "middle"}))
    assert caught.value.found == "middle"


def test_its_option_is_a_model_that_stops_early(family: str, shapes: Shapes) -> None:
    chosen = shapes.load(f"model={family}").model
    assert type(chosen).__name__ == f"{FAMILIES[family]}Classifier"
    assert chosen.early_stopping_rounds == 30  # type: ignore[attr-defined]  # Boosted has it


@pytest.fixture
def none_installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("plugins.models._boosted.find_spec", {}.get)
    registry._family_names.cache_clear()
    yield
    registry._family_names.cache_clear()


@pytest.mark.usefixtures("none_installed")
@pytest.mark.parametrize("family", FAMILIES)
def test_a_library_that_is_not_installed_is_named_with_the_command(family: str) -> None:
    with pytest.raises(ConfigError, match=f"{family}, which is not installed") as caught:
        find("model", f"{family}.{FAMILIES[family]}Classifier")
    assert caught.value.hint == f"pip install 'levada[{family}]'"


@pytest.mark.usefixtures("none_installed", "shapes")
def test_a_sweep_leaves_out_what_is_not_installed_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert levada(["-m", "pipeline=shapes", "model=gaussian_nb,catboost,ridge"]) == 0
    said = capsys.readouterr().out
    assert "left out, because they are for another task: model=ridge\n" in said
    assert "its library is not installed: model=catboost (pip install 'levada[catboost]')\n" in said
    assert "failed" not in said
