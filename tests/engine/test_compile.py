from __future__ import annotations

import copy
import json
import pickle

import pytest

from engine import digest
from engine.compile import Content, Part, compile_pipeline, ranking_part, roles_of
from engine.config.specify import specify
from engine.plugin import Roles
from engine.stores.artifacts import Artifact
from engine.stores.commit import StoredFile

RAW = {
    "name": "shapes",
    "problem": {"task": "classification", "target": "kind", "metric": "accuracy"},
    "datasets": {
        "shapes": {
            "extract": {"use": "csv", "path": "shapes-*.csv"},
            "key": ["id"],
            "time": "when",
            "expect": [{"use": "not_null", "columns": ["kind"]}],
            "prepare": [{"use": "drop", "columns": ["note"]}],
        },
        "colours": {
            "extract": {"use": "csv", "path": "colours.csv"},
            "prepare": [{"use": "rename", "columns": {"c": "colour"}}],
        },
        "unused": {"extract": {"use": "csv", "path": "unused.csv"}},
    },
    "view": {
        "from": "shapes",
        "join": [{"with": "colours", "on": ["colour"]}],
        "features": [{"use": "derive", "area": "a * b"}],
    },
    "encode": [{"use": "impute"}, {"use": "one_hot"}, {"use": "standardize"}],
    "splitter": {"use": "random"},
    "model": {"use": "sklearn.GaussianNB"},
}


COLUMNS = (("id", "Int64"), ("kind", "String"))


def part(name, content="as it is"):
    """Return a partition that was ingested; equal contents are equal digests."""
    return Part(f"/{name}.csv", Artifact("null", StoredFile("raw/x.parquet", digest.of_text(content), 1), 1))


def content(name, count):
    return Content(tuple(part(f"{name}-{number}") for number in range(count)), COLUMNS)


def compiled(change=None, *, shapes=3, final=True):
    """Return the pipeline compiled, after ``change`` was made to its raw specification."""
    raw = copy.deepcopy(RAW)
    if change is not None:
        change(raw)
    contents = {"shapes": content("shapes", shapes), "colours": content("colours", 1)}
    return compile_pipeline(specify(raw), contents, final=final)


def counts(result):
    return {label: len(tasks) for label, tasks in result.graph.stages().items()}


def changed_stages(change):
    """Return the labels of tasks whose keys are others after a change, and of those whose keys are as they were."""
    before, after = set(compiled().graph), compiled(change).graph
    new = {task.label for key, task in after.items() if key not in before}
    return new, {task.label for key, task in after.items() if key in before}


def test_there_is_a_task_for_each_partition_and_stage():
    assert counts(compiled()) == {
        "shapes.ingest": 3,
        "colours.ingest": 1,
        "colours.prepare": 1,
        "shapes.features": 3,
        "view.segregate": 1,
        "view.assign": 3,
        "view.sketch": 4,
        "view.judge": 1,
        "encode.1_impute": 4,
        "encode.2_one_hot": 4,
        "encode.3_standardize": 4,
        "encode.apply": 3,
        "model.estimate": 1,
        "model.evaluate": 2,
        "model.importance": 1,
    }


def test_a_dataset_that_no_view_uses_has_no_tasks():
    assert not any(label.startswith("unused") for label in counts(compiled()))


def test_equal_specifications_give_equal_graphs():
    assert compiled().graph == compiled().graph


def test_a_compiled_pipeline_crosses_to_another_process():
    result = compiled()
    assert pickle.loads(pickle.dumps(result.graph)) == result.graph


def test_parameters_are_canonical_json():
    for task in compiled().graph.values():
        assert json.dumps(json.loads(task.params), sort_keys=True, separators=(",", ":"), ensure_ascii=False) == task.params


def test_partitions_of_equal_contents_are_still_two():
    result = compiled(shapes=2)
    assert len(set(result.ingest["shapes"])) == len(result.graph.stages()["shapes.features"]) == 2


def test_what_is_not_ingested_yet_has_a_task_of_its_own():
    contents = {"shapes": Content((part("shapes-0"), Part("/shapes-1.csv", None)), COLUMNS), "colours": content("colours", 1)}
    before = compile_pipeline(specify(RAW), contents)
    assert len(before.graph.stages()["shapes.ingest"]) == 2
    assert compiled(shapes=2).ingest["shapes"][1] != before.ingest["shapes"][1]


def test_a_column_more_makes_every_partition_anew():
    contents = {"shapes": Content(content("shapes", 3).parts, (*COLUMNS, ("new", "Int64"))), "colours": content("colours", 1)}
    wider = compile_pipeline(specify(RAW), contents)
    assert wider.ingest == compiled().ingest
    assert not {*wider.view} & {*compiled().view}


