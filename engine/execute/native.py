"""The threads that libraries in C start, those of BLAS and OpenMP: fits side by side share the cores, as with joblib.

Left alone, each of two fits takes all cores. Then there are twice as many threads as cores, and they wait for each other.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@contextmanager
def divided(fits: int) -> Iterator[Callable[[], None]]:
    """Let each of so many fits at once have its share of the cores; yields what each of their threads is to call first.

    A library that was loaded is told so, one that is loaded meanwhile reads it in the environment. Where that says already
    how many threads there are to be, it counts.
    """
    cores = os.cpu_count() or 1
    if fits < 2 or any(name in os.environ for name in _VARIABLES):
        yield lambda: None
        return
    from threadpoolctl import ThreadpoolController

    share = max(1, cores // fits)
    loaded = ThreadpoolController()
    os.environ.update(dict.fromkeys(_VARIABLES, str(share)))
    try:
        with loaded.limit(limits=share):
            yield lambda: _limit_openmp(share)
    finally:
        for name in _VARIABLES:
            os.environ.pop(name, None)
        before = {library.filepath for library in loaded.lib_controllers}
        for library in ThreadpoolController().lib_controllers:
            if library.filepath not in before:
                library.set_num_threads(cores)


def _limit_openmp(threads: int) -> None:
    """OpenMP counts for each thread that calls it, BLAS for the process."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(threads, user_api="openmp")
