"""A sweep by a plain Hydra app: Polars and scikit-learn, every job prepares anew and fits its model.

    python -m benchmarks.scripts.sweep_hydra -m --config-dir CONF model=NAME,NAME,...

It is run by Hydra's basic launcher, one job after the other in one process. Each prints its name and, as JSON, its metrics on
the validation rows.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import hydra
import polars as pl
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate

from benchmarks.scripts.flights_polars import prepared, small
from benchmarks.scripts.matrix_polars import matrix, scanned
from benchmarks.scripts.scores import scored


@hydra.main(version_base=None, config_path=None, config_name="app")
def main(config: Any) -> float:
    source = Path(config.data) / "nycflights13"
    weather = small(source / "weather.csv.gz").drop("year", "month", "day", "hour").lazy()
    planes = small(source / "planes.csv.gz").lazy()
    features = prepared(scanned(config.data), weather, planes).collect(engine="streaming")
    rows = matrix(features.lazy()).collect(engine="streaming")
    model = instantiate(config.model).fit(*_part(rows, "train"))
    found = scored(model, *_part(rows, "validation"))
    chosen: Any = HydraConfig.get().runtime.choices
    print(json.dumps([chosen["model"], found]), flush=True)
    return found["roc_auc"]


def _part(rows: pl.DataFrame, part: str) -> tuple[Any, Any]:
    own = rows.filter(pl.col("__part__") == part)
    return own.drop("__part__", "__target__").cast(pl.Float64).to_numpy(order="c"), own["__target__"].to_numpy()


if __name__ == "__main__":
    main()
