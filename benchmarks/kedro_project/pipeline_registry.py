"""The pipeline: months of flights, features, matrix."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from kedro.pipeline import Pipeline, node

from benchmarks.scripts import flights_pandas as by_hand


def register_pipelines() -> dict[str, Pipeline]:
    """Return the pipelines by name, as Kedro asks for them."""
    return {
        "__default__": Pipeline(
            [
                node(months, "flights", "months"),
                node(by_hand.joined, ["months", "weather", "planes"], "features"),
                node(by_hand.matrix, "features", "matrix"),
            ]
        )
    }


def months(flights: Mapping[str, Callable[[], by_hand.Frame]]) -> list[by_hand.Frame]:
    """Load the partitions of the catalog's dataset, one a core, and prepare them."""
    with ThreadPoolExecutor(by_hand.CORES) as pool:
        return list(pool.map(lambda name: by_hand.prepared(flights[name]()), sorted(flights)))
