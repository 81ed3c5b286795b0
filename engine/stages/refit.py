"""Fits a clustering again on some of its rows, to find out whether it comes to the same groups.

In: the fitted model, all encoded partitions. Out: a plain value with the adjusted Rand index of both groupings, and for each
group of the fitted model the Jaccard coefficient of its rows and those of the group most like it.

Rows are drawn without replacement (Ben-Hur, Elisseeff and Guyon, A Stability Based Method for Discovering Structure in
Clustered Data, Pacific Symposium on Biocomputing 7, 2002): to draw a row twice makes a cluster denser than it is. Groups are
followed one by one as in Hennig, Cluster-wise Assessment of Cluster Stability, Computational Statistics and Data Analysis 52,
2007.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from engine.plugin import Model
from engine.stages import limited, rows
from engine.stages.work import Work, explained, split
from engine.stores import models
from engine.stores.artifacts import Artifact

SHARE = 0.8  # of the rows: few enough to differ, many enough to hold small groups
_NOISE = -1


def run(work: Work) -> Artifact:
    """Fit the ``number``-th time, on other rows and with another seed than the times before."""
    return limited.run(work, ready)


def ready(work: Work) -> Callable[[], Artifact]:
    """Return what fits the model again here, with the rows read."""
    model: Model = work.plugin("model", "model")
    number: int = work.params["number"]
    (fitted,), encoded = split(work.inputs, 1)
    features, _ = rows.of_part(work, encoded, "train")
    drawn = np.random.default_rng(number).permutation(features.height)[: max(2, round(SHARE * features.height))]
    drawn.sort()
    again = model.model_copy(update={"random_state": number}) if "random_state" in type(model).model_fields else model

    def fit() -> Artifact:
        with explained(f"the model {work.params['model']['use']} can not be fitted again on {len(drawn):,} rows"):
            before = model.predict(models.load(work.store.path(fitted)), features)["prediction"][drawn]
            after = again.predict(again.estimate(features[drawn], None), features[drawn])["prediction"]
        return work.store.value(compare(before, after))

    return fit


def compare(before: pl.Series, after: pl.Series) -> dict[str, Any]:
    """Return how alike two groupings of the same rows are; rows called noise are one group of the index, and no cluster."""
    from sklearn.metrics import adjusted_rand_score

    counts = pl.DataFrame({"before": before, "after": after}).group_by("before", "after").len("both")
    own, other = (counts.group_by(side).agg(pl.sum("both").alias(f"rows_{side}")) for side in ("before", "after"))
    pairs = counts.join(own, on="before").join(other, on="after").filter(pl.col("before") != _NOISE)
    alike = pl.col("both") / (pl.col("rows_before") + pl.col("rows_after") - pl.col("both"))
    best = pairs.group_by("before").agg(pl.when(pl.col("after") != _NOISE).then(alike).otherwise(0.0).max().alias("alike"))
    return {
        "adjusted_rand": round(float(adjusted_rand_score(before.to_list(), after.to_list())), 6),
        "clusters": after.filter(after != _NOISE).n_unique(),
        "jaccard": {str(cluster): round(value, 6) for cluster, value in best.sort("before").iter_rows()},
    }
