"""`levada pipeline=flights` when nothing has changed, against importing the libraries that it stands on.

The store is filled by a run that is not timed; then the same command runs again and has nothing to do but to compose the
YAML, to look at the files, to find every result remembered, and to write its report. No program that uses these
libraries answers sooner than they are imported, so that is the alternative: `import polars, hydra, dask, sklearn`. The
second line is the help page, against `import hydra`: what a Hydra application needs before it can say anything.
"""

from __future__ import annotations

import tempfile

from benchmarks.timing import LEVADA, PYTHON, Measured, Row, compare, in_turn, run

ROUNDS = 7


def measure() -> list[Row]:
    """Return the lines of the table."""
    with tempfile.TemporaryDirectory(prefix="levada-unchanged-") as folder:
        command = [LEVADA, "pipeline=flights", f"store.root={folder}/store", f"hydra.run.dir={folder}/output"]
        run(command)
        again = in_turn(lambda: run(command), lambda: _imported("polars, hydra, dask, sklearn"), ROUNDS)
    if "nothing had to run" not in again[-1][0].output:
        raise RuntimeError(f"something ran again:\n{again[-1][0].output}")
    help_page = in_turn(lambda: run([LEVADA, "--help"]), lambda: _imported("hydra"), ROUNDS)
    return [
        compare("flights, nothing changed", [(one.seconds, two.seconds) for one, two in again], "s", 3.0),
        compare("the same, seconds of the cores", [(one.core_seconds, two.core_seconds) for one, two in again], "s", None),
        compare("levada --help", [(one.seconds, two.seconds) for one, two in help_page], "s", 1.5),
    ]


def _imported(modules: str) -> Measured:
    return run([PYTHON, "-c", f"import {modules}"])
