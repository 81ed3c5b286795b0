from __future__ import annotations

import polars as pl
import pytest

from engine.errors import DataError


def agreed(stages, *frames, quarantined=0):
    artifacts = stages.keep(*frames, quarantined=quarantined)
    return stages.run("schema", *artifacts, sources=[f"file-{number}.csv" for number in range(len(frames))])


@pytest.mark.parametrize(
    ("dtypes", "found"),
    [
        ([pl.Int64, pl.Int64], pl.Int64),
        ([pl.Int64, pl.Float64], pl.Float64),
        ([pl.Int8, pl.Int64, pl.UInt8], pl.Int64),
        ([pl.Float32, pl.Int64], pl.Float64),
        ([pl.Boolean, pl.Boolean], pl.Boolean),
    ],
)
def test_numbers_widen_to_a_type_that_holds_all_of_them(stages, dtypes, found):
    frames = [pl.DataFrame({"x": [1]}).cast({"x": dtype}) for dtype in dtypes]
    assert stages.rows(agreed(stages, *frames)).schema == {"x": found}


def test_a_column_without_values_takes_the_type_of_the_others(stages):
    frames = [pl.DataFrame({"x": [None, None]}, schema={"x": pl.String}), pl.DataFrame({"x": [1]})]
    assert stages.rows(agreed(stages, *frames)).schema == {"x": pl.Int64}


def test_a_column_without_any_value_is_text(stages):
    frames = [pl.DataFrame({"x": [None]}, schema={"x": dtype}) for dtype in (pl.Int64, pl.Float64)]
    assert stages.rows(agreed(stages, *frames)).schema == {"x": pl.String}


def test_types_that_do_not_go_together_are_refused_with_both_files(stages):
    frames = [pl.DataFrame({"x": [1]}), pl.DataFrame({"x": [2]}), pl.DataFrame({"x": ["much"]})]
    with pytest.raises(DataError) as caught:
        agreed(stages, *frames)
    assert caught.value.what == "the column 'x' is Int64 in one file and String in another"
    assert (caught.value.where, caught.value.expected) == ("file-2.csv", "Int64, as in file-0.csv")


@pytest.mark.parametrize(("quarantined", "found"), [(0, "2 files without rows"), (3, "6 rows, all of which broke a rule")])
def test_a_dataset_without_rows_is_refused(stages, quarantined, found):
    empty = pl.DataFrame(schema={"x": pl.Int64})
    with pytest.raises(DataError, match="this dataset has no rows") as caught:
        agreed(stages, empty, empty, quarantined=quarantined)
    assert caught.value.found == found


def test_rows_that_differ_in_content_alone_leave_the_schema_as_it_was(stages):
    one, other = (agreed(stages, pl.DataFrame({"x": [value], "y": ["a"]})) for value in (1, 2))
    assert one.digest == other.digest
    assert one.rows == 0
    assert one.data()["columns"] == [["x", "Int64"], ["y", "String"]]
