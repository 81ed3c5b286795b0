"""Estimates a model from the training rows.

In: all encoded partitions; with a ``size``, only so many of the training rows count. Out: the fitted model, as skops; the
value names the features in their order and holds what the model says of its fit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from engine.digest import canonical
from engine.plugin import Model
from engine.stages import limited, rows
from engine.stages.work import Work, explained
from engine.stores import models
from engine.stores.artifacts import Artifact


def run(work: Work) -> Artifact:
    """Fit the model."""
    return limited.run(work, ready)


def ready(work: Work) -> Callable[[], Artifact]:
    """Return what fits the model here, with the rows read."""
    model: Model = work.plugin("model", "model")
    features, target = rows.nested(*rows.of_part(work, work.inputs, "train"), work.params.get("size", 1.0))

    def fit() -> Artifact:
        with explained(f"the model {work.params['model']['use']} can not be fitted"):
            fitted = model.estimate(features, None if model.task == "clustering" else target)

        def write(path: Path) -> None:
            models.dump(fitted, path)

        file = work.store.write(work.place, work.stem, ".skops", write)
        value = {"features": features.columns, "rows": features.height, "fit": asdict(model.summary(fitted))}
        return Artifact(canonical(value), file)

    return fit
