"""A gate compares two models on the same rows, wherever both can predict them, and says which rows they were."""

from __future__ import annotations

import polars as pl
import pytest

from engine.config.spec import Store
from engine.deployment import bundle
from tests.conftest import Shapes

GATE = 'promote: {when: "accuracy >= champion.accuracy", on: validation}\n'
SOFT = 'promote: {when: "accuracy >= champion.accuracy - 2", on: validation}\n'


@pytest.fixture
def promoted(shapes: Shapes) -> Shapes:
    """A project with a champion, of the first two files."""
    (shapes.folder / "data/shapes-2.csv").unlink()
    shapes.pipeline(more=GATE)
    assert shapes.run("model=decision_tree").summary["promotion"]["promoted"]
    return shapes


def accuracy_on(shapes: Shapes, run, champion: str) -> tuple[float, int]:
    """Return what a version's predictions of a run's validation rows come to, by way of raw rows and their keys."""
    raw = pl.concat([pl.read_csv(file) for file in sorted((shapes.folder / "data").glob("*.csv"))])
    rows = run.split("validation").rows.collect()
    answers = bundle(Store(), champion).predict(raw)
    known = raw.with_row_index("row", offset=1).join(answers, on="row")
    met = rows.select("id", "kind").join(known.select("id", "prediction"), on="id")
    return (met["kind"] == met["prediction"]).mean(), met.height


def test_with_more_data_the_champion_predicts_the_rows_of_the_candidate(promoted):
    champion = bundle(Store(), "shapes").id
    promoted.write("data/shapes-2.csv", promoted.rows(41, 60))
    run = promoted.run()
    value, count = accuracy_on(promoted, run, champion)
    found = run.summary["promotion"]["compared"]["champion"]
    assert found == {
        "version": champion,
        "metrics": {"accuracy": pytest.approx(value)},
        "rows": f"measured now on the same {count} validation rows",
    }
    assert f"; champion {champion} was measured now on the same {count} validation rows" in run.summary["promotion"]["message"]
    assert run.summary["promotion"]["holds"] == (run.metrics["validation"]["accuracy"] >= value)


def test_a_champion_that_prepares_otherwise_predicts_the_raw_rows_that_they_come_from(promoted):
    champion = bundle(Store(), "shapes").id
    promoted.write("data/shapes-2.csv", promoted.rows(41, 60))
    promoted.pipeline(('"width * height"', '"width + height"'), ("wide]}", "wide, colour]}"), more=GATE)
    run = promoted.run()
    value, count = accuracy_on(promoted, run, champion)
    assert run.summary["promotion"]["compared"]["champion"] == {
        "version": champion,
        "metrics": {"accuracy": pytest.approx(value)},
        "rows": f"measured now on the same {count} validation rows",
    }


def test_rows_that_the_champion_can_not_predict_are_not_compared_and_the_message_says_so(promoted):
    promoted.pipeline(('"width > 5"}', '"width > 5"}\n      - {use: filter, where: "width > 2"}'), more=SOFT)
    narrow = promoted.run().summary["promotion"]
    assert narrow["promoted"]
    promoted.pipeline(more=GATE)
    said = promoted.run("model=gaussian_nb").summary["promotion"]
    assert (
        "measured on the validation rows of its own run, for it can not predict these: its preparation leaves out"
        in said["message"]
    )
    promoted.pipeline(("target: kind, metric: accuracy", "target: colour, metric: accuracy"), more=GATE)
    assert "it answers another question" in promoted.run("model=gaussian_nb").summary["promotion"]["message"]


def test_what_a_version_measured_on_the_same_rows_in_an_earlier_run_is_known(promoted):
    champion, first = bundle(Store(), "shapes").id, promoted.run("model=decision_tree").metrics["validation"]
    assert promoted.run("model=decision_tree").summary["promotion"]["message"] == f"{champion} is champion already"
    found = promoted.run("model=gaussian_nb").summary["promotion"]["compared"]["champion"]
    assert found == {"version": champion, "metrics": first, "rows": "measured on the same validation rows before"}
