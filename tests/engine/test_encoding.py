"""What the engine sees to when steps of the encoding learn: nothing leaks, and what was chosen is said with its reason."""

from __future__ import annotations

import pytest

from engine.errors import DataError
from engine.runs import run_pipeline

NOISE = ('- {use: derive, area: "width * height"}', '- {use: derive, area: "width * height", tag: "concat(\'tag \', id)"}')
IMPUTED = ("  - {use: impute}\n", "")
ENCODED = ("  - {use: one_hot}\n", "  - {use: impute}\n  - {use: target_encode, smooth: 0}\n")
SELECTED = ("  - {use: standardize}\n", "  - {use: select, by: f_test, keep: 4}\n")


def test_a_category_of_one_row_each_is_worth_nothing_to_the_steps_after_it_nor_to_the_model(shapes):
    shapes.pipeline(NOISE, IMPUTED, ENCODED, SELECTED)
    run = shapes.run("model=decision_tree", "splitter.train=0.8", "splitter.validation=0.1", "splitter.test=0.1")
    chosen = {choice["column"]: choice for choice in run.summary["features"]["chosen"]}
    # Were a row's own target in its code, the code would be the target, and F the largest number there is.
    score = float(chosen["tag"]["reason"].split()[1].rstrip(","))
    assert score < 20


def test_a_summary_says_of_each_column_that_a_step_chose_from_whether_it_stayed_and_why(shapes):
    shapes.pipeline(SELECTED)
    run = shapes.run("encode.2.by=variance", "encode.2.keep=2")
    chosen = run.summary["features"]["chosen"]
    assert {choice["step"] for choice in chosen} == {"encode.3_select"}
    kept = [choice["column"] for choice in chosen if choice["kept"]]
    assert sorted(kept) == sorted(run.summary["features"]["used"])
    assert len(kept) == 2 < len(chosen)
    assert all(choice["reason"].startswith("variance ") for choice in chosen)
    assert all(choice["reason"].endswith("and 2 stay") for choice in chosen if not choice["kept"])
    again = shapes.run("encode.2.by=variance", "encode.2.keep=2")
    assert shapes.ran(again) == {}
    assert again.summary["features"] == run.summary["features"]


@pytest.mark.parametrize(
    "by", ["missing_share", "correlation", "l1", "{use: recursive, model: sklearn.DecisionTreeClassifier}"]
)
def test_how_features_are_selected_is_chosen_on_the_command_line(shapes, by):
    shapes.pipeline(SELECTED)
    run = shapes.run(f"encode.2.by={by}", "encode.2.keep=3")
    assert sum(choice["kept"] for choice in run.summary["features"]["chosen"]) == len(run.summary["features"]["used"]) <= 3


def test_known_labels_of_groups_are_hidden_from_what_learns(shapes):
    shapes.pipeline(SELECTED, ("task: classification, target: kind, metric: accuracy", "task: clustering, target: kind"))
    run = run_pipeline(shapes.load("model=k_means", "metrics=[silhouette]"))
    with pytest.raises(DataError, match="the F test needs a target"):
        run.raise_failure()