def test_nothing_is_learned_before_a_strict_splitter_has_admitted_the_parts():
    def strict(raw):
        raw["splitter"]["strict"] = True

    new, same = changed_stages(strict)
    assert {"view.segregate", "view.assign", "view.sketch", "view.judge"} <= same
    result = compiled(strict)
    admitted = {task.key for task in result.graph.stages()["view.admit"]}
    assert set(result.parts) < admitted
    assert all(set(result.parts) & set(task.inputs) for task in result.graph.stages()["encode.apply"])
    assert "model.estimate" in new


@pytest.mark.parametrize("name", ["executor", "store", "keep_going", "name", "goal"])
def test_where_and_how_a_pipeline_runs_is_no_part_of_its_keys(name):
    def change(raw):
        if name == "goal":
            raw["problem"]["goal"] = 0.9
        else:
            raw[name] = {"executor": {"workers": 1}, "store": {"root": "x"}, "keep_going": False, "name": "other"}[name]

    assert changed_stages(change)[0] == set()


def test_pipelines_share_the_work_of_equal_datasets():
    def other_view(raw):
        raw["view"] = {"from": "shapes", "features": [{"use": "keep", "columns": ["kind"]}]}
        raw["datasets"]["shapes"]["key"] = []

    one, other = compiled(), compiled(other_view)
    assert one.ingest["shapes"] == other.ingest["shapes"]
    shared = {task.label for key, task in other.graph.items() if key in one.graph}
    assert shared == {"shapes.ingest"}


@pytest.mark.parametrize(("number", "kept"), [(0, []), (1, ["encode.1_impute"]), (2, ["encode.1_impute", "encode.2_one_hot"])])
def test_changing_a_step_of_the_encoding_leaves_what_is_before_it(number, kept):
    def change(raw):
        raw["encode"][number] |= [{"with": "mean"}, {"max_levels": 3}, {"with_mean": False}][number]

    new, same = changed_stages(change)
    assert {label for label in same if label.startswith("encode")} == set(kept)
    assert {"shapes.ingest", "shapes.features", "view.segregate", "view.assign"} <= same
    assert {"encode.apply", "model.estimate"} <= new


def test_changing_the_model_leaves_everything_before_it():
    new, same = changed_stages(lambda raw: raw["model"].update(var_smoothing=0.5))
    assert new == {"model.estimate", "model.evaluate", "model.importance"}
    assert "encode.apply" in same


def test_changing_a_metric_leaves_the_model():
    for change in ({"metrics": ["f1"]}, {"problem": {**RAW["problem"], "costs": {"a": {"b": 5}}}}):
        new, _ = changed_stages(lambda raw, change=change: raw.update(change))
        assert new == {"model.evaluate"}


def test_slices_are_tasks_of_their_own_after_everything_else():
    new, same = changed_stages(lambda raw: raw.update(slices=["colour"]))
    assert new == {"model.slices"}
    assert same == set(counts(compiled()))
    assert "model.slices" not in counts(compiled(lambda raw: raw.update(slices=["colour"]), final=False))


def test_more_refits_of_a_clustering_leave_those_that_there_were():
    def clustering(raw, refits):
        raw.update(
            problem={"task": "clustering"}, model={"use": "sklearn.KMeans"}, splitter={"use": "random"}, stability=refits
        )

    few, many = (compiled(lambda raw, refits=refits: clustering(raw, refits)) for refits in (2, 5))
    assert set(few.refits) < set(many.refits) == {key for key, task in many.graph.items() if task.label == "model.refit"}
    assert set(few.graph) < set(many.graph)
    assert compiled(lambda raw: clustering(raw, 5), final=False).refits == ()


def test_changing_the_splitter_leaves_the_view():
    new, same = changed_stages(lambda raw: raw["splitter"].update(seed=1))
    assert "shapes.features" in same
    assert "view.segregate" in new


def test_changing_what_is_joined_leaves_the_rows_that_it_is_joined_to():
    new, same = changed_stages(lambda raw: raw["datasets"]["colours"]["prepare"].append({"use": "drop", "columns": ["x"]}))
    assert {"shapes.ingest", "colours.ingest"} <= same
    assert {"colours.prepare", "shapes.features"} <= new


def test_a_new_partition_adds_its_own_ingestion():
    before, after = compiled(), compiled(shapes=4)
    assert after.ingest["shapes"][:3] == before.ingest["shapes"]
    assert len({*after.ingest["shapes"]} - {*before.graph}) == 1


