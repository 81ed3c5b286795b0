"""Odd CSV data of which no value may change, and what becomes of it: taken, set aside, or refused as a whole."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from typing import Any

import polars as pl

LOCAL, UTC = pl.Datetime("us"), pl.Datetime("us", "UTC")


@dataclass(frozen=True)
class Odd:
    """A file and what is expected of it: types by column, patterns of why rows are rejected, or of why all is refused."""

    name: str
    data: bytes
    types: dict[str, Any] = field(default_factory=dict)
    rejected: tuple[str, ...] = ()
    refused: str = ""
    parameters: dict[str, Any] = field(default_factory=dict)
    suffix: str = ".csv"

    def __str__(self) -> str:
        return self.name


def column(name: str, *values: str, **types: Any) -> Odd:
    """Return a file whose column ``v`` has these values, between two others."""
    rows = "".join(f"{number},{value},x\n" for number, value in enumerate(values))
    return Odd(name, ("n,v,z\n" + rows).encode(), {"v": types["v"]})


VALUES = [
    column("whole numbers", "1", "0", "-5", "9223372036854775807", "-9223372036854775808", v=pl.Int64),
    column("whole numbers beyond Int64", "9223372036854775808", "1", "-9223372036854775809", v=pl.String),
    column("whole numbers beyond 2**53 among decimal ones", "9007199254740993", "1.5", v=pl.String),
    column("powers of two beyond 2**53 among decimal ones", "9007199254740992", "1.5", v=pl.Float64),
    column("leading zeros", "007", "12", v=pl.String),
    column("leading zeros far below", *["12"] * 1500, "007", v=pl.String),
    column("leading zeros of a decimal number", "00.5", "1.5", v=pl.String),
    column("a leading plus", "+491701234567", "12", v=pl.String),
    column("minus zero", "-0", "1", v=pl.Float64),
    column("leading spaces", " 1", "2", v=pl.String),
    column("trailing spaces", "1 ", "2", v=pl.String),
    column("a no-break space", "1\N{NO-BREAK SPACE}", "2", v=pl.String),
    column("words for no number", "NaN", "1.5", "nan", v=pl.Float64),
    column("words for infinity", "inf", "-inf", "1.5", v=pl.Float64),
    column("names that look like words for no number", "Nan", "1.5", v=pl.String),
    column("numbers too large for a Float64", "1e400", "1", v=pl.String),
    column("numbers too small for a Float64", "1e-400", "1", v=pl.String),
    column("numbers that are barely in a Float64", "5e-324", "1.7976931348623157e308", v=pl.Float64),
    column("more digits than a Float64 has", "0.1234567890123456789", "1.5", v=pl.String),
    column("more digits far below", *["1.5"] * 1500, "0.1234567890123456789", v=pl.String),
    column("digits as Python prints them", "0.30000000000000004", "1e-07", "1e+16", v=pl.Float64),
    column("digits as C prints them", "0.10000000000000001", "2.99999999999999989e-01", v=pl.Float64),
    column("digits as NumPy saves them", "1.000000000000000056e-01", "2.500000000000000000e+00", v=pl.Float64),
    column("trailing zeros", "1.50", "2.00", "0.000", v=pl.Float64),
    column("no digit before or after the point", ".5", "-.5", "5.", v=pl.Float64),
    column("exponents", "1e3", "1E-3", "-1.5e+3", v=pl.Float64),
    column("hexadecimal numbers", "0x1f", "0x20", v=pl.String),
    column("thousands with underscores", "1_000", "2_000", v=pl.String),
    column("thousands with commas", '"1,000"', '"2,000"', v=pl.String),
    column("decimal commas", '"1,5"', '"2,5"', v=pl.String),
    column("digits of another script", "\N{ARABIC-INDIC DIGIT ONE}", "2", v=pl.String),
    column("quoted numbers", '"1"', '"2"', v=pl.Int64),
    column("true and false", "true", "false", v=pl.Boolean),
    column("TRUE and FALSE", "TRUE", "FALSE", v=pl.String),
    column("True among true", "True", "true", v=pl.String),
    column("truth as numbers", "1", "0", v=pl.Int64),
    column("one word far below numbers", *["12"] * 1500, "n/a", v=pl.String),
    column("decimal numbers far below whole ones", *["12"] * 1500, "1.5", v=pl.Float64),
    column("numbers far below nothing", *[""] * 1500, "7", v=pl.Int64),
    column("nothing but nulls", "", "", v=pl.String),
    column("empty text and nothing", '""', "", "x", v=pl.String),
    column("ISO dates", "2013-01-01", "9999-12-31", "0001-01-01", v=pl.Date),
    column("dates that never were", "2013-02-30", "2013-01-01", v=pl.String),
    column("a year 0", "0000-01-01", "2013-01-01", v=pl.String),
    column("dates of one digit", "2013-1-1", "2013-01-02", v=pl.String),
    column("American dates", "01/02/2013", "12/31/2013", v=pl.String),
    column("German dates", "01.02.2013", "31.12.2013", v=pl.String),
    column("dates with slashes", "2013/01/02", "2013/12/31", v=pl.String),
    column("compact dates", "20130102", "20131231", v=pl.Int64),
    column("dates among times", "2013-01-01", "2013-01-01 10:00", v=pl.String),
    column("local times written in several ways", "2013-01-01T10:00", "2013-01-01 10:00:01", "2013-01-01 10:00:01.5", v=LOCAL),
    column("local times that a zone has twice or never", "2013-03-31T02:30:00", "2013-10-27T02:30:00", v=LOCAL),
    column("times with nanoseconds", "2013-01-01 10:00:00.123456789", "2013-01-01 10:00:00", v=pl.String),
    column("times with nanoseconds that are zero", "2013-01-01 10:00:00.123456000", v=LOCAL),
    column("a leap second", "2012-06-30T23:59:60", "2012-06-30T23:59:59", v=pl.String),
    column("hour 24", "2013-01-01T24:00:00", "2013-01-01T23:00:00", v=pl.String),
    column("mixed offsets", "2013-01-01T10:00Z", "2013-01-01T10:00:00.5+02:00", "2013-01-01 10:00:00-0330", v=UTC),
    column("times with and without offset", "2013-01-01T10:00:00Z", "2013-01-01T10:00:00", v=pl.String),
    column("emoji and combining characters", "\N{GRINNING FACE}", "e\N{COMBINING ACUTE ACCENT}", "\xe9", v=pl.String),
    column("a very long field", "x" * 3_000_000, "y", v=pl.String),
    column("NUL", "a\0b", "\0", v=pl.String),
    column("a byte order mark within", "\N{ZERO WIDTH NO-BREAK SPACE}a", v=pl.String),
    column("quotes", '"say ""yes"""', '""""', '"a"', v=pl.String),
    column("separators and line ends in quotes", '"a,b"', '"a\nb"', '"a\r\nb"', '"\n"', v=pl.String),
    column("quotes within a field that has none around it", '5" pipe', 'a "b" c', v=pl.String),
]

FILES = [
    Odd("byte order mark", b"\xef\xbb\xbfa,b\n1,2\n", {"a": pl.Int64}),
    Odd("byte order mark before quotes", b'\xef\xbb\xbf"a","b"\n1,2\n', {"a": pl.Int64}),
    Odd("CR LF", b'a,b\r\n1,2\r\n3,"4"\r\n', {"b": pl.Int64}),
    Odd("LF and CR LF", b"a,b\n1,2\r\n3,\n", {"b": pl.Int64}),
    Odd("no final line end", b"a,b\n1,2\n3,4", {"b": pl.Int64}),
    Odd("no final line end after nothing", b"a,b\n1,2\n3,", {"b": pl.Int64}),
    Odd("header only", b"a,b\n", {"a": pl.String}),
    Odd("header only without line end", b"a,b", {"a": pl.String}),
    Odd("blank lines before the header", b"\n\r\na,b\n1,2\n", {"a": pl.Int64}),
    Odd("blank lines in one column", b"a\n1\n\n2\n\n", {"a": pl.Int64}),
    Odd("a name that is empty", b"a,\n1,2\n", {"": pl.Int64}),
    Odd("a header over two lines", b'"a\nz",b\n1,2\n', {"a\nz": pl.Int64}),
    Odd("spaces in the header", b"a, b\n1,2\n", {" b": pl.Int64}),
    Odd("tabs", b'a\tb\n1\t"x\ty"\n', {"a": pl.Int64}, parameters={"separator": "\t"}),
    Odd("semicolons", b"a;b\n1;2,5\n", {"b": pl.String}, parameters={"separator": ";"}),
    Odd("bars", b"a|b\n1|2\n3|\n", {"b": pl.Int64}, parameters={"separator": "|"}),
    Odd("NA", b'a,b\nNA,x\n1,"NA"\n', {"a": pl.Int64}, parameters={"nulls": ["NA"]}),
    Odd("NA that is not named", b"a,b\nNA,x\n1,NA\n", {"a": pl.String}),
    Odd("500 columns", (",".join(f"c{n}" for n in range(500)) + "\n" + "1," * 499 + "x\n").encode(), {"c1": pl.Int64}),
    Odd("gzip", gzip.compress(b"a,b\n1,2\n"), {"a": pl.Int64}, suffix=".csv.gz"),
    Odd("gzip in two members", gzip.compress(b"a,b\n1,2\n") + gzip.compress(b"3,4\n"), {"a": pl.Int64}, suffix=".csv.gz"),
    Odd(
        "declared zeros", b"a,b\n007, 8\n", {"a": pl.Int64, "b": pl.Int64}, parameters={"dtypes": {"a": "Int64", "b": "Int64"}}
    ),
]

RAGGED = [
    Odd("too short", b"a,b,c\n1,2,3\n4,5\n6,7,8\n", rejected=("^line 3: 2 fields, expected 3$",)),
    Odd("too long", b"a,b\n1,2\n3,4,5\n6,7\n", rejected=("^line 3: 3 fields, expected 2$",)),
    Odd("a separator too many everywhere", b"a,b\n1,2,\n3,4,\n", rejected=("line 2: 3 fields", "line 3: 3 fields")),
    Odd("a separator too many at the very end", b"a,b\n1,2\n3,4,", rejected=("line 3: 3 fields, expected 2$",)),
    Odd("cut in the last row", b"a,b,c\n1,2,3\n4,5", rejected=("line 3: 2 fields, expected 3; .*may be incomplete",)),
    Odd("blank lines", b"a,b\n\n1,2\n\n", rejected=("^line 2: blank, expected 2 fields$", "line 4: blank")),
    Odd("comments", b"a,b\n# by hand\n1,2\n", rejected=("line 2: 1 field, expected 2",)),
    Odd("a quote that is never closed", b'a,b\n1,"2\n3,4\n5,6\n', rejected=("^line 2: a quote is never closed$",)),
    Odd("a quote that the next one does not close", b'a,b\n1,"2\n3,4\n"5",6\n', rejected=("line 2: a quote is never closed",)),
    Odd("text after a closing quote", b'a,b\n"1"x,2\n3,4\n', rejected=("line 2: 'x' stands after a closing quote",)),
    Odd("a space before a quote", b'a,b\n1, "x,y"\n3,4\n', rejected=("line 2: 3 fields, expected 2",)),
    Odd("Latin-1", "a,b\n\xe9,1\nx,2\n".encode("latin-1"), rejected=(r"^line 2: not UTF-8 \(byte 0xe9\)$",)),
    Odd("Latin-1 in quotes", 'a,b\n"\n\xe9",1\nx,2\n'.encode("latin-1"), rejected=(r"line 2: not UTF-8",)),
    Odd("gzip with a short row", gzip.compress(b"a,b\n1\n3,4\n"), rejected=("line 2: 1 field",), suffix=".csv.gz"),
    Odd(
        "values that a declared type does not hold",
        b"n,dep_delay\n1,2\n2,abc\n3,\n4,1.5\n5,NA\n",
        {"dep_delay": pl.Int64},
        ("^line 3: 'abc' is not an Int64 .dep_delay.$", "line 5: '1.5' is not an Int64"),
        parameters={"dtypes": {"dep_delay": "Int64"}, "nulls": ["NA"]},
    ),
    Odd(
        "a declared time that the zone had twice",
        b"n,t\n1,2013-10-27T02:30:00\n2,2013-10-27T02:30:00+01:00\n",
        rejected=(r"line 2: .*is not a Datetime\[Europe/Berlin\]",),
        parameters={"dtypes": {"t": "Datetime[Europe/Berlin]"}},
    ),
    Odd(
        "a number too small for what is declared",
        b"n,v\n1,300\n2,7\n",
        {},
        ("'300' is not a UInt8",),
        "",
        {"dtypes": {"v": "UInt8"}},
    ),
    Odd("a declared day the other way round", b"n,v\n1,01/02/2013\n", {}, ("is not a Date",), "", {"dtypes": {"v": "Date"}}),
    Odd("a CR before a separator", b"a,b\n1\r,2\n", {"a": pl.String}),
]

REFUSED = [
    Odd("empty", b"", refused="is empty"),
    Odd("nothing but line ends", b"\n\n", refused="is empty"),
    Odd("UTF-16", "a,b\n1,2\n".encode("utf-16"), refused="UTF-16, not UTF-8"),
    Odd("a header in Latin-1", "a,\xe9\n1,2\n".encode("latin-1"), refused="is not UTF-8"),
    Odd("a name that is there twice", b"a,b,a\n1,2,3\n", refused="names the column 'a' twice"),
    Odd("two names that are empty", b"a,,\n1,2,3\n", refused="names the column '' twice"),
    Odd("a quote within a name", b'a"b,c\n1,2\n', refused="quote within a name"),
    Odd("a header that is never closed", b'a,"b\n1,2\n', refused="never closed"),
    Odd("CR alone", b"a,b\r1,2\r3,4\r", refused="CR alone"),
    Odd("a gzip file that is none", b"a,b\n1,2\n", refused="not a whole gzip file", suffix=".csv.gz"),
    Odd("gzip cut in its header", gzip.compress(b"a,b\n1,2\n")[:9], refused="not a whole gzip file", suffix=".csv.gz"),
    Odd("gzip cut at its end", gzip.compress(b"a,b\n1,2\n")[:-4], refused="not a whole gzip file", suffix=".csv.gz"),
    Odd("types for no column", b"a,b\n1,2\n", refused="'c' that is not in the header", parameters={"dtypes": {"c": "Int64"}}),
]
