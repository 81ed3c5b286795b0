"""Each column of a view names the raw columns that must be read for it and the steps that made it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.config.spec import PipelineSpec
from engine.config.specify import specify
from engine.derivation import Derivation, derive
from engine.registry import describe, use_folder
from engine.schemas import columns_of
from engine.stages.transform import apply_steps

TRIPS = pl.DataFrame(
    {
        "id": [1, 2, 3, 4],
        "day": ["2013-01-01", "2013-01-02", "2013-01-03", "2013-01-03"],
        "port": ["a", "b", "a", "c"],
        "load": [5, 10, 15, 20],
        "late": [0.5, 1.5, 2.5, 3.5],
    }
).with_columns(pl.col("day").str.to_date())
PORTS = pl.DataFrame({"port": ["a", "b", "c"], "load": [7, 8, 9], "height": [1.0, 2.0, 3.0]})


def spec_of(
    prepare: Sequence[dict[str, Any]] = (),
    features: Sequence[dict[str, Any]] = (),
    *,
    ports: Sequence[dict[str, Any]] = (),
    many: bool | None = None,
    describe: dict[str, str] | None = None,
) -> PipelineSpec:
    """Return a pipeline over trips; with ``many`` it joins their ports."""
    source = {"use": "parquet", "path": "x.parquet"}
    return specify(
        {
            "name": "trips",
            "problem": {"task": "classification", "target": "late"},
            "datasets": {
                "trips": {"extract": source, "prepare": list(prepare)},
                "ports": {"extract": source, "prepare": list(ports)},
            },
            "view": {
                "from": "trips",
                "join": [] if many is None else [{"with": "ports", "on": ["port"], "many": many}],
                "features": list(features),
                "describe": describe or {},
            },
            "splitter": {"use": "random"},
            "model": {"use": "sklearn.GaussianNB"},
        }
    )


def view_of(spec: PipelineSpec, trips: pl.DataFrame = TRIPS, ports: pl.DataFrame = PORTS) -> pl.DataFrame:
    """Return the rows of the view, as the stage makes them."""
    side = apply_steps(ports.lazy(), list(map(describe, spec.datasets["ports"].prepare)), [])
    steps = [
        *map(describe, spec.datasets["trips"].prepare),
        *({"join": join.model_dump(mode="json", by_alias=True), "side": 0} for join in spec.view.join),
        *map(describe, spec.view.features),
    ]
    return apply_steps(trips.lazy(), steps, [side]).collect()


def derivation(spec: PipelineSpec) -> Derivation:
    raw = {"trips": columns_of(TRIPS.schema), "ports": columns_of(PORTS.schema)}
    used = {"trips": raw["trips"]} | ({"ports": raw["ports"]} if spec.view.join else {})
    return derive(spec, used, view_of(spec).schema)


def told(found: Derivation) -> dict[str, tuple[list[str], list[str]]]:
    """Return, by column, the raw columns and the places of the steps."""
    return {
        one.name: ([f"{dataset}.{column}" for dataset, column in one.raw], [found.steps[number].place for number in one.steps])
        for one in found.columns
    }


def test_a_column_that_no_step_touches_comes_from_itself_and_was_made_by_none():
    found = derivation(spec_of(features=[{"use": "derive", "double": "load * 2"}]))
    assert told(found)["late"] == (["trips.late"], [])
    assert [one.name for one in found.columns] == [*TRIPS.columns, "double"]
    assert (found.row_steps, found.row_columns) == ((), ())


def test_a_derived_column_comes_from_what_its_expression_names_through_all_steps():
    steps = [{"use": "derive", "both": "load + late"}, {"use": "drop", "columns": ["load"]}]
    found = told(derivation(spec_of(steps, [{"use": "derive", "more": "both * id", "none": "1"}])))
    assert found["both"] == (["trips.late", "trips.load"], ["datasets.trips.prepare.0"])
    assert found["more"] == (["trips.id", "trips.late", "trips.load"], ["datasets.trips.prepare.0", "view.features.0"])
    assert found["none"] == ([], ["view.features.0"])
    assert "load" not in found


def test_a_column_that_is_changed_under_its_own_name_was_made_by_that_step():
    found = told(derivation(spec_of([{"use": "cast", "columns": {"load": "Float64"}}, {"use": "derive", "id": "id + 1"}])))
    assert found["load"] == (["trips.load"], ["datasets.trips.prepare.0"])
    assert found["id"] == (["trips.id"], ["datasets.trips.prepare.1"])
    assert found["port"] == (["trips.port"], [])


def test_columns_that_swap_their_names_keep_their_origins():
    found = told(derivation(spec_of([{"use": "rename", "columns": {"load": "id", "id": "load"}}])))
    assert found["id"] == (["trips.load"], ["datasets.trips.prepare.0"])
    assert found["load"] == (["trips.id"], ["datasets.trips.prepare.0"])


def test_a_filter_chooses_rows_and_makes_no_column():
    found = derivation(spec_of([{"use": "filter", "where": "load > 5 AND late < 3"}]))
    assert all(steps == [] for _, steps in told(found).values())
    assert [found.steps[number].place for number in found.row_steps] == ["datasets.trips.prepare.0"]
    assert found.row_columns == (("trips", "late"), ("trips", "load"))


@pytest.mark.parametrize("columns", [{}, {"columns": ["port"]}])
def test_deduplication_chooses_rows_by_the_columns_that_make_them_equal(columns):
    found = derivation(spec_of([{"use": "deduplicate", **columns}]))
    assert all(raw == [f"trips.{name}"] and not steps for name, (raw, steps) in told(found).items())
    assert found.row_columns == tuple(sorted(("trips", name) for name in columns.get("columns", TRIPS.columns)))


def test_a_joined_column_comes_from_its_own_and_from_the_keys_of_both_sides():
    spec = spec_of(ports=[{"use": "derive", "tall": "height > 1"}], many=False)
    found = derivation(spec)
    keys = ["ports.port", "trips.port"]
    assert told(found)["load_ports"] == (sorted(["ports.load", *keys]), ["view.join.0"])
    assert told(found)["tall"] == (sorted(["ports.height", *keys]), ["datasets.ports.prepare.0", "view.join.0"])
    assert told(found)["load"] == (["trips.load"], [])
    assert found.row_steps == ()


def test_a_join_that_may_multiply_rows_chooses_them():
    found = derivation(spec_of(many=True))
    assert [found.steps[number].place for number in found.row_steps] == ["view.join.0"]
    assert set(found.row_columns) == {("ports", "port"), ("trips", "port")}


def test_what_a_side_was_filtered_by_is_behind_every_column_that_comes_from_it():
    found = told(derivation(spec_of(ports=[{"use": "filter", "where": "load > 7"}], many=False)))
    assert found["height"][0] == ["ports.height", "ports.load", "ports.port", "trips.port"]
    assert found["height"][1] == ["datasets.ports.prepare.0", "view.join.0"]


@pytest.mark.parametrize(
    ("step", "made"),
    [
        ({"use": "rolling", "value": "load", "within": "2d"}, ["load_mean_2d"]),
        ({"use": "rolling", "value": "load", "within": "2d", "into": "load"}, ["load"]),
        ({"use": "lag", "value": "load"}, ["load_lag_1"]),
        ({"use": "fill_forward", "columns": ["load"]}, ["load"]),
    ],
)
def test_a_step_that_looks_at_earlier_rows_made_what_it_adds_or_fills_from_value_key_and_time(step, made):
    found = derivation(spec_of([{**step, "on": "day", "by": ["port"]}]))
    assert {name: raw for name, (raw, steps) in told(found).items() if steps} == {
        name: ["trips.day", "trips.load", "trips.port"] for name in made
    }
    assert (found.row_steps, found.row_columns) == ((), ())


OPAQUE = '''
from typing import Literal
import polars as pl
from engine.plugin import Transformer


class Opaque(Transformer):
    """Do what nobody can look into."""

    how: Literal["python", "eager", "by_data"]

    def apply(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        if self.how == "python":
            return frame.map_batches(lambda rows: rows.with_columns(pl.col("load") + pl.col("id")))
        rows = frame.collect()
        return rows.with_columns(**{f"p{one}": pl.lit(one) for one in rows["port"]} if self.how == "by_data" else {}).lazy()
'''


@pytest.mark.parametrize("how", ["python", "eager", "by_data"])
def test_what_a_step_hides_from_polars_counts_as_coming_from_everything(how, user_folder, forget):
    (user_folder / "plugins/transformers").mkdir()
    (user_folder / "plugins/transformers/opaque.py").write_text(OPAQUE)
    forget()
    use_folder(user_folder)
    found = told(derivation(spec_of([{"use": "opaque", "how": how}])))
    assert set(found) == {*TRIPS.columns, *(["pa", "pb", "pc"] if how == "by_data" else [])}
    everything = sorted(f"trips.{name}" for name in TRIPS.columns)
    assert set(map(str, found.values())) == {str((everything, ["datasets.trips.prepare.0"]))}


def test_a_column_has_the_description_that_the_view_gives_it():
    found = derivation(spec_of(describe={"late": "hours after the time that was promised"}))
    assert {one.name: one.description for one in found.columns if one.description} == {
        "late": "hours after the time that was promised"
    }


STEPS = st.sampled_from(
    [
        {"use": "derive", "late": "late * id"},
        {"use": "derive", "load": "coalesce(load, id)", "more": "load + 1"},
        {"use": "rename", "columns": {"late": "load", "load": "late"}},
        {"use": "cast", "columns": {"load": "Float64"}},
        {"use": "filter", "where": "load > 5"},
        {"use": "deduplicate", "columns": ["port"], "keep": "last"},
        {"use": "calendar", "column": "day", "parts": ["weekday"]},
    ]
)


@given(st.lists(STEPS, max_size=3), st.lists(STEPS, max_size=2), st.sampled_from([None, False, True]))
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
def test_a_raw_column_that_is_not_named_may_change_and_the_view_column_stays(prepare, features, many):
    spec = spec_of(prepare, features, many=many, ports=[{"use": "filter", "where": "height < 3"}])
    before, found = view_of(spec), derivation(spec)
    changed = {
        ("trips", "id"): pl.col("id") + 100,
        ("trips", "day"): pl.col("day").dt.offset_by("1d"),
        ("trips", "port"): pl.lit("b"),
        ("trips", "load"): pl.col("load") * -1,
        ("trips", "late"): pl.col("late") + 7,
        ("ports", "load"): pl.col("load") + 1,
        ("ports", "height"): pl.lit(2.5),
    }
    for (dataset, column), value in changed.items():
        trips = TRIPS.with_columns(value.alias(column)) if dataset == "trips" else TRIPS
        ports = PORTS.with_columns(value.alias(column)) if dataset == "ports" else PORTS
        if (dataset, column) in found.row_columns:
            continue
        after = view_of(spec, trips, ports)
        for one in found.columns:
            if (dataset, column) not in one.raw:
                assert after[one.name].equals(before[one.name]), f"{one.name} also comes from {dataset}.{column}"
