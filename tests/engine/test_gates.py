"""Conditions of metrics are read by a grammar; what is none is refused in words."""

from __future__ import annotations

import pytest

from engine.gates import Unmeasured, parse

OWN = {"roc_auc": 0.702, "rmse": 3.0, "f1": None}
OTHERS = {"champion": {"roc_auc": 0.7, "rmse": 3.5, "f1": None}}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("roc_auc >= champion.roc_auc + 0.002", True),
        ("roc_auc > champion.roc_auc + 0.002", False),
        ("roc_auc >= champion.roc_auc + 0.0021", False),
        ("rmse <= champion.rmse - 0.5", True),
        ("rmse < champion.rmse and roc_auc > 7e-1", True),
        ("rmse < champion.rmse and roc_auc > 0.8", False),
        ("roc_auc > challenger.roc_auc", True),
        ("roc_auc > challenger.roc_auc and rmse < 1", False),
        ("1 - roc_auc < 0.3", True),
    ],
)
def test_a_condition_compares_metrics(text, holds):
    assert parse(text).holds(OWN, OTHERS) is holds


@pytest.mark.parametrize("text", ["f1 > 0.5", "roc_auc > champion.f1", "mae < 1"])
def test_what_was_not_measured_is_told(text):
    with pytest.raises(Unmeasured):
        parse(text).holds(OWN, OTHERS)


@pytest.mark.parametrize(
    "text",
    [
        *("", "roc_auc", "a > b > c", "a >", "a > b +", "a > b * 2", "a > f(1)", "a > b c", "a == b", "a > x.y.z", "a > -"),
        *("a > 1 and", "__import__('os') > 1"),
    ],
)
def test_what_is_no_condition_is_refused(text):
    with pytest.raises(ValueError, match=r"is no comparison|is neither|comes \+ or -"):
        parse(text)
