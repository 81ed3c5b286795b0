"""Something about the data that a person should know, and where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from engine.assess.profile import Example

Severity = Literal["error", "warning", "note"]
_ORDER = ("error", "warning", "note")


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about the data that a person should know.

    ``count`` is the number of rows it is about, of ``total``; ``columns`` those it is about; ``detail`` is what a proposal
    needs to know. A ``note`` is no defect; an ``error`` breaks what the pipeline says or makes values mean two things.
    """

    severity: Severity
    kind: str
    columns: tuple[str, ...]
    message: str
    advice: str
    count: int = 0
    total: int = 0
    examples: tuple[Example, ...] = ()
    detail: dict[str, Any] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {**asdict(self), "columns": list(self.columns), "examples": [asdict(one) for one in self.examples]}

    @classmethod
    def of_plain(cls, node: Mapping[str, Any]) -> Finding:
        """Return the finding that ``plain`` wrote."""
        examples = tuple(Example(**one) for one in node["examples"])
        return cls(**{**node, "columns": tuple(node["columns"]), "examples": examples})


def ordered(findings: Sequence[Finding]) -> list[Finding]:
    """Return findings, the severest first, then those that are about most rows."""
    return sorted(findings, key=lambda one: (_ORDER.index(one.severity), -one.count, one.kind, one.columns))
