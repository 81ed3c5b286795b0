from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import engine


def test_every_public_name_is_there():
    assert {name: getattr(engine, name).__name__ for name in engine.__all__} == {name: name for name in engine.__all__}


def test_the_public_names_are_those_that_type_checkers_see():
    tree = ast.parse(Path(engine.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    assert sorted(alias.name for node in block.body for alias in node.names) == sorted(engine.__all__)
    assert sorted(engine._HOMES) == sorted(engine.__all__)


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'engine' has no attribute 'rum'"):
        engine.rum  # noqa: B018  looking it up is the act


def test_importing_the_engine_loads_nothing_of_it():
    say = "import sys, engine; print(sorted(name for name in sys.modules if name.startswith('engine')))"
    said = subprocess.run([sys.executable, "-c", say], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "['engine']"