def test_a_partition_whose_rows_are_others_has_another_key():
    contents = {"shapes": content("shapes", 2), "colours": content("colours", 1)}
    changed = Content((contents["shapes"].parts[0], part("shapes-1", "other")), COLUMNS)
    before = compile_pipeline(specify(RAW), contents).ingest["shapes"]
    after = compile_pipeline(specify(RAW), {**contents, "shapes": changed}).ingest["shapes"]
    assert (before[0] == after[0], before[1] == after[1]) == (True, False)


@pytest.mark.parametrize("place", ["prepare", "features"])
def test_a_step_over_the_whole_table_makes_it_one_task(place):
    def change(raw):
        steps = raw["datasets"]["shapes"]["prepare"] if place == "prepare" else raw["view"]["features"]
        steps.append({"use": "deduplicate"})

    found = counts(compiled(change))
    assert (found["shapes.ingest"], found["shapes.features"], found["encode.apply"]) == (3, 1, 1)


def test_steps_in_a_row_and_joins_are_one_task_a_partition():
    task = compiled().graph.stages()["shapes.features"][0]
    steps = json.loads(task.params)["steps"]
    assert [step.get("use", "join") for step in steps] == ["drop", "join", "derive"]


def test_summaries_are_merged_in_a_tree():
    result = compiled(shapes=70)
    tasks = result.graph.stages()["encode.1_impute"]
    merges = [task for task in tasks if task.function == "merge"]
    assert [len(task.inputs) for task in merges] == [32, 32, 6, 3]
    assert [json.loads(task.params)["finish"] for task in merges] == [False, False, False, True]
    assert len({(task.label, task.index) for task in tasks}) == len(tasks)


def test_a_trial_sees_only_the_part_on_which_it_is_ranked():
    trial = compiled(final=False)
    assert (trial.ranking, list(trial.evaluation), trial.importance) == ("validation", ["validation"], None)
    whole = compiled().graph
    assert {task.label for key, task in trial.graph.items() if key not in whole} == {"view.judge"}, "it judges by counts alone"


@pytest.mark.parametrize(
    ("shares", "part", "evaluated"),
    [
        ((0.6, 0.2, 0.2), "validation", ["validation", "test"]),
        ((0.8, 0.0, 0.2), "test", ["test"]),
        ((0.8, 0.2, 0.0), "validation", ["validation"]),
        ((1.0, 0.0, 0.0), "train", ["train"]),
    ],
)
def test_candidates_are_compared_on_the_first_part_that_has_rows(shares, part, evaluated):
    names = ("train", "validation", "test")
    result = compiled(lambda raw: raw["splitter"].update(zip(names, shares, strict=True)))
    assert (ranking_part(result.spec), list(result.evaluation)) == (part, evaluated)


def test_clusters_are_not_explained_by_their_features():
    def change(raw):
        raw["problem"] = {"task": "clustering", "target": "kind"}
        raw["model"] = {"use": "sklearn.KMeans"}

    assert compiled(change).importance is None


def test_roles_are_those_of_the_dataset_that_the_view_starts_from():
    assert roles_of(specify(RAW)) == Roles("classification", "kind", ("id",), "when")


def test_only_joins_of_one_row_to_each_key_are_checked_for_it():
    unique = json.loads(compiled().graph.stages()["colours.prepare"][0].params)["unique"]
    many = compiled(lambda raw: raw["view"]["join"][0].update(many=True))
    assert (unique, json.loads(many.graph.stages()["colours.prepare"][0].params)["unique"]) == (["colour"], [])


def test_the_code_of_every_plugin_counts(user_folder, forget):
    (user_folder / "plugins/transformers").mkdir()
    (user_folder / "plugins/transformers/mine.py").write_text(MINE)
    (user_folder / "plugins/transformers/_helper.py").write_text("X = 1\n")
    forget()
    before = compiled(lambda raw: raw["encode"].insert(1, {"use": "mine"}))
    (user_folder / "plugins/transformers/_helper.py").write_text("X = 2\n")
    forget()
    after = compiled(lambda raw: raw["encode"].insert(1, {"use": "mine"}))
    kept = {task.label for key, task in after.graph.items() if key in before.graph}
    assert {"encode.1_impute", "shapes.features"} <= kept
    assert not {"encode.3_one_hot", "encode.apply", "model.estimate"} & kept


MINE = '''
from engine.plugin import Transformer
from plugins.transformers import _helper


class Mine(Transformer):
    """Leaves rows as they are."""

    def apply(self, frame):
        return frame
'''
