"""JSON, as lines and as arrays: no value changes, and every row is read or set aside with the reason."""

from __future__ import annotations

import gzip
import json
import string
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from engine.errors import DataError
from engine.plugin import CHECK, RAW, ROW, Extractor, Window
from plugins.extractors._json_rows import MIXED, Decoder, Shape
from plugins.extractors.json import Json
from plugins.extractors.ndjson import Ndjson


def lines(folder: Path, *rows: str, name: str = "rows.jsonl") -> Path:
    file = folder / name
    file.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    return file


def taken(extractor: Extractor, folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return rows and rejected rows of the only partition as the engine comes by them, both with ROW."""
    (partition,) = extractor.plan().partitions
    for thorough in (False, True):
        try:
            rows = extractor.read(partition, thorough=thorough).collect(engine="streaming")
        except pl.exceptions.ComputeError:
            continue
        assert extractor.is_complete(partition, rows.lazy())
        return rows.with_row_index(ROW, 1), pl.DataFrame(schema={ROW: pl.UInt32, CHECK: pl.String, RAW: pl.String})
    salvaged = extractor.salvage(partition, folder)
    assert salvaged is not None
    return salvaged.rows.collect(engine="streaming"), salvaged.rejected.collect(engine="streaming")


def rows_of(folder: Path, *rows: str, **parameters: Any) -> pl.DataFrame:
    """Return the frame of lines none of which is rejected."""
    frame, rejected = taken(Ndjson(path=str(lines(folder, *rows)), **parameters), folder)
    assert rejected.is_empty(), rejected.to_dicts()
    return frame.drop(ROW)


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        (["1", "null", "-7"], pl.Int64, [1, None, -7]),
        ([str(2**53 + 1), str(-(2**63)), str(2**63 - 1)], pl.Int64, [2**53 + 1, -(2**63), 2**63 - 1]),
        (["1", str(2**63)], pl.String, ["1", str(2**63)]),
        (["1", "9" * 400], pl.String, ["1", "9" * 400]),
        (["1", "2.5"], pl.Float64, [1.0, 2.5]),
        ([str(2**53 + 1), "2.5"], pl.String, [str(2**53 + 1), "2.5"]),
        (["0.1", "1e-300", "1.0"], pl.Float64, [0.1, 1e-300, 1.0]),
        (["0.5", "0.10000000000000000001"], pl.String, ["0.5", "0.10000000000000000001"]),
        (["1.5", "1e400"], pl.String, ["1.5", "1E+400"]),
        (["1.5", "1e-400"], pl.String, ["1.5", "1E-400"]),
        (["true", "false", "null"], pl.Boolean, [True, False, None]),
        (["true", "1"], pl.String, ["true", "1"]),
        (["1", '"1"', '"a\\"b"'], pl.String, ["1", '"1"', '"a\\"b"']),
        (['"1"', '"007"', '""'], pl.String, ["1", "007", ""]),
        (['"é"', '"\\u00e9"', '"e\\u0301"', '"\\ud83d\\ude00"'], pl.String, ["é", "é", "e\u0301", "😀"]),
        (['"a\\u0000b"', '"a\\nb"', '"  "'], pl.String, ["a\0b", "a\nb", "  "]),
        (["null", "null"], pl.String, [None, None]),
        (["[]", "[]"], pl.List(pl.String), [[], []]),
        (["[1, 2]", "[]", "null"], pl.List(pl.Int64), [[1, 2], [], None]),
        (["[1, null, 2.5]"], pl.List(pl.Float64), [[1.0, None, 2.5]]),
        (['[1, "a"]', "[null]"], pl.List(pl.String), [["1", '"a"'], [None]]),
        (["[[1], [2, 3]]"], pl.List(pl.List(pl.Int64)), [[[1], [2, 3]]]),
        (["1", '{"a": 1}'], pl.String, ["1", '{"a": 1}']),
        (["[1]", '{"a": [1.50]}'], pl.String, ["[1]", '{"a": [1.5]}']),
        (["{}", "{}"], pl.String, ["{}", "{}"]),
        (['{"a": 1}', "{}", "null"], pl.Struct({"a": pl.Int64}), [{"a": 1}, {"a": None}, None]),
        (
            ['{"a": {"b": [1]}}', '{"a": {"b": ["x"], "c": true}}'],
            pl.Struct({"a": pl.Struct({"b": pl.List(pl.String), "c": pl.Boolean})}),
            [{"a": {"b": ["1"], "c": None}}, {"a": {"b": ['"x"'], "c": True}}],
        ),
        (['"2013-01-01"', '"2013-01-01T05:00:00Z"'], pl.String, ["2013-01-01", "2013-01-01T05:00:00Z"]),
    ],
)
def test_a_value_is_kept_exactly_in_the_narrowest_type_that_holds_all(
    tmp_path: Path, values: list[str], dtype: pl.DataType, expected: list[Any]
) -> None:
    frame = rows_of(tmp_path, *(f'{{"v": {value}}}' for value in values))
    assert frame.schema == {"v": dtype}
    assert frame["v"].to_list() == expected
    array = tmp_path / "array.json"
    array.write_text("[" + ", ".join(f'{{"v": {value}}}' for value in values) + "]", encoding="utf-8")
    again, rejected = taken(Json(path=str(array)), tmp_path)
    assert_frame_equal(again.drop(ROW), frame)
    assert rejected.is_empty()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"a": 1', "not JSON"),
        (b'{"a": 1} {"a": 2}', "not JSON: more text at character 9"),
        (b"{'a': 1}", "not JSON"),
        (b'{"a": 01}', "not JSON"),
        (b'{"a": +1}', "not JSON"),
        (b'{"a": .5}', "not JSON"),
        (b'{"a": 1,}', "not JSON"),
        (b'{"a": "tab\there"}', "not JSON: invalid control character"),
        (b'\xef\xbb\xbf{"a": 1}', "not JSON"),
        (b"// a comment", "not JSON"),
        (b"[1, 2]", "not an object but an array"),
        (b"17", "not an object but a number"),
        (b'"text"', "not an object but a string"),
        (b"null", "not an object but null"),
        (b"true", "not an object but true or false"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": [-Infinity]}', "-Infinity is not JSON"),
        (b'{"a": 1, "b": 2, "a": 3}', 'the key "a" stands twice in one object'),
        (b'{"a": {"b": 1, "b": 1}}', 'the key "b" stands twice in one object'),
        (b'{"a": "\\ud83d"}', "half of a surrogate pair is no text"),
        (b'{"\\udc00": 1}', "half of a surrogate pair is no text"),
        (b'{"a": "\xff"}', "not UTF-8 (byte 0xff)"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "not JSON: nested too deeply"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "not JSON: a number of thousands of digits"),
    ],
)
def test_a_line_that_can_not_be_told_exactly_is_set_aside_as_it_stands(tmp_path: Path, line: bytes, reason: str) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b'{"a": 1}\n\n' + line + b'\n{"a": 3}\n')
    rows, rejected = taken(Ndjson(path=str(file)), tmp_path)
    assert rows.to_dicts() == [{ROW: 1, "a": 1}, {ROW: 3, "a": 3}]
    assert rejected[ROW].to_list() == [2]
    assert rejected[CHECK][0].startswith(f"line 3: {reason}")
    assert rejected[RAW][0] == line.decode(errors="backslashreplace")


def test_keys_become_columns_in_the_order_in_which_they_are_seen_and_are_null_where_missing(tmp_path: Path) -> None:
    frame = rows_of(tmp_path, '{"b": 1, "a": 2}', "{}", '{"c": "x", "b": 3}')
    assert frame.to_dicts() == [{"b": 1, "a": 2, "c": None}, {"b": None, "a": None, "c": None}, {"b": 3, "a": None, "c": "x"}]


def test_types_are_learned_from_every_row_however_late_a_value_comes(tmp_path: Path) -> None:
    many = ['{"v": 1, "n": {"a": 1}}'] * 25_000
    frame = rows_of(tmp_path, *many, '{"v": 1.5, "n": {"a": 2, "late": [true]}, "new": "x"}')
    assert frame.schema == {"v": pl.Float64, "n": pl.Struct({"a": pl.Int64, "late": pl.List(pl.Boolean)}), "new": pl.String}
    assert frame.height == 25_001
    assert frame["v"].sum() == 25_001.5
    assert frame["new"].null_count() == 25_000


def test_a_guess_from_the_first_rows_that_is_wrong_fails_when_collected(tmp_path: Path) -> None:
    extractor = Ndjson(path=str(lines(tmp_path, *['{"v": 1}'] * 1_000, '{"v": "x"}')))
    (partition,) = extractor.plan().partitions
    with pytest.raises(pl.exceptions.ComputeError, match="of another type than was learned"):
        extractor.read(partition).collect()


def test_an_object_with_more_than_a_thousand_keys_is_kept_as_text_and_a_row_is_not(tmp_path: Path) -> None:
    inner = {f"k{number}": number for number in range(1_001)}
    frame = rows_of(tmp_path, json.dumps({"m": inner, **inner}))
    assert json.loads(frame["m"][0]) == inner
    assert frame.width == 1_002


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
def test_byte_order_marks_line_ends_and_gzip_change_nothing(tmp_path: Path, start: bytes, end: bytes, name: str) -> None:
    content = start + end.join([b'{"a": "x"}', b"", b'  {"a": "y"}  ', b'{"a": "z"}'])
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    rows, rejected = taken(Ndjson(path=str(tmp_path / name)), tmp_path)
    assert rows.to_dicts() == [{ROW: 1, "a": "x"}, {ROW: 2, "a": "y"}, {ROW: 3, "a": "z"}]
    assert rejected.is_empty()


def test_declared_types_are_read_from_text_and_a_value_they_do_not_hold_is_set_aside(tmp_path: Path) -> None:
    file = lines(
        tmp_path,
        '{"n": 5.0, "t": "2013-01-01T05:00:00.25+02:00", "s": 1.5, "b": true, "d": "2013-01-31"}',
        '{"n": "7", "t": "2013-01-01 05:00Z", "s": "1.5", "b": "false", "d": null}',
        '{"n": 5.5}',
        '{"n": 128}',
        '{"t": "2013-01-01T25:00:00Z"}',
        '{"t": 1357016400}',
        '{"d": "2013-02-30"}',
        '{"b": 1}',
        '{"f": 1e400}',
        '{"f": 0.10000000000000000001, "s": {"a": [1]}}',
    )
    dtypes = {"n": "Int8", "t": "Datetime[UTC]", "s": "String", "b": "Boolean", "d": "Date", "f": "Float64"}
    rows, rejected = taken(Ndjson(path=str(file), dtypes=dtypes), tmp_path)
    assert rows.select(ROW, "n", "s", "b", "f").rows() == [
        (1, 5, "1.5", True, None),
        (2, 7, "1.5", False, None),
        (10, None, '{"a": [1]}', None, 0.1),
    ]
    assert rows["t"].dt.to_string("%H:%M:%S%.f").to_list() == ["03:00:00.250", "05:00:00", None]
    assert rejected[CHECK].to_list() == [
        "line 3: 5.5 is not Int8 (n)",
        "line 4: 128 is not Int8 (n)",
        'line 5: "2013-01-01T25:00:00Z" is not Datetime[UTC] (t)',
        "line 6: 1357016400 is not Datetime[UTC] (t)",
        'line 7: "2013-02-30" is not Date (d)',
        "line 8: 1 is not Boolean (b)",
        "line 9: 1E+400 is not Float64 (f)",
    ]
    assert rejected[RAW][0] == '{"n": 5.5}'


def test_a_declared_column_that_no_row_has_is_null(tmp_path: Path) -> None:
    assert rows_of(tmp_path, '{"a": 1}', dtypes={"z": "Date"}).schema == {"a": pl.Int64, "z": pl.Date}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"{}\n{}\n", "have no keys"),
        (b'[\n{"a": 1},\n{"a": 2}\n]\n', ""),
        (b"one\ntwo\n", "no line of"),
        ('{"a": 1}\n'.encode("utf-16"), "is UTF-16"),
    ],
)
def test_a_file_without_any_object_is_refused_as_a_whole(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_bytes(content)
    if not message:  # the last element of an array has no comma after it
        assert [len(frame) for frame in taken(Ndjson(path=str(file)), tmp_path)] == [1, 3]
        return
    with pytest.raises(DataError, match=message):
        taken(Ndjson(path=str(file)), tmp_path)


@pytest.mark.parametrize("name", [ROW, CHECK, RAW])
def test_a_key_with_the_name_of_a_column_of_ours_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=name):
        rows_of(tmp_path, json.dumps({name: 1}))


def test_an_empty_file_whose_columns_are_declared_has_no_rows(tmp_path: Path) -> None:
    frame = rows_of(tmp_path, dtypes={"a": "Int64"})
    assert (frame.schema, frame.height) == ({"a": pl.Int64}, 0)


def test_a_plan_chooses_files_by_the_date_in_their_names(tmp_path: Path) -> None:
    for month in (1, 2, 3):
        lines(tmp_path, '{"a": 1}', name=f"rows-2013-0{month}.jsonl")
    for use in (Ndjson, Json):
        extractor = use.model_validate({"path": str(tmp_path / "*.jsonl")})
        found = extractor.plan(Window(since="2013-02-01", until="2013-03-01")).partitions
        assert [Path(partition.name).name for partition in found] == ["rows-2013-02.jsonl"]


@pytest.mark.parametrize("use", [Ndjson, Json])
def test_a_gzip_file_that_is_cut_is_refused_as_a_whole(tmp_path: Path, use: type[Extractor]) -> None:
    whole = gzip.compress(b'{"a": 1}\n' * 10_000)
    (tmp_path / "rows.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="not a whole gzip file"):
        taken(use.model_validate({"path": str(tmp_path / "rows.gz")}), tmp_path)


def test_columns_limits_and_filters_reach_the_reader(tmp_path: Path) -> None:
    extractor = Ndjson(path=str(lines(tmp_path, *(json.dumps({"a": n, "b": -n}) for n in range(30_000)))))
    frame = extractor.read(extractor.plan().partitions[0])
    assert frame.head(20_001).select("b").collect()["b"].to_list()[-1] == -20_000
    assert frame.filter(pl.col("a") % 10_000 == 1).select("b").collect()["b"].to_list() == [-1, -10_001, -20_001]
    assert frame.select(pl.len()).collect().item() == 30_000


# Oracle: Python's json module, with numbers kept as decimals.

texts = st.text(st.characters(codec="utf-8"), max_size=8)
keys = st.text(string.ascii_lowercase, max_size=2)
numbers = st.one_of(st.integers(-(2**70), 2**70), st.integers(-3, 3), st.floats(allow_nan=False, allow_infinity=False))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
    max_leaves=6,
)
documents = st.lists(st.dictionaries(keys, values, min_size=1, max_size=4), min_size=1, max_size=8)


def told(value: Any, learned: Any) -> Any:
    """Return what a value of a frame says, as the oracle would."""
    if value is None or learned == MIXED:
        return None if value is None else json.loads(value, parse_int=Decimal, parse_float=Decimal)
    if isinstance(learned, pl.Struct):
        return {field.name: told(value[field.name], field.dtype) for field in learned.fields}
    if isinstance(learned, pl.List):
        return [told(item, learned.inner) for item in value]
    return Decimal(value) if type(value) is int else value


def same(value: Any, truth: Any) -> bool:
    """Say whether a value is the oracle's; a key that is missing and one that is null are the same."""
    if isinstance(truth, dict) and isinstance(value, dict):
        return all(same(value.get(key), truth.get(key)) for key in {*value, *truth})
    if isinstance(truth, list) and isinstance(value, list):
        return len(truth) == len(value) and all(map(same, value, truth))
    if isinstance(value, float):  # written with as few or as many digits, it is the number again
        return truth in (Decimal(repr(value)), Decimal(f"{value:.{len(truth.as_tuple().digits) - 1}e}"))
    return type(value) is type(truth) and bool(value == truth)


def assert_same_as_oracle(frame: pl.DataFrame, rows: Sequence[str]) -> None:
    learned = Shape.of([Decoder().decode(row)[0] for row in rows], top=True).keys
    assert frame.height == len(rows)
    for got, row in zip(frame.to_dicts(), rows, strict=True):
        truth = json.loads(row, parse_int=Decimal, parse_float=Decimal)
        for key in {*got, *truth}:
            assert same(told(got[key], learned[key].learned()), truth.get(key)), (key, got[key], row)


@given(documents)
def test_every_value_read_is_the_one_that_python_reads(tmp_path_factory: pytest.TempPathFactory, made: list[Any]) -> None:
    rows = [json.dumps(row) for row in made]
    folder = tmp_path_factory.mktemp("rows")
    assert_same_as_oracle(rows_of(folder, *rows), rows)
    (folder / "array.json").write_text(json.dumps({"meta": [1], "data": {"items": made}}), encoding="utf-8")
    frame, rejected = taken(Json(path=str(folder / "array.json"), records="data.items"), folder)
    assert_same_as_oracle(frame.drop(ROW), rows)
    assert rejected.is_empty()


@given(documents, st.data())
def test_a_file_cut_anywhere_loses_no_row_and_changes_none(
    tmp_path_factory: pytest.TempPathFactory, made: list[Any], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    whole = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in made).encode()
    cut = whole[: data.draw(st.integers(2, len(whole)))]
    (folder / "rows.jsonl").write_bytes(cut)
    pieces = [piece for piece in cut.split(b"\n") if piece]
    try:
        rows, rejected = taken(Ndjson(path=str(folder / "rows.jsonl")), folder)
    except DataError:
        assert len(pieces) == 1  # one line, and it is no object
        return
    complete = [json.dumps(row) for row in made][: rows.height]
    assert rows.height + rejected.height == len(pieces)
    assert_same_as_oracle(rows.drop(ROW), complete)
    assert rejected[RAW].to_list() == [piece.decode(errors="backslashreplace").strip(" ") for piece in pieces[rows.height :]]


@given(st.lists(documents, min_size=3, max_size=3))
def test_shapes_merge_in_any_order_and_grouping(made: list[list[Any]]) -> None:
    a, b, c = (Shape.of(part) for part in made)
    assert a.merge(b) == b.merge(a)
    assert a.merge(b).merge(c) == a.merge(b.merge(c))
    assert a.merge(Shape()) == a
    assert a.merge(b) == Shape.of([*made[0], *made[1]])


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(10**40), 10**40))
def test_a_number_is_decoded_with_all_its_digits(number: float, whole: int) -> None:
    assert Decoder().decode(repr(number))[0] == number
    assert Decoder().decode(str(whole))[0] == whole
    value = Decoder().decode(f"{number:.30f}")[0]
    assert same(value, Decimal(f"{number:.30f}"))


