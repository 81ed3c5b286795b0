"""How many threads the libraries in C take within fits, seen from the fits."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from threadpoolctl import threadpool_info

from tests.engine.execute.test_execute import Bench, task

CORES = os.cpu_count() or 1
# A process of its own, because this one has its libraries already, loads scikit-learn within a fit.
LOADS = """
import sys
from pathlib import Path
from threadpoolctl import threadpool_info
from tests.engine.execute.test_execute import Bench, task

bench = Bench(Path(sys.argv[1]))
def estimate(work):
    import sklearn.utils._openmp_helpers
    return bench.store.value(sorted({library["num_threads"] for library in threadpool_info()}))
bench.estimate = estimate
fits = [task("estimate", str(number)) for number in range(int(sys.argv[2]))]
execution = bench.run(*fits)
after = sorted({library["num_threads"] for library in threadpool_info()})
print([execution.artifact(fit.key).data() for fit in fits], after)
"""


@pytest.fixture
def bench(tmp_path, monkeypatch):
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    import sklearn.cluster  # noqa: F401  OpenMP is loaded before, as in a notebook

    bench = Bench(tmp_path)
    bench.estimate = lambda _work: bench.store.value(sorted({library["num_threads"] for library in threadpool_info()}))
    bench.refit = bench.estimate
    yield bench
    bench.catalog.close()


def counts(bench, fits, function="estimate", **options):
    """Return how many threads each library has in each of so many fits."""
    tasks = [task(function, f"{number} of {fits} {options}") for number in range(fits)]
    execution = bench.run(*tasks, **options)
    return [execution.artifact(one.key).data() for one in tasks]


def test_fits_side_by_side_share_the_cores_and_a_fit_alone_has_them_all(bench):
    before = threadpool_info()
    assert {library["user_api"] for library in before} == {"blas", "openmp"}
    assert counts(bench, 1) == [[CORES]]
    assert counts(bench, 5) == [[max(1, CORES // 2)]] * 5
    assert counts(bench, 2, "refit") == [[max(1, CORES // 2)]] * 2
    assert counts(bench, 3, workers=1) == [[CORES]] * 3
    assert threadpool_info() == before


def test_what_the_environment_says_counts(bench, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", str(CORES))
    assert counts(bench, 2) == [[CORES]] * 2


@pytest.mark.parametrize(("fits", "threads"), [(1, CORES), (3, max(1, CORES // 2))])
def test_a_library_that_a_fit_loads_has_its_share_too_and_all_cores_afterwards(tmp_path, fits, threads):
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    call = [sys.executable, "-c", LOADS, str(tmp_path), str(fits)]
    found = subprocess.run(call, env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == f"{[[threads]] * fits} [{CORES}]"
