"""What each side of `sweep_peers` measures, under the engine's names: scikit-learn's scorers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sklearn.metrics import check_scoring

METRICS: Mapping[str, str] = {
    "roc_auc": "roc_auc",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced_accuracy",
    "f1": "f1",
    "recall": "recall",
    "average_precision": "average_precision",
    "log_loss": "neg_log_loss",
}


def scored(estimator: Any, features: Any, truth: Any) -> dict[str, float]:
    """Return the metrics of a fitted estimator; it predicts once for all of them."""
    found: Mapping[str, float] = check_scoring(estimator, scoring=METRICS)(estimator, features, truth)
    return {name: abs(float(value)) for name, value in found.items()}
