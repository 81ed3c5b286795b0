"""What a plugin author must read: the kinds of plugins, and what each is asked for.

A plugin is a frozen class whose annotated fields are its YAML parameters. It keeps no state: what it learns is
returned. A field that would be a Python keyword ends in an underscore (``with_`` is ``with`` in YAML). Put the class
into ``plugins/<kind>s/<name>.py`` and it is known under its class name in snake_case: ``OneHot`` is ``one_hot``.

    from engine.plugin import Transformer

    class Ratio(Transformer):
        \"\"\"Divide one column by another.\"\"\"

        over: str
        under: str
        into: str

        def apply(self, frame):
            return frame.with_columns((pl.col(self.over) / pl.col(self.under)).alias(self.into))

Loads Polars and pydantic, and neither Dask, Hydra nor a database driver.
"""

from engine.plugin.base import Finding, Plugin
from engine.plugin.check import Broken, Check, DatasetCheck
from engine.plugin.columns import CHECK, PART, PARTS, RAW, ROW, TARGET, Columns, TaskName, choose, require
from engine.plugin.extractor import ALL, Extractor, Salvaged, Source, SourcePartition, Window
from engine.plugin.matrix import numbers_of
from engine.plugin.model import Costs, FitSummary, Metric, Model
from engine.plugin.splitter import Folds, Roles, Shares, Splitter
from engine.plugin.tracker import RunSummary, Tracker
from engine.plugin.transformer import FittedTransformer, Selector, TimeAware, Transformer

__all__ = [
    "ALL",
    "Broken",
    "CHECK",
    "Check",
    "Columns",
    "Costs",
    "DatasetCheck",
    "Extractor",
    "Finding",
    "FitSummary",
    "FittedTransformer",
    "Folds",
    "Metric",
    "Model",
    "PART",
    "PARTS",
    "Plugin",
    "RAW",
    "ROW",
    "Roles",
    "RunSummary",
    "Salvaged",
    "Selector",
    "Source",
    "Shares",
    "SourcePartition",
    "Splitter",
    "TARGET",
    "TaskName",
    "TimeAware",
    "Tracker",
    "Transformer",
    "Window",
    "choose",
    "numbers_of",
    "require",
]
