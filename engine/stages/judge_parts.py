"""Says what is doubtful about the parts of a view.

In: the segregation, and the sketch of all rows unless only what counting tells is asked for. Out: a plain value, the findings.
"""

from __future__ import annotations

from dataclasses import asdict

from engine.assess.parts import Split, of_counts, ordered
from engine.assess.sides import of_rows
from engine.stages.segregate import roles_of
from engine.stages.work import Work, explained
from engine.stores.artifacts import Artifact


def run(work: Work) -> Artifact:
    """Judge the parts."""
    segregation, *sketches = work.inputs
    counted = segregation.data()
    split = Split(counted["split"], counted["unlabelled"], roles_of(work.params["roles"]), work.params["metric"])
    with explained("cannot judge the parts"):
        found = list(of_counts(split))
        for sketch in sketches:
            looked = sketch.data()
            found += of_rows(split, work.store.scan(sketch).collect(), looked["features"], looked["rows"], looked["watch"])
    return work.store.value({"warnings": [asdict(one) for one in ordered(found)]})
