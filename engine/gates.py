"""Conditions by which a run is promoted: a small language of metrics, read by a grammar and never evaluated as code.

    condition  = comparison {"and" comparison}
    comparison = sum (">=" | ">" | "<=" | "<") sum
    sum        = term {("+" | "-") term}
    term       = number | metric | alias.metric

In: ``roc_auc >= champion.roc_auc + 0.002``, and the metrics of the run and of those that aliases mean. Out: whether it holds.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass

Metrics = Mapping[str, float | None]

_NAME = r"[A-Za-z_]\w*"
_TERM = re.compile(rf"\s*(?:(?P<number>\d+(?:\.\d+)?(?:e[+-]?\d+)?)|(?:(?P<alias>{_NAME})\.)?(?P<metric>{_NAME}))\s*")
_SIGN = re.compile(r"[+-]")
_COMPARED = re.compile(r">=|<=|>|<")
_OPERATORS = {">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt}
_SLACK = 1e-12  # relative: 0.7 + 0.002 is not 0.702 in binary


class Unmeasured(Exception):
    """A number that a condition names and that is not there."""


@dataclass(frozen=True, slots=True)
class _Term:
    sign: int
    number: float | None
    alias: str | None
    metric: str | None

    def value(self, own: Metrics, others: Mapping[str, Metrics]) -> float:
        if self.number is not None:
            return self.sign * self.number
        found = (own if self.alias is None else others[self.alias]).get(self.metric or "")
        if found is None:
            raise Unmeasured(f"{self.alias}.{self.metric}" if self.alias else f"{self.metric}")
        return self.sign * found


@dataclass(frozen=True, slots=True)
class _Comparison:
    left: tuple[_Term, ...]
    sign: str
    right: tuple[_Term, ...]

    def holds(self, own: Metrics, others: Mapping[str, Metrics]) -> bool:
        left, right = (sum(term.value(own, others) for term in side) for side in (self.left, self.right))
        if abs(left - right) <= _SLACK * max(1.0, abs(left), abs(right)):
            return "=" in self.sign
        return bool(_OPERATORS[self.sign](left, right))


@dataclass(frozen=True, slots=True)
class Gate:
    """A condition that was read."""

    text: str
    comparisons: tuple[_Comparison, ...]

    @property
    def aliases(self) -> dict[str, set[str]]:
        """The aliases that it speaks of, each with the metrics that it is asked for."""
        found: dict[str, set[str]] = {}
        for term in (term for one in self.comparisons for term in (*one.left, *one.right)):
            if term.alias is not None and term.metric is not None:
                found.setdefault(term.alias, set()).add(term.metric)
        return found

    def holds(self, own: Metrics, others: Mapping[str, Metrics]) -> bool:
        """Say whether it holds. A comparison with an alias that means nothing yet does: somebody has to be the first.

        Raises ``Unmeasured`` for a metric that was not measured.
        """
        return all(
            one.holds(own, others)
            for one in self.comparisons
            if all(term.alias is None or term.alias in others for term in (*one.left, *one.right))
        )


def parse(text: str) -> Gate:
    """Return the condition that a text is. ``ValueError`` says what is wrong with it."""
    return Gate(text, tuple(_comparison(part) for part in re.split(r"\band\b", text)))


def _comparison(text: str) -> _Comparison:
    signs = _COMPARED.findall(text)
    if len(signs) != 1:
        raise ValueError(f"'{text.strip()}' is no comparison: write one such as roc_auc >= champion.roc_auc + 0.002")
    left, right = _COMPARED.split(text)
    return _Comparison(_sum(left), signs[0], _sum(right))


def _sum(text: str) -> tuple[_Term, ...]:
    terms, at, sign = [], 0, 1
    while True:
        found = _TERM.match(text, at)
        if found is None:
            raise ValueError(f"'{text[at:].strip() or text.strip()}' is neither a number nor a metric, nor alias.metric")
        number = None if found["number"] is None else float(found["number"])
        terms.append(_Term(sign, number, found["alias"], found["metric"]))
        at = found.end()
        if at == len(text):
            return tuple(terms)
        if _SIGN.match(text, at) is None:
            raise ValueError(f"after '{text[:at].strip()}' comes + or -, and not '{text[at:].strip()}'")
        sign, at = (1 if text[at] == "+" else -1), at + 1
