"""A case of bad input, and what is the same about all of them: words, an exit code, and no traceback."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from engine.cli import run as levada
from tests.cli.project import Project

TRIPS = "conf/pipeline/trips.yaml"


@dataclass(frozen=True)
class Case:
    """Something bad: how the project's files change, what is run, and what the message must say."""

    says: tuple[str, ...]
    arguments: tuple[str, ...] = ("pipeline=trips",)
    changes: tuple[tuple[str, str, str], ...] = ()
    files: tuple[tuple[str, str | bytes], ...] = ()


def bad(
    name: str,
    *says: str,
    run: str | tuple[str, ...] = (),
    change: tuple[str, str] | tuple[str, str, str] | None = None,
    files: dict[str, str | bytes] | None = None,
    whole: bool = False,
):
    """Make a case. ``change`` is of the pipeline's file unless it names another; ``whole``: ``run`` is all arguments."""
    changes = () if change is None else (change if len(change) == 3 else (TRIPS, *change),)
    more = (run,) if isinstance(run, str) else run
    return pytest.param(
        Case(says, more if whole else ("pipeline=trips", *more), changes, tuple((files or {}).items())), id=name
    )


def said(case: Case, code: int, project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """Run a case, compare exit code and message, and return what was printed to standard output."""
    for change in case.changes:
        project.replace(*change)
    for name, content in case.files:
        project.write(name, content)
    monkeypatch.chdir(project.folder)
    ended = levada(case.arguments)
    printed, error = capsys.readouterr()
    assert ended == code, printed + error
    assert error.startswith("error: ")
    assert "Traceback" not in printed + error
    missing = [pattern for pattern in case.says if not re.search(pattern, error, re.MULTILINE)]
    assert not missing, error
    return printed
