"""Everything that can go wrong, as one tree. Imports nothing.

    LevadaError                 exit code
    ├── ConfigError                  2      the YAML or the command line is wrong; nothing was read
    │   ├── UnknownName              2      a word that nobody knows, with the nearest right one
    │   └── Unsuitable               2      a model for another task; a sweep leaves such a trial out
    │       └── NotInstalled         2      a part whose library is not there; so does it with such a one
    ├── DataError                    3      the data is not what it was said to be
    │   ├── MissingColumn            3      a column is not there; found before reading, it is a ConfigError
    │   └── Corrupt                  3      a file of the store is not what was written
    ├── HostError                    4      the machine: disk, memory, network, a worker that died
    ├── ConflictError                5      somebody else got there first
    └── Interrupted            130 / 143    Ctrl-C / SIGTERM

A message answers, in this order: what happened, where, what was expected, what was found, what to try.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class LevadaError(Exception):
    """An error for people: what, where, expected, found, and what to try.

    ``where`` is a place a reader can open: ``conf/pipeline/flights.yaml:12, datasets.flights.mode``.
    Pickles, so that it crosses from a worker to the coordinator unchanged.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", expected: str = "", found: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what, self.where, self.expected, self.found, self.hint = what, where, expected, found, hint

    def __reduce__(self) -> tuple[object, ...]:
        details = {"where": self.where, "expected": self.expected, "found": self.found, "hint": self.hint}
        return _rebuild, (type(self), self.what, details)

    def __str__(self) -> str:
        details = {"where": self.where, "expected": self.expected, "found": self.found, "try": self.hint}
        lines = [f"  {name:<9} {text}" for name, text in details.items() if text]
        return "\n".join([self.what, *lines])


def _rebuild(kind: type[LevadaError], what: str, details: dict[str, str]) -> LevadaError:
    return kind(what, **details)


class ConfigError(LevadaError):
    """The YAML, an override or a plugin's parameters are wrong. Raised before any data is read."""

    exit_code = 2


class UnknownName(ConfigError):
    """A name that is not known; ``hint`` is the nearest known one."""


class Unsuitable(ConfigError):
    """A part that is right in itself and not for this problem, such as a regressor where classes are asked for."""


class NotInstalled(Unsuitable):
    """A part that needs a library which is not installed; ``hint`` is the command that installs it."""


class DataError(LevadaError):
    """The data is not what the pipeline says it is. Never retried: the same bytes fail again."""

    exit_code = 3


class MissingColumn(DataError):
    """A column that a step names is not there; ``hint`` is the nearest one that is."""


class Corrupt(DataError):
    """A file of the store does not have the digest that its record names."""


class HostError(LevadaError):
    """The machine failed, not the data: disk full, no memory, no network. Retried with back-off."""

    exit_code = 4


class ConflictError(LevadaError):
    """Somebody else changed the same thing first."""

    exit_code = 5


class Interrupted(LevadaError):
    """The person or the system asked to stop; what was committed stays."""

    exit_code = 130


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word that looks most like ``word``, or an empty string when none does."""
    names = {name.lower(): name for name in known}
    found = get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    return names[found[0]] if found else ""


def unknown(what: str, word: str, known: Iterable[str], *, where: str = "") -> UnknownName:
    """Make the error for a word that is not among ``known``, with the nearest right word as its hint."""
    names = sorted(known)
    near = nearest(word, names)
    few = ", ".join(names[:12]) + (" …" if len(names) > 12 else "")
    return UnknownName(
        f"unknown {what} '{word}'",
        where=where,
        expected=f"one of {few}" if names else "",
        hint=f"did you mean '{near}'?" if near else "",
    )
