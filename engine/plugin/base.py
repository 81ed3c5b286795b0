"""What all kinds of plugins have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from engine.validate import Described


@dataclass(frozen=True, slots=True)
class Finding:
    """Something a person should know of: a stable code, one sentence, and what to do about it.

    An ``error`` makes a result mean something else than it says, a ``warning`` may, an ``info`` is no defect. ``numbers`` is
    plain data: what was measured, by name, and what it is about.
    """

    code: str
    message: str
    advice: str
    severity: Literal["info", "warning", "error"] = "warning"
    numbers: Mapping[str, Any] = field(default_factory=dict)


class Plugin(Described):
    """The base of all kinds: frozen, its fields are its parameters, unknown parameters are refused."""

    kind: ClassVar[str]
    revision: ClassVar[int] = 1
    """Of extractors and checks: raised when equal parameters come to mean something else, so that data is read again."""

    def modules(self) -> set[str]:
        """Return modules, besides its own, whose code the plugin runs because of its parameters."""
        return set()
