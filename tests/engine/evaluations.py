"""What a summary holds of evaluations, for tests of reports: small, and complete."""

from __future__ import annotations

CURVES = {
    "classes": ["false", "true"],
    "confusion": [[50, 3], [4, 20]],
    "roc": [{"class": "true", "fpr": [0, 0.2, 1], "tpr": [0, 0.7, 1]}],
    "pr": [{"class": "true", "recall": [1, 0.5, 0], "precision": [0.2, 0.6, None]}],
    "calibration": [
        {
            "class": "true",
            "error": 0.1,
            "brier": 0.2,
            "bins": [
                {"mean": 0.1, "share": 0.2, "low": 0.1, "high": 0.4, "rows": 9, "from": 0, "to": 0.2},
                {"mean": 0.7, "share": 0.6, "low": 0.4, "high": 0.8, "rows": 9, "from": 0.3, "to": 1},
            ],
        }
    ],
    "thresholds": {
        "class": "true",
        "rating": "probability",
        "used": 0.5,
        "at": [0.1, 0.9],
        "precision": [0.3, None],
        "recall": [1, 0],
        "f1": [0.4, 0],
        "positive": [1, 0],
        "cost": [2, 1.5],
    },
}
EVALUATIONS = {
    "classification": {"test": CURVES, "validation": CURVES},
    "regression": {
        "test": {
            "residuals": {"edges": [-1, 0, 1], "counts": [4, 6]},
            "scatter": {"truth": [1, 2, None], "prediction": [1.5, float("inf"), 3]},
            "along": [{"prediction": 2, "mean": 0.5, "low": -1, "high": 2, "rows": 3}],
            "off_by": [[0.5, 0.4], [0.9, None]],
        }
    },
    "clustering": {
        "test": {
            "clusters": [
                {"cluster": -1, "rows": 2, "labels": {}},
                {"cluster": 0, "rows": 3, "labels": {"Adelie": 2, "Gentoo": 1}},
            ],
            "projection": {"x": [0, 1, 2], "y": [1, 0, 2], "cluster": [-1, 0, 0], "label": ["Adelie", None, "Gentoo"]},
        }
    },
}
FIGURES = {
    "classification": {"roc", "pr", "calibration", "thresholds", "costs", "importance", "learning"},
    "regression": {"residuals", "scatter", "along", "importance", "learning"},
    "clustering": {"clusters", "labels", "importance", "learning"},
}
STABILITY = {
    "refits": 5,
    "adjusted_rand": 0.8,
    "range": [0.7, 0.9],
    "clusters": [2, 3],
    "jaccard": [{"cluster": -1, "mean": None}, {"cluster": 0, "mean": 0.5}],
}


def slices(name):
    """Return slices, one of which can not be compared; ``name`` changes every word that data may choose."""
    return {
        "test": {
            "whole": 0.73,
            "compared": 1,
            "worst": 1,
            "slices": [
                {"column": name("dest"), "slice": name("LAX"), "kind": "value", "rows": 9, "value": 0.5, "differs": None},
                {
                    "column": name("dest"),
                    "slice": name("missing"),
                    "kind": "missing",
                    "rows": 90,
                    "value": 0.61,
                    "interval": [0.5, 0.7],
                    "others": 0.75,
                    "difference": -0.14,
                    "difference_interval": [-0.2, -0.1],
                    "differs": True,
                },
            ],
        }
    }
