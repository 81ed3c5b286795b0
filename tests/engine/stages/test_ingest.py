from __future__ import annotations

import polars as pl
import pytest

from engine.errors import DataError
from engine.plugin import SourcePartition
from engine.registry import build

ROWS = "id,width\n1,5\n2,\n3,50\n4,7\n5,\n"
NOT_NULL = {"use": "not_null", "columns": ["width"]}
SMALL = {"use": "between", "column": "width", "max": 10}


@pytest.fixture
def ingest(stages, tmp_path):
    def run(*expect, rows=ROWS, name="rows.csv", held=(), fit=None, **more):
        file = tmp_path / name
        file.write_text(rows)
        partition = SourcePartition(str(file), "v1")
        params = {
            "partition": {"name": partition.name, "fingerprint": partition.fingerprint},
            "dataset": "shapes",
            "batch": "b",
            "number": 0,
            "held": held,
            "fit": fit,
        }
        return stages.run("ingest", extract={"use": "csv", "path": str(file), **more}, expect=list(expect), **params)

    return run


def quarantined(stages):
    return pl.concat(pl.read_parquet(file) for file in sorted((stages.store.root / "quarantine").rglob("*.parquet")))


def test_rows_are_read_as_they_are(stages, ingest):
    artifact = ingest()
    assert stages.rows(artifact).to_dict(as_series=False) == {"id": [1, 2, 3, 4, 5], "width": [5, None, 50, 7, None]}
    columns = [["id", "Int64"], ["width", "Int64"]]
    assert artifact.data() == {"rows_in": 5, "reasons": [], "columns": columns, "spans": {}}


def test_every_row_is_loaded_or_set_aside_with_its_number_and_the_first_rule_it_breaks(stages, ingest):
    artifact = ingest(NOT_NULL, SMALL)
    assert stages.rows(artifact)["id"].to_list() == [1, 4]
    aside = quarantined(stages)
    assert aside.select("id", "__row__", "__check__").rows() == [
        (2, 2, "width is not missing"),
        (3, 3, "width is at most 10"),
        (5, 5, "width is not missing"),
    ]
    assert [(reason["check"], reason["rows"], reason["first"]) for reason in artifact.data()["reasons"]] == [
        ("width is not missing", 2, 2),
        ("width is at most 10", 1, 3),
    ]


def test_a_row_that_breaks_a_rule_that_warns_is_kept_and_counted(ingest):
    artifact = ingest({**SMALL, "on_fail": "warn"})
    assert artifact.rows == 5
    assert [(reason["rows"], reason["on_fail"]) for reason in artifact.data()["reasons"]] == [(1, "warn")]


def test_a_row_that_breaks_two_rules_is_set_aside_even_if_the_first_only_warns(stages, ingest):
    artifact = ingest({**SMALL, "on_fail": "warn"}, {"use": "between", "column": "width", "max": 20})
    assert 50 not in stages.rows(artifact)["width"].to_list()


def test_a_rule_that_stops_stops(ingest):
    with pytest.raises(DataError, match=r"breaks? the rule: width is at most 10") as caught:
        ingest({**SMALL, "on_fail": "stop"})
    assert "rows.csv" in caught.value.where


@pytest.mark.parametrize(
    "rule",
    [
        {"use": "monotonic", "column": "width"},
        {"use": "monotonic", "column": "width", "by": ["k"], "strict": True},
        {"use": "unique", "columns": ["width", "k"]},
    ],
)
def test_rules_that_see_rows_together_see_them_in_the_order_of_a_large_file(stages, ingest, rule):
    count = 400_000  # more than Polars streams at once
    number = pl.int_range(count, dtype=pl.Int64)
    frame = pl.select(id=number + 1, width=number - pl.when(number * 7919 % 1009 < 300).then(49).otherwise(0), k=number % 7)
    artifact = ingest(rule, SMALL | {"max": 10**9}, rows=frame.write_csv())
    right = ~frame.select(build("check", rule).violations()).to_series()
    assert 1_000 < right.sum() < count - 1_000
    assert stages.rows(artifact).equals(frame.filter(right))
    assert quarantined(stages)["__row__"].to_list() == frame.filter(~right)["id"].to_list()


