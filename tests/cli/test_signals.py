"""A signal is answered though the main thread waits for a lock, whichever thread the system gives it to."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

WAIT = """
import os, signal, sys, threading
from engine.cli.signals import answer
number = signal.Signals(int(sys.argv[1]))
told = []
answer(told)
signal.pthread_sigmask(signal.SIG_BLOCK, {number})  # in this thread alone: another one gets it, and this one sleeps on
lock = threading.Lock()
lock.acquire()
try:
    os.kill(os.getpid(), number)
    lock.acquire()
except KeyboardInterrupt:
    print("answered", told)
"""


@pytest.mark.parametrize(("number", "told"), [(signal.SIGTERM, "[15]"), (signal.SIGINT, "[]")])
def test_a_signal_wakes_the_main_thread(number: signal.Signals, told: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", WAIT, str(number.value)], capture_output=True, text=True, timeout=20, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, f"answered {told}\n", "")