# An array in a file.


def test_an_array_is_found_below_its_keys(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text('\ufeff { "n" : 1, "response" : { "items":[ {"a":1} , {"a":2,"a":3}, 7, {"a":NaN} ,{"a":4}] } , "x":{} }\n')
    rows, rejected = taken(Json(path=str(file), records="response.items"), tmp_path)
    assert rows.to_dicts() == [{ROW: 1, "a": 1}, {ROW: 5, "a": 4}]
    assert rejected.rows() == [
        (2, 'element 2: the key "a" stands twice in one object', '{"a":2,"a":3}'),
        (3, "element 3: not an object but a number", "7"),
        (4, "element 4: NaN is not JSON", '{"a":NaN}'),
    ]


@pytest.mark.parametrize(
    ("content", "records", "message"),
    [
        ('{"items": [{"a": 1}]}', "", "holds no array[\\s\\S]*records: items"),
        ('{"items": [{"a": 1}]}', "item", "no key 'item'[\\s\\S]*did you mean 'items'"),
        ('{"items": {"a": 1}}', "items", "holds no array at 'items'"),
        ('{"items": 1}', "items.rows", "holds no object at 'items'"),
        ('{"items": [], "items": []}', "items", "'items' twice"),
        ("[]", "", "is empty"),
        ("[{}, {}]", "", "no element of the array"),
        ("", "", "is empty"),
        ('[{"a": 1}, {"a": 2', "", "is not JSON"),
        ('[{"a": 1}] [', "", "goes on after"),
        ('{"a": 1}\n{"a": 2}\n', "", "use: ndjson"),
        ("17", "", "holds no array"),
    ],
)
def test_a_file_without_the_array_is_refused_with_what_it_has(tmp_path: Path, content: str, records: str, message: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(DataError, match=message):
        taken(Json(path=str(tmp_path / "a.json"), records=records), tmp_path)


def test_bytes_that_are_not_utf_8_refuse_an_array_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'[{"a": "\xff"}]')
    with pytest.raises(DataError, match="not UTF-8"):
        taken(Json(path=str(tmp_path / "a.json")), tmp_path)
    (tmp_path / "a.json").write_bytes('[{"a": "x"}]'.encode("utf-16"))
    with pytest.raises(DataError, match="UTF-16"):
        taken(Json(path=str(tmp_path / "a.json")), tmp_path)
