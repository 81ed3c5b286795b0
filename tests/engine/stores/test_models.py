from __future__ import annotations

import zipfile

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from engine.errors import DataError
from engine.stores.models import dump, load

ROWS = np.arange(40, dtype=np.float64).reshape(20, 2) % 7
TARGET = np.array(["a", "b"] * 10)


class Odd:
    """An object that nobody trusts."""

    def __init__(self) -> None:
        self.x = 1


class Mute:
    """An object that can not be written."""

    def __getstate__(self) -> object:
        raise TypeError("no state to tell")


@pytest.mark.parametrize(
    "estimator", [LogisticRegression(), DecisionTreeClassifier(random_state=0)], ids=lambda one: type(one).__name__
)
def test_a_model_predicts_the_same_after_it_was_stored(tmp_path, estimator):
    fitted = estimator.fit(ROWS, TARGET)
    dump(fitted, tmp_path / "m.skops")
    assert load(tmp_path / "m.skops").predict_proba(ROWS).tolist() == fitted.predict_proba(ROWS).tolist()


def test_equal_models_are_equal_bytes(tmp_path):
    kept = [LogisticRegression().fit(ROWS, TARGET) for _ in range(2)]  # two at once, so that their addresses differ
    for number, fitted in enumerate(kept):
        dump(fitted, tmp_path / str(number))
    assert (tmp_path / "0").read_bytes() == (tmp_path / "1").read_bytes()


def test_a_stored_model_holds_no_pickle(tmp_path):
    dump(LogisticRegression().fit(ROWS, TARGET), tmp_path / "m.skops")
    with zipfile.ZipFile(tmp_path / "m.skops") as archive:
        assert {name.rpartition(".")[2] for name in archive.namelist()} == {"json", "npy"}


def test_a_type_that_is_not_trusted_is_refused_before_it_is_made(tmp_path):
    dump(Odd(), tmp_path / "m.skops")
    with pytest.raises(DataError, match="types that are not trusted") as caught:
        load(tmp_path / "m.skops")
    assert "Odd" in caught.value.found
    assert caught.value.hint.endswith(f"LEVADA_TRUST={Odd.__module__}.Odd")


@pytest.mark.parametrize(
    ("said", "trusted"),
    [
        (f"{Odd.__module__}.Odd", True),
        (f"other.Thing, {Odd.__module__}.", True),
        (Odd.__module__, False),
        (f"{Odd.__module__}.Od", False),
        (".", False),
        ("", False),
    ],
)
def test_whoever_starts_the_process_may_trust_a_type_by_its_whole_name_or_a_package(tmp_path, monkeypatch, said, trusted):
    monkeypatch.setenv("LEVADA_TRUST", said)
    dump(Odd(), tmp_path / "m.skops")
    if trusted:
        assert load(tmp_path / "m.skops").x == 1
    else:
        with pytest.raises(DataError, match="types that are not trusted"):
            load(tmp_path / "m.skops")


def test_what_can_not_say_its_state_is_refused(tmp_path):
    with pytest.raises(DataError, match="Mute can not be stored without pickle") as caught:
        dump(Mute(), tmp_path / "m.skops")
    assert caught.value.found == "no state to tell"
