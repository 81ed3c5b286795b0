"""Stops what follows where the parts are doubtful, for a splitter that is strict.

In: the judgement. Out: nothing but that it is all right.
"""

from __future__ import annotations

from engine.errors import DataError
from engine.stages.work import Work
from engine.stores.artifacts import Artifact


def run(work: Work) -> Artifact:
    """Admit parts that nothing worse than an info is told of. Raises ``DataError`` with what else there is."""
    (judgement,) = work.inputs
    doubts = [one for one in judgement.data()["warnings"] if one["severity"] != "info"]
    if doubts:
        told = "; ".join(f"{one['message']} [{one['code']}]" for one in doubts)
        count = "1 warning" if len(doubts) == 1 else f"{len(doubts)} warnings"
        raise DataError(
            f"the parts are doubtful, and the splitter is strict: {count}",
            where="splitter.strict",
            expected="no warnings about the parts",
            found=told,
            hint=f"{doubts[0]['advice']}; splitter.strict=false only tells of it",
        )
    return work.store.value({"admitted": True})
