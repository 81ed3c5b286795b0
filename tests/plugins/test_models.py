"""Every scikit-learn estimator as a model, and every file of conf/model."""

import pickle
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import yaml
from polars.testing import assert_frame_equal
from pydantic import ValidationError
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import all_estimators

from engine.errors import ConfigError, DataError, UnknownName
from engine.plugin import Model
from engine.registry import build, describe, find, names
from plugins.models._estimators import EXCLUDED
from plugins.models._matrix import matrix_of
from plugins.models.sklearn import _MOST_PROBABLE

ROOT = Path(__file__).parents[2]
CONFIGURED = sorted((ROOT / "conf" / "model").glob("*.yaml"))

_random = np.random.RandomState(0)
FEATURES = pl.DataFrame(
    {
        "a": [*_random.normal(2, 0.4, 30), *_random.normal(6, 0.4, 30)],
        "b": [*_random.normal(1, 0.2, 30), *_random.normal(4, 0.2, 30)],
    }
).with_columns(pl.col("a", "b").abs())
LABELS = pl.Series(["no"] * 30 + ["yes"] * 30)
NUMBERS = FEATURES.select(y=2 * pl.col("a") + pl.col("b"))["y"]
TARGETS = {"classification": LABELS, "regression": NUMBERS, "clustering": None}

OF_ITS_KIND: dict[str, tuple[dict[str, Any], pl.DataFrame]] = {
    "sklearn.CCA": ({"n_components": 1}, FEATURES),
    "sklearn.PLSCanonical": ({"n_components": 1}, FEATURES),
    "sklearn.IsotonicRegression": ({}, FEATURES.select("a")),
    "sklearn.CategoricalNB": ({}, FEATURES.with_columns(pl.all().round().cast(pl.Int64))),
}
"""Estimators that need parameters or features of their own: one component for one target, one feature, codes from 0."""


def model(name: str, **parameters: Any) -> Model:
    made = build("model", {"use": f"sklearn.{name}", **parameters})
    assert isinstance(made, Model)
    return made


def test_every_estimator_of_scikit_learn_is_a_model_unless_it_is_excluded_by_reason() -> None:
    known = {name for name, _ in all_estimators(["classifier", "regressor", "cluster"])}
    excluded = {name for listed in EXCLUDED.values() for name in listed.split()}
    assert {name.removeprefix("sklearn.") for name in names("model") if name.startswith("sklearn.")} == known - excluded
    assert excluded <= known


@pytest.mark.parametrize("kind", ["classifier", "regressor", "cluster"])
def test_every_model_has_the_task_that_scikit_learn_gives_it(kind: str) -> None:
    task = {"classifier": "classification", "regressor": "regression", "cluster": "clustering"}[kind]
    of_kind = {f"sklearn.{name}" for name, _ in all_estimators(kind)} & set(names("model"))
    assert {find("model", name).task for name in of_kind} == {task}  # type: ignore[attr-defined]  # every model has one


@pytest.mark.parametrize("name", [name for name in names("model") if name.startswith("sklearn.")])
def test_an_estimator_fits_by_default_and_predicts_the_same_each_time(name: str) -> None:
    parameters, features = OF_ITS_KIND.get(name, ({}, FEATURES))
    made = build("model", {"use": name, **parameters})
    assert isinstance(made, Model)
    assert build("model", describe(made)) == made
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found, again = (made.predict(made.estimate(features, TARGETS[made.task]), features) for _ in range(2))
    assert_frame_equal(found, again, check_exact=True)
    assert found.height == FEATURES.height
    assert found.null_count().sum_horizontal().item() == 0
    dtype = {"classification": pl.String, "regression": pl.Float64, "clustering": pl.Int64}[made.task]
    assert found.schema["prediction"] == dtype
    assert found.columns[1:] in ([], ["probability:no", "probability:yes"], ["score:no", "score:yes"])


def test_every_estimator_that_scikit_learn_lists_is_a_model_or_is_refused_with_a_reason() -> None:
    """Print the table with ``-s``; that each model trains is the test above."""
    table = {}
    for name, _ in all_estimators():
        try:
            table[name] = find("model", f"sklearn.{name}").task  # type: ignore[attr-defined]  # every model has one
        except ConfigError as error:
            table[name] = f"refused: {error.what.partition(': ')[2]}"
    print("\n" + "\n".join(f"{name:<32} {said}" for name, said in table.items()))
    assert table["Ridge"] == "regression"
    assert table["PCA"] == "refused: it changes columns, and predicts nothing"
    assert table["VotingClassifier"] == "refused: it needs another estimator as a parameter"
    assert [name for name, said in table.items() if said in ("refused: ", "")] == []


