"""Functions of the user's own: how they are found, called and told of."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import polars as pl
import pytest
from pydantic import ValidationError

from engine.errors import ConfigError, DataError, HostError
from engine.plugin import Window
from plugins.extractors.python import Python

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Write a file of functions, as a new process would find it."""

    def forget() -> None:
        for name in [name for name in sys.modules if name.startswith("plugins.functions")]:
            del sys.modules[name]

    def made(name: str, code: str) -> Path:
        file = tmp_path / "plugins" / "functions" / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("import polars as pl\n" + dedent(code))
        forget()
        sys.path_importer_cache.clear()
        return file

    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(str(tmp_path))
    made("nothing", "")
    yield made
    forget()


def rows(extractor: Python) -> list[tuple[Any, ...]]:
    (partition,) = extractor.plan().partitions
    return extractor.read(partition).collect(engine="streaming").rows()


PRICES = """
def prices(first, count=2):
    return pl.DataFrame({"id": range(first, first + count)})
"""


def test_a_function_is_called_with_its_arguments(write: Write) -> None:
    write("prices", PRICES)
    assert rows(Python(function="prices", arguments={"first": 5})) == [(5,), (6,)]
    assert Python(function="prices").modules() == {"plugins.functions.prices"}


def test_a_function_may_return_a_lazy_frame(write: Write) -> None:
    write("prices", PRICES.replace("})", "}).lazy()"))
    assert rows(Python(function="prices", arguments={"first": 5})) == [(5,), (6,)]


def test_an_iterator_is_streamed_as_often_as_it_is_asked_for(write: Write) -> None:
    write(
        "prices",
        """
        def prices(frames):
            for number in range(frames):
                yield pl.DataFrame({"id": [number] * 1000, "name": ["x"] * 1000})
        """,
    )
    extractor = Python(function="prices", arguments={"frames": 200})
    frame = extractor.read(extractor.plan().partitions[0])
    assert frame.select(pl.col("id").sum()).collect(engine="streaming").item() == 1000 * sum(range(200))
    assert frame.select(pl.len()).collect().item() == 200_000
    assert frame.select("name").head(3).collect().rows() == [("x",)] * 3


def test_partitions_are_those_that_the_file_tells(write: Write) -> None:
    write(
        "prices",
        """
        def partitions(years):
            return {f"year {year}": str(year % 2) for year in years}

        def prices(years, partition):
            return pl.DataFrame({"of": [partition]})
        """,
    )
    extractor = Python(function="prices", arguments={"years": [2013, 2014]})
    found = extractor.plan().partitions
    assert [partition.name for partition in found] == ["year 2013", "year 2014"]
    assert [partition.unit for partition in found] == ["year 2013", "year 2014"]
    assert [partition.fingerprint[:2] for partition in found] == ["1-", "0-"]
    assert extractor.plan().partitions == found
    assert [extractor.read(partition).collect().item() for partition in found] == ["year 2013", "year 2014"]


def test_the_fingerprint_changes_with_the_arguments_and_the_code_and_always_if_told_so(write: Write) -> None:
    def fingerprint(**parameters: Any) -> str:
        (partition,) = Python(function="prices", **parameters).plan().partitions
        return partition.fingerprint

    write("prices", PRICES)
    five, six = {"arguments": {"first": 5}}, {"arguments": {"first": 6}}
    before = fingerprint(**five)
    assert fingerprint(**five) == before != fingerprint(**six)
    assert fingerprint(**five, always=True) != fingerprint(**five, always=True)
    write("prices", PRICES.replace("count=2", "count=3"))
    assert fingerprint(**five) != before


@pytest.mark.parametrize("name", ["os.path", "../prices", "_prices", "plugins.functions.prices", "", "a" * 65, "prices;"])
def test_text_names_nothing_but_a_file_of_functions(name: str) -> None:
    with pytest.raises(ValidationError, match="a name starts with a letter"):
        Python(function=name)


