"""Reports: what a run or a sweep did, as one HTML page that needs no network.

Pure functions of plain data (``summary.py`` is the contract): nothing here knows of stores, graphs or executors.
"""

from engine.report.page import render_run, render_sweep

__all__ = ["render_run", "render_sweep"]
