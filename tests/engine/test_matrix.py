from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from engine.plugin import numbers_of
from engine.plugin.matrix import share


def frame():
    return pl.DataFrame({"x": [1.5, None, float("nan")], "flag": [True, False, True], "n": [1, 2, None]})


def test_the_numbers_of_a_frame_are_made_once_and_say_what_is_missing():
    features = frame()
    matrix, holes = numbers_of(features)
    np.testing.assert_array_equal(matrix, [[1.5, 1, 1], [np.nan, 0, 2], [np.nan, 1, np.nan]])
    assert holes == ("x", "n")
    assert numbers_of(features)[0] is matrix
    with pytest.raises(ValueError, match="read-only"):
        matrix[0, 0] = 9.0


def test_a_shared_matrix_is_written_by_the_first_and_mapped_by_all(tmp_path):
    first, second, file = frame(), frame(), tmp_path / "rows.npy"
    for features in (first, second):
        share(features, file)
    made, written = numbers_of(first)[0], file.stat().st_mtime_ns
    np.testing.assert_array_equal(numbers_of(second)[0], made)
    assert file.stat().st_mtime_ns == written
    assert sorted(one.name for one in tmp_path.iterdir()) == ["rows.lock", "rows.npy"]
    assert (type(made), made.flags.writeable, numbers_of(second)[1]) == (np.ndarray, False, ("x", "n"))
    assert not made.flags.owndata


def test_where_a_shared_matrix_can_not_be_written_each_has_its_own(tmp_path):
    features = frame()
    share(features, tmp_path / "gone" / "rows.npy")
    assert numbers_of(features)[0].shape == (3, 3)