def test_a_rule_that_can_not_be_applied_to_the_types_that_there_are_is_refused_with_them(ingest):
    with pytest.raises(DataError, match="can not be applied") as caught:
        ingest({"use": "in_set", "column": "width", "values": ["small"]})
    assert "rows.csv, the rule: width is one of small" in caught.value.where
    assert caught.value.found == "width is Int64"
    with pytest.raises(DataError, match="must be true or false"):
        ingest({"use": "expression", "where": "width + 1"})


@pytest.mark.parametrize("rows", ["id,width\n1,\n2,\n", "id,width\n"])
def test_a_column_without_any_value_keeps_every_rule_that_lets_missing_values_pass(stages, ingest, rows):
    artifact = ingest(
        SMALL, {"use": "monotonic", "column": "width"}, {"use": "in_set", "column": "width", "values": [1]}, rows=rows
    )
    assert artifact.rows == rows.count("\n") - 1
    assert stages.rows(artifact).schema["width"] == pl.String
    assert artifact.data()["columns"][1] == ["width", "Null"]
    if artifact.rows:
        assert ingest(SMALL, NOT_NULL, rows=rows).rows == 0


def test_a_type_that_was_guessed_wrong_is_learned_before_a_rule_is_found_not_to_fit(ingest):
    rows = "id,width\n" + "".join(f"{number},\n" for number in range(1_200)) + "1200,50\n"
    assert ingest(SMALL, rows=rows).data()["reasons"][0]["first"] == 1_201


def test_equal_rows_are_equal_results_wherever_they_came_from(ingest):
    assert ingest(NOT_NULL).digest == ingest(NOT_NULL, name="other.csv").digest


def test_a_type_that_was_guessed_wrong_is_learned_from_all_rows(stages, ingest):
    rows = "id,width\n" + "".join(f"{number},{number}\n" for number in range(1_200)) + "1200,much\n"
    assert stages.rows(ingest(rows=rows)).schema["width"] == pl.String


def test_a_row_that_is_cut_short_is_set_aside_with_its_line_and_its_text(stages, ingest):
    artifact = ingest(SMALL, rows="id,width\n1,5\n2\n3,70\n4,7\n")
    assert stages.rows(artifact)["id"].to_list() == [1, 4]
    short, large = quarantined(stages).sort("__row__").to_dicts()
    assert (short["__row__"], short["__raw__"], short["id"]) == (2, "2", None)
    assert "line 3: 1 field, expected 2" in short["__check__"]
    assert (large["__row__"], large["__check__"], large["__raw__"], large["width"]) == (3, "width is at most 10", None, 70)
    assert artifact.data()["rows_in"] == 4


def test_a_column_without_any_value_has_no_type(ingest):
    assert ingest(rows="id,note\n1,\n2,\n").data()["columns"] == [["id", "Int64"], ["note", "Null"]]


WHOLE = [["id", "Int64"], ["width", "Int64"]]


def test_rows_whose_values_do_not_fit_the_datasets_types_are_set_aside(stages, ingest):
    artifact = ingest(SMALL, rows="id,width\n1,5\n2,much\n3,50\n", held=["id", "width"], fit=WHOLE)
    assert stages.rows(artifact).to_dict(as_series=False) == {"id": [1], "width": [5]}
    assert quarantined(stages).select("__row__", "width", "__check__").rows() == [
        (2, "much", "width is Int64"),
        (3, "50", "width is at most 10"),
    ]


def test_rows_with_other_columns_than_the_dataset_are_all_set_aside(ingest):
    artifact = ingest(rows="id,size\n1,5\n2,6\n", fit=WHOLE)
    assert artifact.rows == 0
    assert artifact.data()["reasons"][0] == {
        "check": "the column 'width' is missing",
        "rows": 2,
        "first": 1,
        "on_fail": "quarantine",
    }


def test_a_rule_about_a_column_that_only_these_rows_lack_takes_it_for_empty(stages, ingest):
    artifact = ingest(NOT_NULL, rows="id\n1\n2\n", held=["id", "width"])
    assert (artifact.rows, artifact.data()["reasons"][0]["rows"]) == (0, 2)
    assert stages.rows(artifact).columns == ["id"]


def test_a_rule_about_a_column_that_is_not_there_is_refused_with_the_nearest_one(ingest):
    with pytest.raises(DataError) as caught:
        ingest({"use": "not_null", "columns": ["widht"]})
    assert caught.value.hint == "did you mean 'width'?"
