"""What is drawn of errors."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from engine.stages.curves import regression


def test_errors_along_the_prediction_are_means_of_as_many_rows_each_and_show_where_a_model_is_biased():
    random = np.random.default_rng(0)
    guess = random.uniform(0, 10, 2_000)
    truth = guess + random.normal(0, 1, 2_000) + np.where(guess > 8, 2, 0)
    found = regression(pl.Series(truth), pl.DataFrame({"prediction": guess}))
    along = found["along"]
    assert [one["rows"] for one in along] == [100] * 20
    assert [one["prediction"] for one in along] == pytest.approx(np.arange(0.25, 10, 0.5), abs=0.25)
    assert sum(one["low"] <= 0 <= one["high"] for one in along[:15]) >= 12
    assert all(one["low"] > 1 for one in along[-3:])
    errors = np.abs(truth - guess)
    for share, error in found["off_by"]:
        assert (errors <= error + 1e-6).mean() == pytest.approx(share, abs=1e-3)


def test_one_row_and_rows_of_one_prediction_are_a_bin():
    (only,) = regression(pl.Series([3.0]), pl.DataFrame({"prediction": [1.0]}))["along"]
    assert only == {"prediction": 1.0, "mean": 2.0, "low": 2.0, "high": 2.0, "rows": 1}
    (same,) = regression(pl.Series([1.0, 3.0]), pl.DataFrame({"prediction": [1.0, 1.0]}))["along"]
    assert (same["mean"], same["rows"]) == (1.0, 2)