@pytest.mark.parametrize("name", ["SGDClassifier", "SGDRegressor", "MiniBatchKMeans", "GaussianNB"])
def test_a_model_is_updated_with_more_rows_and_the_one_before_stays(name: str) -> None:
    made = model(name)
    target = TARGETS[made.task]
    every_other = FEATURES.gather_every(2)
    before = made.estimate(every_other, None if target is None else target.gather_every(2))
    said = made.predict(before, FEATURES)
    after = made.update(before, FEATURES, target)
    assert_frame_equal(made.predict(before, FEATURES), said, check_exact=True)
    assert type(after) is type(before)
    assert made.predict(after, FEATURES).schema == said.schema
    assert pickle.dumps(after) != pickle.dumps(before)


def test_a_class_that_an_updated_model_has_never_seen_is_refused() -> None:
    made = model("SGDClassifier")
    with pytest.raises(DataError, match="SGDClassifier can not be estimated"):
        made.update(made.estimate(FEATURES, LABELS), FEATURES, pl.Series(["new"] * 60))


def test_a_model_that_can_only_begin_anew_says_so() -> None:
    made = model("DecisionTreeClassifier")
    assert made.update(made.estimate(FEATURES, LABELS), FEATURES, LABELS) is None


def test_listing_models_imports_nothing_of_scikit_learn() -> None:
    code = "import sys; from engine.registry import names; names('model'); sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"max_depth": "deep"}, "'max_depth' parameter of RandomForestClassifier must be an int"),
        ({"criterion": "ginny"}, "'criterion' parameter of RandomForestClassifier must be a str among"),
        ({"n_estimators": 0}, "'n_estimators' parameter"),
        ({"n_estimator": 10}, "n_estimator"),
    ],
)
def test_wrong_parameters_are_refused_before_data_is_read(parameters: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        find("model", "sklearn.RandomForestClassifier").model_validate(parameters)


def test_an_estimator_that_does_not_exist_gets_the_nearest_name() -> None:
    with pytest.raises(UnknownName, match=r"sklearn\.RandomForestClassifier"):
        model("RandomForestClasifier")


def test_parameters_are_described_in_scikit_learns_words() -> None:
    fields = find("model", "sklearn.RandomForestClassifier").model_fields
    assert fields["n_estimators"].description == "int, default=100. The number of trees in the forest."
    assert fields["random_state"].default == 0


def test_probabilities_sum_to_one_and_the_likeliest_class_is_predicted() -> None:
    made = model("LogisticRegression")
    found = made.predict(made.estimate(FEATURES, LABELS), FEATURES)
    likeliest = pl.when(pl.col("probability:yes") > pl.col("probability:no")).then(pl.lit("yes")).otherwise(pl.lit("no"))
    assert found.select((pl.col("prediction") == likeliest).all()).item()
    assert found.select((pl.col("probability:yes") + pl.col("probability:no")).is_close(1.0).all()).item()


@pytest.mark.parametrize("labels", [2, 3])
@pytest.mark.parametrize("name", sorted(_MOST_PROBABLE))
def test_the_likeliest_class_is_what_scikit_learn_predicts(name: str, labels: int) -> None:
    features = pl.DataFrame({"a": _random.randint(0, 5, 200), "b": _random.randint(0, 5, 200)})  # equal rows of several classes
    target = pl.Series(_random.randint(0, labels, 200)).cast(pl.String)
    made = model(name, **({"n_neighbors": 4} if name == "KNeighborsClassifier" else {}))  # four neighbours tie
    fitted = made.estimate(features, target)
    told = made.predict(fitted, features)["prediction"].to_list()
    assert told == fitted.predict(features.to_numpy().astype(float)).tolist()


def test_class_weights_may_be_named_as_yaml_reads_them() -> None:
    made = model("LogisticRegression", class_weight={False: 1, True: 50})
    truth = pl.Series(["false", "true"] * 30)
    assert set(made.predict(made.estimate(FEATURES, truth), FEATURES)["prediction"]) == {"true"}


def test_missing_values_name_their_columns_and_what_to_do() -> None:
    holes = FEATURES.with_columns(pl.when(pl.col("a") > 5).then(None).otherwise(pl.col("b")).alias("b"))
    with pytest.raises(DataError, match="missing values in b") as caught:
        model("LogisticRegression").estimate(holes, LABELS)
    assert "impute" in caught.value.hint


@pytest.mark.parametrize("name", ["HistGradientBoostingClassifier", "RandomForestClassifier", "DummyClassifier"])
def test_estimators_that_take_missing_values_get_them(name: str) -> None:
    holes = FEATURES.with_columns(pl.when(pl.col("a") > 5).then(None).otherwise(pl.col("b")).alias("b"))
    made = model(name)
    assert made.predict(made.estimate(holes, LABELS), holes).height == holes.height


def test_text_features_are_named_with_what_to_do() -> None:
    with pytest.raises(DataError, match="one_hot"):
        model("Ridge").estimate(FEATURES.with_columns(word=pl.lit("x")), NUMBERS)


def test_a_target_with_holes_is_refused() -> None:
    with pytest.raises(DataError, match="target in every row"):
        model("Ridge").estimate(FEATURES, pl.Series([None, *NUMBERS[1:]]))


def test_what_scikit_learn_refuses_names_the_estimator() -> None:
    with pytest.raises(DataError, match="LogisticRegression can not be estimated"):
        model("LogisticRegression").estimate(FEATURES, pl.Series(["only"] * 60))
    made = model("Ridge")
    with pytest.raises(DataError, match="Ridge can not predict"):
        made.predict(made.estimate(FEATURES, NUMBERS), FEATURES.select("a"))


def test_a_fit_that_has_not_converged_warns() -> None:
    with pytest.warns(ConvergenceWarning):
        model("MLPClassifier", max_iter=1).estimate(FEATURES, LABELS)


def test_a_clusterer_that_can_not_predict_knows_its_own_rows_in_any_order_and_no_others() -> None:
    made = model("DBSCAN", eps=1.0)
    fitted = made.estimate(FEATURES, None)
    whole = made.predict(fitted, FEATURES)["prediction"]
    assert sorted(whole.unique()) == [0, 1]
    assert made.predict(fitted, FEATURES[::-1])["prediction"].to_list() == whole[::-1].to_list()
    with pytest.raises(DataError, match="1 of 60 rows are others"):
        made.predict(fitted, FEATURES.with_columns(pl.when(pl.int_range(60) == 3).then(99.0).otherwise("a").alias("a")))


@pytest.mark.parametrize("name", ["RandomForestClassifier", "LogisticRegression", "GaussianNB"])
def test_importance_rates_each_feature_where_the_model_can(name: str) -> None:
    made = model(name)
    rating = made.importance(made.estimate(FEATURES, LABELS))
    assert rating is None if name == "GaussianNB" else rating is not None and len(rating) == 2


@pytest.mark.parametrize("path", CONFIGURED, ids=lambda path: path.stem)
def test_a_configured_model_is_valid_and_says_when_to_choose_it(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.startswith("# ")
    node = yaml.safe_load(text)
    if node["use"].startswith("catboost."):
        pytest.importorskip("catboost", reason="no catboost: pip install 'levada[catboost]'")
    made = build("model", node)
    assert isinstance(made, Model)
    assert {**describe(made), **node} == describe(made)


@pytest.mark.parametrize("path", sorted((ROOT / "conf" / "splitter").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_configured_splitter_is_valid_and_says_when_to_choose_it(path: Path) -> None:
    text = path.read_text("utf-8")
    assert text.startswith("# ")
    node = yaml.safe_load(text)
    assert node["use"] == path.stem
    assert describe(build("splitter", node)) == node


def test_models_share_one_matrix_of_a_frame_which_none_of_them_can_change() -> None:
    features = pl.DataFrame({"x": [1.0, 2.0, 3.0, 4.0], "y": [1, 0, 1, 0]})
    matrix = matrix_of("one", features, missing=False)
    assert matrix_of("other", features, missing=True) is matrix
    with pytest.raises(ValueError, match="read-only"):
        matrix[0, 0] = 9.0
    in_place: Any = build("model", {"use": "sklearn.LinearRegression", "copy_X": False})
    in_place.estimate(features, pl.Series([1.0, 2.0, 3.0, 4.0]))
    assert matrix.tolist() == [[1.0, 1.0], [2.0, 0.0], [3.0, 1.0], [4.0, 0.0]]
