from __future__ import annotations

from statistics import fmean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from engine.candidates import Measured, candidates, compared, interval, rank, redrawn, repeats

QUESTION = {"metric": "f1", "greater_is_better": True}


def trial(number, *overrides, value=0.5, status="done", rows=20, learned=80, resamples=()):
    """A trial's entry, and what it was measured on: equal rows for equal divisions."""
    entry = {
        "number": number,
        "overrides": ["pipeline=x", *overrides],
        "status": status,
        "metrics": {"f1": value, "recall": value} if status == "done" else {},
        "intervals": {"f1": [value - 0.1, value + 0.1]} if status == "done" and value is not None else {},
        "seconds": 3.0,
        "fit_seconds": 2.0,
        "predict_seconds": None,
        "model_bytes": 100 + number,
        "error": "no" if status == "failed" else None,
    }
    return entry, Measured(rows, learned, repeats(overrides), lambda: list(resamples))


def chosen(*trials, question=QUESTION):
    entries = [entry for entry, _ in trials]
    measured = {entry["number"]: told for entry, told in trials}
    ranked = candidates(entries, measured, question, {"f1": (0.0, 1.0), "recall": (0.0, 1.0)})
    return ranked, compared(ranked, entries, measured, question["metric"])


def folds(model, first, *values, **options):
    return [
        trial(first + fold, f"model={model}", f"splitter.fold={fold}", value=value, **options)
        for fold, value in enumerate(values)
    ]


def test_trials_that_differ_in_fold_or_seed_are_one_candidate_and_the_luckiest_of_them_is_not_chosen():
    ranked, _ = chosen(*folds("steady", 0, 0.7, 0.71, 0.72), *folds("lucky", 3, 0.9, 0.5, 0.52))
    assert [(one["numbers"], one["number"]) for one in ranked] == [([0, 1, 2], 2), ([3, 4, 5], 5)]
    first = ranked[0]
    assert (first["overrides"], first["own"]) == (["pipeline=x", "model=steady"], ["model=steady"])
    assert (first["metrics"], first["deviation"]) == ({"f1": 0.71, "recall": 0.71}, 0.01)
    assert (first["seconds"], first["fit_seconds"], first["predict_seconds"], first["model_bytes"]) == (9.0, 6.0, None, 102)


def test_no_interval_goes_beyond_what_the_metric_can_be():
    (only,), _ = chosen(*folds("good", 0, 0.9, 0.99, 1.0))
    low, high = only["intervals"]["f1"]
    assert 0 < low < 0.9
    assert high == 1.0


def test_seeds_draw_test_rows_anew_and_folds_do_not():
    assert redrawn(trial(seed, f"splitter.seed={seed}")[0] for seed in range(2))
    assert not redrawn(trial(fold, "splitter.seed=1", f"splitter.fold={fold}")[0] for fold in range(2))


def test_an_override_of_the_splitter_that_is_no_division_makes_another_candidate():
    ranked, _ = chosen(trial(0, "splitter.train=0.5", "splitter.seed=1"), trial(1, "splitter.train=0.6", "splitter.seed=1"))
    assert [one["numbers"] for one in ranked] == [[0], [1]]
    assert ranked[0]["overrides"] == ["pipeline=x", "splitter.train=0.5", "splitter.seed=1"]


def test_a_candidate_of_one_trial_is_that_trial_and_an_equal_trial_is_no_second_measurement():
    given = [trial(number, "model=a", "splitter.seed=1") for number in range(2)]
    ranked, _ = chosen(*given)
    assert ranked == [
        {**entry, "numbers": [entry["number"]], "deviation": None, "own": entry["overrides"]} for entry, _ in given
    ]


def test_of_several_trials_the_one_that_learned_from_most_rows_stands_for_the_candidate():
    """Folds in time learn from the more rows the later they are; what is made of the best should know the newest."""
    grown = [trial(fold, f"splitter.fold={fold}", learned=rows) for fold, rows in enumerate((20, 60, 40))]
    (only,), _ = chosen(*grown)
    assert (only["number"], only["numbers"]) == (1, [0, 1, 2])


def test_a_candidate_that_fails_once_has_failed_and_one_that_was_not_begun_everywhere_is_the_mean_of_the_others():
    failed = [*folds("a", 0, 0.9, 0.9), trial(2, "model=a", "splitter.fold=2", status="failed")]
    shorter = [*folds("b", 3, 0.4, 0.6), trial(5, "model=b", "splitter.fold=2", status="not_begun")]
    ranked, comparison = chosen(*failed, *shorter)
    assert [(one["status"], one["numbers"], one["metrics"].get("f1")) for one in ranked] == [
        ("done", [3, 4, 5], 0.5),
        ("failed", [0, 1, 2], None),
    ]
    assert (ranked[1]["error"], comparison) == ("no", None)


def test_candidates_are_compared_on_the_divisions_that_both_were_measured_on():
    ranked, found = chosen(*folds("a", 0, 0.70, 0.72, 0.74), *folds("b", 3, 0.60, 0.63, 0.63, 0.1))
    differences = [0.10, 0.09, 0.11]
    assert (found["next"], found["divisions"], found["difference"]) == (6, 3, 0.1)
    assert found["interval"] == interval(differences, 0.25)
    assert found["differs"] == (found["interval"][0] > 0)
    assert ranked[0]["metrics"]["f1"] == 0.72


def test_on_one_division_the_resamples_of_the_rows_tell_candidates_apart():
    best = trial(0, "model=a", value=0.6, resamples=[0.60 + 0.001 * n for n in range(200)])
    next_ = trial(1, "model=b", value=0.5, resamples=[0.50 + 0.001 * n for n in range(200)])
    _, found = chosen(best, next_)
    assert (found["divisions"], found["difference"], found["interval"], found["differs"]) == (1, 0.1, [0.1, 0.1], True)


def test_candidates_that_share_no_rows_or_have_no_value_are_not_compared():
    assert chosen(trial(0, "model=a", "splitter.seed=1"), trial(1, "model=b", "splitter.seed=2"))[1] is None
    assert chosen(trial(0, "model=a"), trial(1, "model=b", value=None))[1] is None


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=12), st.floats(0, 1))
def test_an_interval_is_that_of_the_corrected_resampled_t_test(values, share):
    """With a share of 0 it is Student's own interval of a mean, which SciPy knows; with a share it is wider by its root."""
    low, high = interval(values, share)
    k, spread = len(values), stdev(values)
    if spread < 1e-6:
        assert high - low < 1e-3
        return
    student = stats.t.interval(0.95, k - 1, loc=fmean(values), scale=spread / k**0.5)
    wider = (1 + k * share) ** 0.5
    assert low == pytest.approx(fmean(values) - (student[1] - student[0]) / 2 * wider, abs=2e-6, rel=1e-6)
    assert high == pytest.approx(fmean(values) + (student[1] - student[0]) / 2 * wider, abs=2e-6, rel=1e-6)


def entry(number, value):
    return {"number": number, "metrics": {} if value == "none" else {"f1": value}}


@pytest.mark.parametrize(("greater", "order"), [(True, [3, 0, 2, 1, 4]), (False, [0, 2, 3, 1, 4])])
def test_the_best_stands_first_equals_by_number_and_those_without_a_value_last(greater, order):
    entries = [entry(0, 0.5), entry(1, None), entry(2, 0.5), entry(3, 0.9), entry(4, "none")]
    ranked = rank(list(reversed(entries)), {"metric": "f1", "greater_is_better": greater})
    assert [one["number"] for one in ranked] == order
