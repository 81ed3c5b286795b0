from __future__ import annotations

import ast
import pickle
from pathlib import Path

import pytest

from engine import errors
from engine.errors import (
    ConfigError,
    ConflictError,
    Corrupt,
    DataError,
    HostError,
    Interrupted,
    LevadaError,
    MissingColumn,
    NotInstalled,
    UnknownName,
    Unsuitable,
    nearest,
    unknown,
)

EXIT_CODES = {
    LevadaError: 1,
    ConfigError: 2,
    UnknownName: 2,
    Unsuitable: 2,
    NotInstalled: 2,
    DataError: 3,
    Corrupt: 3,
    MissingColumn: 3,
    HostError: 4,
    ConflictError: 5,
    Interrupted: 130,
}


def test_each_kind_of_error_has_its_exit_code():
    defined = {
        kind: kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, LevadaError)
    }
    assert defined == EXIT_CODES


def test_the_errors_import_nothing_of_the_engine():
    tree = ast.parse(Path(errors.__file__).read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported == {"collections.abc", "difflib"}


def test_a_message_says_what_where_expected_found_and_try_in_this_order():
    error = ConfigError("the mode is wrong", where="a.yaml:3, mode", expected="append", found="apend", hint="write append")
    assert str(error).splitlines() == [
        "the mode is wrong",
        "  where     a.yaml:3, mode",
        "  expected  append",
        "  found     apend",
        "  try       write append",
    ]


def test_a_message_leaves_out_what_is_not_known():
    assert str(DataError("no rows", found="0 rows")) == "no rows\n  found     0 rows"


@pytest.mark.parametrize("kind", EXIT_CODES, ids=lambda kind: kind.__name__)
def test_an_error_crosses_to_another_process_unchanged(kind):
    error = kind("what", where="w", expected="e", found="f", hint="h")
    error.where = "found later"
    arrived = pickle.loads(pickle.dumps(error))
    assert (type(arrived), str(arrived), arrived.args) == (kind, str(error), error.args)


@pytest.mark.parametrize(
    ("word", "known", "found"),
    [
        ("rigde", ["ridge", "lasso"], "ridge"),
        ("RIDGE", ["ridge", "lasso"], "ridge"),
        ("onehot", ["one_hot", "ordinal"], "one_hot"),
        ("sklearn.kmeans", ["sklearn.KMeans"], "sklearn.KMeans"),
        ("xyz", ["ridge", "lasso"], ""),
        ("ridge", [], ""),
    ],
)
def test_the_nearest_word_is_the_one_that_looks_most_alike(word, known, found):
    assert nearest(word, known) == found


def test_an_unknown_word_gets_the_nearest_one_and_at_most_twelve_others():
    error = unknown("model", "rigde", ["ridge", *(f"model_{number:02}" for number in range(20))], where="model.use")
    assert error.what == "unknown model 'rigde'"
    assert (error.where, error.hint) == ("model.use", "did you mean 'ridge'?")
    assert error.expected == "one of " + ", ".join(f"model_{number:02}" for number in range(12)) + " …"


def test_an_unknown_word_among_none_has_neither_list_nor_hint():
    assert str(unknown("dataset", "x", [])) == "unknown dataset 'x'"
