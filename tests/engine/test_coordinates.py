from __future__ import annotations

import pytest

from engine.report import coordinates
from engine.report.ranking import rank
from engine.report.summary import Sweep


def swept(*trials, best, greater=True):
    """A sweep whose trials are overrides and a metric, None where one failed."""
    entries = [
        {"number": number, "overrides": given, "status": "done", "metrics": {"f1": value}}
        if value is not None
        else {"number": number, "overrides": given, "status": "failed"}
        for number, (given, value) in enumerate(trials)
    ]
    question = {"metric": "f1", "greater_is_better": greater}
    return Sweep.model_validate(
        {"id": "1", "pipeline": "flights", "status": "done", "question": question, "candidates": entries, "best": best}
    )


def drawn(sweep):
    return coordinates.draw(sweep, [place.trial for place in rank(sweep).places])


def test_trials_are_lines_over_what_differs_numbers_as_they_spread_and_the_best_on_top():
    picture = drawn(
        swept(
            (["pipeline=x", "+model.C=0.01", "model=tree", "seed=1"], 0.5),
            (["pipeline=x", "+model.C=1", "model=forest", "seed=2"], 0.9),
            (["pipeline=x", "+model.C=100", "model=forest", "seed=3"], 0.7),
            (["pipeline=x", "+model.C=10", "model=svm", "seed=4"], None),
            best=1,
        )
    )
    assert [(axis.name, axis.scale) for axis in picture.axes] == [("model.C", "log"), ("model", ""), ("seed", ""), ("f1", "")]
    assert [label for _, label in picture.axes[1].ticks] == ["forest", "tree", "svm"]
    assert [line.kind for line in picture.lines] == ["failed", "done", "done", "best"]
    assert [len(line.path.split("L")) for line in picture.lines] == [3, 4, 4, 4]
    assert picture.lines[-1].title.startswith("trial 1: f1 0.900\npipeline=x\n")
    heights = {label: height for height, label in picture.axes[-1].ticks}
    assert heights["0.9"] < heights["0.7"] < heights["0.5"]


def test_what_finds_no_place_among_the_coordinates_is_said():
    trials = [([f"model=m{number}", *(f"p{one}={number}" for one in range(9))], number / 40) for number in range(40)]
    picture = drawn(swept(*trials, best=0, greater=False))
    assert [axis.name for axis in picture.axes] == ["model", *(f"p{one}" for one in range(7)), "f1"]
    assert [label for _, label in picture.axes[0].ticks][-2:] == ["m18", "21 others"]
    assert len(picture.notes) == 2
    assert picture.lines[-1].path.endswith(",40.0")  # less is better: the least stands at the top


@pytest.mark.parametrize("trials", [[(["a=1"], 0.5), (["a=1"], 0.5)], [(["a=1"], 0.5), (["a=2"], None)]])
def test_there_are_no_coordinates_where_nothing_can_be_compared(trials):
    assert drawn(swept(*trials, best=0)) is None
