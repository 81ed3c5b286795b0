"""The command line. ``main`` finds the command; what a command does is in ``commands``, what it prints in ``show``.

Imports nothing heavy by itself: ``levada --help`` answers at once.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress

from engine.cli.signals import answer
from engine.errors import ConfigError, HostError, Interrupted, LevadaError

STARTED = time.perf_counter()
"""When the command began, so that it can say how long it took in all."""

COMMANDS = {
    **dict.fromkeys(("run", "ingest", "plan", "plugins", "schema", "runs", "lineage"), "commands"),
    **dict.fromkeys(("batches", "show", "quarantine", "events"), "batches"),
    "features": "features",
    "split": "split",
    **dict.fromkeys(("predict", "models", "promote"), "models"),
    **dict.fromkeys(("fsck", "gc"), "upkeep"),
    "assess": "assess",
    "watch": "watch",
}
"""The commands, and the module in which each is."""


def main() -> None:
    """Run the command that the arguments name and leave with its exit code. The entry point of ``levada``."""
    code = run(sys.argv[1:])
    with suppress(BrokenPipeError):
        sys.stdout.flush()
        sys.stderr.flush()
    if code in (130, 143):
        os._exit(code)  # threads in the middle of a fit can not be stopped, and all that counts is committed
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run a command and return its exit code. What goes wrong is printed, never raised."""
    signals: list[int] = []  # that asked us to end, besides Ctrl-C
    # OpenMP's threads wait by spinning, which on busy cores makes a fit of seconds one of minutes
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        logging.raiseExceptions = False  # a closed pipe is no reason for a traceback of logging's
        answer(signals)
        return _dispatch(*_split(list(arguments)))
    except SystemExit as ended:  # some of Hydra's own flags, such as --hydra-help, end so
        return ended.code if isinstance(ended.code, int) else 0
    except KeyboardInterrupt:
        error: LevadaError = _interrupted(signals)
    except Interrupted:
        error = _interrupted(signals)
    except LevadaError as raised:
        error = raised
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115  whoever read us has gone; nothing more can be said
        return 0
    except MemoryError:
        error = HostError("not enough memory")
    except Exception as raised:  # what nobody foresaw is said like any other error, without a traceback
        if os.environ.get("LEVADA_TRACEBACK"):
            raise
        error = _unforeseen(raised)
    from engine.cli.show import show_error

    show_error(error)
    return error.exit_code


def _unforeseen(error: Exception) -> LevadaError:
    """Say what nobody foresaw in the form of all other errors."""
    import traceback

    last = traceback.extract_tb(error.__traceback__)[-1]
    where, hint = f"{last.filename}:{last.lineno}", "an error in Levada: LEVADA_TRACEBACK=1 shows where it came from"
    return LevadaError(f"{type(error).__name__}: {error}", where=where, hint=hint)


def _split(arguments: list[str]) -> tuple[str, list[str]]:
    """Return the command and its arguments; what begins with an override or a flag is a run.

    Raises ``ConfigError`` for a command that does not come first.
    """
    late = next((argument for argument in arguments[1:] if argument in COMMANDS), None)
    if late is not None and arguments[0] not in COMMANDS:
        rest = " ".join(argument for argument in arguments if argument != late)
        raise ConfigError(f"the command '{late}' does not come first", hint=f"levada {late} {rest}")
    if arguments and "=" not in arguments[0] and not arguments[0].startswith("-"):
        return arguments[0], arguments[1:]
    return "run", arguments


def _dispatch(command: str, rest: list[str]) -> int:
    if command == "help" or (command in ("run", "help") and rest in (["--help"], ["-h"])):
        from engine.cli.help import show_help

        return show_help()
    if command == "run" and rest == ["--version"]:
        from importlib import metadata

        print(f"levada {metadata.version('levada')}")
        return 0
    if command not in COMMANDS:
        from engine.errors import unknown

        raise unknown("command", command, COMMANDS)
    from importlib import import_module

    found: int = getattr(import_module(f"engine.cli.{COMMANDS[command]}"), command)(rest)
    return found


def _interrupted(signals: list[int]) -> Interrupted:
    hint = "run the same command again: it goes on from here"
    error = Interrupted("terminated" if signals else "interrupted", hint=hint)
    error.exit_code = 143 if signals else 130
    return error
