"""The question of a pipeline and its answer, in words."""

from __future__ import annotations

from dataclasses import dataclass

from engine.report import wording
from engine.report.summary import Question, Run, Sweep


@dataclass(frozen=True, slots=True)
class Answer:
    """``before target after`` is the question, ``lead: verdict`` the answer; ``tone`` is good, bad or plain."""

    before: str
    target: str
    after: str
    lead: str
    verdict: str
    tone: str


def of_run(run: Run) -> Answer:
    """Say what a run found out, or why it did not."""
    if run.question.answer is not None:
        lead, verdict, tone = _found(run.question)
    elif run.status == "failed":
        labels = list(dict.fromkeys(failure.label for failure in run.failures if failure.label))
        where = f" at {', '.join(labels[:3])}{' and others' if len(labels) > 3 else ''}" if labels else ""
        lead, verdict, tone = "There is no answer", f"the run failed{where}", "bad"
    elif run.status == "interrupted":
        lead, verdict, tone = "There is no answer yet", "the run was interrupted; the next one goes on from here", "bad"
    elif run.status == "not_begun":
        lead, verdict, tone = "There is no answer", "the sweep had enough before this trial was measured", "plain"
    else:
        lead, verdict, tone = "The run is done", "nothing was measured", "plain"
    return Answer(*_asked(run.question), lead, verdict, tone)


def of_sweep(sweep: Sweep) -> Answer:
    """Say how good the best trial is, or why there is none."""
    best = next((trial for trial in sweep.candidates if trial.number == sweep.best), None)
    question = sweep.question
    if question.answer is None and best is not None:
        value = best.metrics.get(question.metric)
        interval = best.intervals.get(question.metric)
        found = {"answer": value, "interval": interval, "part": sweep.part, "reached": _reached(question, value)}
        question = question.model_copy(update=found)
    if question.answer is not None:
        lead, verdict, tone = _found(question)
        name = best.model if best else ""
        return Answer(*_asked(question), f"{name}: {lead}" if name else lead, verdict, tone)
    why = "every trial failed" if sweep.trials else "nothing was tried"
    return Answer(*_asked(question), "There is no answer", why, "bad")


def _asked(question: Question) -> tuple[str, str, str]:
    if question.task == "clustering":
        if question.target:
            return "Do the rows group by ", question.target, "?"
        return "Do the rows fall into groups?", "", ""
    if not question.target:
        return "What does the data say?", "", ""
    return "Can ", question.target, " be estimated?" if question.task == "regression" else " be told?"


def _found(question: Question) -> tuple[str, str, str]:
    value = wording.score(question.answer)
    if question.goal is None or question.answer is None:
        verdict, tone = "no goal was set", "plain"
    else:
        reached = _reached(question, question.answer) if question.reached is None else question.reached
        digits = 3
        while not reached and digits < 9 and round(question.answer, digits) == question.goal != question.answer:
            digits += 1  # 0.69996 must not read 0.700, as if a goal of 0.70 were not missed
            value = wording.score(question.answer, digits=digits)
        verdict = f"the goal of {wording.goal(question.goal)} is {'reached' if reached else 'not reached'}"
        tone = "good" if reached else "bad"
    return (
        " ".join(
            filter(
                None,
                [question.metric, value, wording.interval(question.interval), question.part and f"on {question.part} rows"],
            )
        ),
        verdict,
        tone,
    )


def _reached(question: Question, value: float | None) -> bool | None:
    if question.goal is None or value is None:
        return None
    return value >= question.goal if question.greater_is_better else value <= question.goal
