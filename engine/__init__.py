"""Levada: from YAML to an evaluated model.

The names below are all there is to know to use it as a library; each is loaded when it is first asked for, so that
``import engine.plugin`` loads neither Dask nor Hydra.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.config.spec import PipelineSpec
    from engine.errors import LevadaError
    from engine.estimators import Classifier, Clusterer, Regressor
    from engine.graph import Graph, Task
    from engine.notebook import bundle, features, ingest, load, plan, raw, run, segregate, sweep
    from engine.runs import Run
    from engine.segregation import Segregation

__all__ = [
    "Classifier",
    "Clusterer",
    "Graph",
    "LevadaError",
    "PipelineSpec",
    "Regressor",
    "Run",
    "Segregation",
    "Task",
    "bundle",
    "features",
    "ingest",
    "load",
    "plan",
    "raw",
    "run",
    "segregate",
    "sweep",
]

_HOMES = {
    "Classifier": "engine.estimators",
    "Clusterer": "engine.estimators",
    "Graph": "engine.graph",
    "LevadaError": "engine.errors",
    "PipelineSpec": "engine.config.spec",
    "Regressor": "engine.estimators",
    "Run": "engine.runs",
    "Segregation": "engine.segregation",
    "Task": "engine.graph",
    "bundle": "engine.notebook",
    "features": "engine.notebook",
    "ingest": "engine.notebook",
    "load": "engine.notebook",
    "plan": "engine.notebook",
    "raw": "engine.notebook",
    "run": "engine.notebook",
    "segregate": "engine.notebook",
    "sweep": "engine.notebook",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'engine' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)
