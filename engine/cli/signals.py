"""Lets SIGTERM end a run just as Ctrl-C does, and sees to it that neither is overslept.

Python answers a signal between two steps of the main thread. That thread may be about to wait for a lock when the signal comes,
or the system may give the signal to another thread: then it would wait on, for as long as a fit takes. A thread that is told of
each signal wakes it.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress

_NUDGE = signal.SIGURG  # which nobody uses: it has no effect but to end a wait
_PAUSES = (0.05, 0.5, 2.0)  # seconds from one nudge to the next: the first may come too soon as well


def answer(signals: list[int]) -> None:
    """Raise ``KeyboardInterrupt`` at SIGTERM too; ``signals`` is told of it, for the exit code.

    It is that error because no library takes it for one of its own and goes on. Outside of the main thread nothing is done:
    then whoever called us sees to signals.
    """

    def stop(number: int, _frame: object) -> None:
        signals.append(number)
        raise KeyboardInterrupt

    with suppress(ValueError):
        signal.signal(signal.SIGTERM, stop)
        _wake_the_main_thread()


def _wake_the_main_thread() -> None:
    before = signal.set_wakeup_fd(-1)
    if before != -1:  # it is seen to already
        signal.set_wakeup_fd(before, warn_on_full_buffer=False)
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.signal(_NUDGE, lambda _number, _frame: None)
    threading.Thread(target=_nudge, args=(reading, threading.get_ident()), daemon=True).start()
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)


def _nudge(reading: int, main: int) -> None:
    """Wake a thread a few times after each signal but the nudge itself."""
    while number := os.read(reading, 1):
        if number[0] != _NUDGE:
            for pause in _PAUSES:
                time.sleep(pause)
                signal.pthread_kill(main, _NUDGE)