@pytest.mark.parametrize(
    ("code", "arguments", "message"),
    [
        ("def price(): ...", {}, r"no function 'prices' in its file[\s\S]*price"),
        ("prices = 5", {}, "no function 'prices' in its file"),
        ("from os import getcwd as prices", {}, "no function 'prices' in its file"),
        (PRICES, {}, r"can not be called with these arguments: missing a required argument: 'first'[\s\S]*prices\(first"),
        (PRICES, {"first": 1, "last": 2}, "got an unexpected keyword argument 'last'"),
        (PRICES + "def partitions(first): return {}", {"first": 1}, "unexpected keyword argument 'partition'"),
        ("import nothing_of_the_kind", {}, "imports 'nothing_of_the_kind', which is not installed"),
        ("1 / 0", {}, r"can not be imported: ZeroDivisionError: division by zero[\s\S]*prices\.py:2"),
        ("def prices(:", {}, r"can not be imported: SyntaxError[\s\S]*prices\.py:2"),
    ],
)
def test_a_function_that_can_not_be_called_is_refused_when_planned(
    write: Write, code: str, arguments: dict[str, Any], message: str
) -> None:
    write("prices", code)
    with pytest.raises(ConfigError, match=message):
        Python(function="prices", arguments=arguments).plan()


def test_a_file_that_is_not_there_is_refused_with_the_nearest_that_is(write: Write) -> None:
    write("prices", PRICES)
    with pytest.raises(ConfigError, match=r"no function 'price'[\s\S]*did you mean 'prices'"):
        Python(function="price").plan()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("def prices():\n    return [1, 2]", r"returns something else[\s\S]*prices\.py:2[\s\S]*found     list: \[1, 2\]"),
        ("def prices():\n    return None", r"returns something else"),
        ("def prices():\n    x = 1\n    return x['a']", r"failed: TypeError[\s\S]*prices\.py:4"),
        ("def prices():\n    return int('x')", r"failed: ValueError[\s\S]*prices\.py:3"),
        ("def prices():\n    yield 5", r"a Polars DataFrame as frame 1"),
        ("def prices():\n    return iter([])", "yields no columns"),
        ("def prices():\n    yield pl.DataFrame({'a': [1]})\n    yield 5", "a Polars DataFrame as frame 2"),
        ("def prices():\n    yield pl.DataFrame({'a': [1]})\n    int('x')", r"failed: ValueError[\s\S]*prices\.py:4"),
        (
            "def prices():\n    yield pl.DataFrame({'a': [1]})\n    yield pl.DataFrame({'a': ['x']})",
            r"frame 2 of 'prices' has other columns[\s\S]*a Int64[\s\S]*a String",
        ),
    ],
)
def test_what_a_function_does_wrong_is_told_with_file_and_line(write: Write, code: str, message: str) -> None:
    write("prices", code)
    with pytest.raises(DataError, match=message):
        rows(Python(function="prices"))


@pytest.mark.parametrize("found", ["[1]", "{'a': 1}", "{1: 'a'}", "{}", "1 / 0"])
def test_partitions_that_make_no_sense_are_refused(write: Write, found: str) -> None:
    write("prices", f"def partitions():\n    return {found}\ndef prices(partition): ...")
    with pytest.raises(DataError, match="partitions"):
        Python(function="prices").plan()


def test_an_error_for_people_is_passed_on_as_it_is(write: Write) -> None:
    write("prices", "from engine.errors import HostError\ndef prices():\n    raise HostError('the exchange is closed')")
    with pytest.raises(HostError, match="the exchange is closed"):
        rows(Python(function="prices"))


def test_a_window_of_dates_is_refused(write: Write) -> None:
    write("prices", "def prices(): ...")
    with pytest.raises(ConfigError, match="knows no dates"):
        Python(function="prices").plan(Window(until="2014-01-01"))
