"""What all kinds of plugins have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from engine.validate import Described


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a person should know of: a stable code, one sentence, and what to do about it."""

    code: str
    message: str
    advice: str


class Plugin(Described):
    """The base of all kinds: frozen, its fields are its parameters, unknown parameters are refused."""

    kind: ClassVar[str]
    revision: ClassVar[int] = 1
    """Of extractors and checks: raised when equal parameters come to mean something else, so that data is read again."""

    def modules(self) -> set[str]:
        """Return modules, besides its own, whose code the plugin runs because of its parameters."""
        return set()
