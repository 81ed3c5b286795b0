"""What is wrong with a configuration or with data is said in words, with the place, and leaves nothing behind."""

from __future__ import annotations

import gzip
import re
import sqlite3
from dataclasses import dataclass

import pytest

from engine.cli import run as levada
from tests.cli.project import PORTS, Project, trips

TRIPS = "conf/pipeline/trips.yaml"
HEADER = "trip,port,cargo,note,late\n"
WHOLE = trips(1, 40)
LATIN = WHOLE.replace("ok", "n\xe3o")


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


def bomb(levels: int = 9) -> str:
    lines = ["# @package _global_", "a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


RESOLVED = """\
hydra:
  callbacks: {evil: "${oc.decode:'{_target_: pathlib.Path.home}'}"}
encode:"""

LOGGED = """\
hydra:
  job_logging: {version: 1, handlers: {a: {class: pathlib.Path}}, root: {handlers: [a]}}
encode:"""


def newer_catalog() -> bytes:
    with sqlite3.connect(":memory:") as connection:
        connection.execute("PRAGMA user_version=99")
        return connection.serialize()


def chain(levels: int = 30) -> str:
    lines = ["# @package _global_", "b0: xxxxxxxxxx"]
    lines += [f"b{n}: ${{b{n - 1}}}${{b{n - 1}}}" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


CONFIG = [
    bad(
        "unknown plugin",
        r"unknown transformer 'dropp'",
        r"trips.yaml:16, datasets.trips.prepare\[0\].use",
        r"did you mean 'drop'",
        change=("use: drop,", "use: dropp,"),
    ),
    bad(
        "unknown model in an override",
        r"LogisticRegresion",
        r"command line: model.use=",
        r"did you mean 'sklearn.LogisticRegression'",
        run="model.use=sklearn.LogisticRegresion",
    ),
    bad(
        "unknown parameter",
        r"unknown key 'nul'",
        r"trips.yaml:10, datasets.trips.extract.nul",
        r"did you mean 'nulls'",
        change=("data/trips/*.csv}", "data/trips/*.csv, nul: [x]}"),
    ),
    bad(
        "unknown key at the top",
        r"unknown key 'datsets'",
        r"trips.yaml:6, datsets",
        r"one of data, datasets, encode, executor, keep_going, metrics, model, name, problem, splitter, store, view$",
        r"did you mean 'datasets'",
        change=("problem:", "datsets: {}\nproblem:"),
    ),
    bad(
        "unknown key in a dataset",
        r"unknown key 'prepar'",
        r"trips.yaml:15, datasets.trips.prepar",
        r"did you mean 'prepare'",
        change=("    prepare:", "    prepar:"),
    ),
    bad(
        "unknown key in the problem",
        r"unknown key 'metrc'",
        r"trips.yaml:6, problem.metrc",
        r"did you mean 'metric'",
        change=("metric:", "metrc:"),
    ),
    bad(
        "unknown key in a join",
        r"unknown key 'sufix'",
        r"trips.yaml:24, view.join\[0\].sufix",
        r"did you mean 'suffix'",
        change=("on: [port]}", "on: [port], sufix: _p}"),
    ),
    bad(
        "unknown key in an override",
        r"unknown key 'sed'",
        r"command line: splitter.sed=3",
        r"did you mean 'seed'",
        run="splitter.sed=3",
    ),
    bad(
        "unknown new key in an override",
        r"unknown key 'sed'",
        r"command line: \+splitter.sed=3",
        r"did you mean 'seed'",
        run="+splitter.sed=3",
    ),
    bad(
        "unknown column in prepare",
        r"no column 'nte'",
        r"trips.yaml:16, datasets.trips.prepare\[0\]",
        r"did you mean 'note'",
        change=("[note]", "[nte]"),
    ),
    bad(
        "unknown column in an expression",
        r"no column 'cago'",
        r"trips.yaml:26, view.features\[0\]",
        r"did you mean 'cargo'",
        change=("cargo / depth", "cago / depth"),
    ),
    bad(
        "unknown column in expect",
        r"no column 'lte'",
        r"trips.yaml:14, datasets.trips.expect\[0\]",
        r"did you mean 'late'",
        change=("not_null, columns: [late]", "not_null, columns: [lte]"),
    ),
    bad(
        "unknown column in encode",
        r"no column 'cagro'",
        r"trips.yaml:29, encode\[0\].columns",
        r"did you mean 'cargo'",
        change=("impute, columns: numeric", "impute, columns: [cagro]"),
    ),
    bad(
        "unknown column in key",
        r"no column 'tripp'",
        r"trips.yaml:12, datasets.trips.key",
        r"did you mean 'trip'",
        change=("key: [trip]", "key: [tripp]"),
    ),
    bad(
        "unknown target",
        r"no column 'lat'",
        r"trips.yaml:6, problem.target",
        r"did you mean 'late'",
        change=("target: late", "target: lat"),
    ),
    bad(
        "join on a column missing on the left",
        r"no column 'port' in trips",
        r"trips.yaml:24, view.join\[0\].on",
        change=("[note]", "[note, port]"),
    ),
    bad(
        "join on a column missing on the right",
        r"no column 'port' in ports",
        r"trips.yaml:25, view.join\[0\].on",
        change=("data/ports.csv}\n    key: [port]", "data/ports.csv}\n    prepare:\n      - {use: drop, columns: [port]}"),
    ),
    bad(
        "join with an unknown dataset",
        r"unknown dataset 'port'",
        r"view.join\[0\].with",
        r"did you mean 'ports'",
        change=("with: ports", "with: port"),
    ),
    bad(
        "view from an unknown dataset",
        r"unknown dataset 'trip'",
        r"trips.yaml:22, view.from",
        r"did you mean 'trips'",
        change=("from: trips", "from: trip"),
    ),
    bad("wrong type", r"wrong value for 'seed'", r"command line: splitter.seed=three", r"integer", run="splitter.seed=three"),
    bad(
        "wrong choice",
        r"wrong value for 'mode'",
        r"trips.yaml:11, datasets.trips.mode",
        r"'append' or 'snapshot'",
        change=("mode: append", "mode: apend"),
    ),
    bad(
        "wrong type of a parameter",
        r"wrong value for 'columns'",
        r"trips.yaml:16, datasets.trips.prepare\[0\].columns",
        change=("columns: [note]", "columns: note"),
    ),
    bad(
        "a list where a mapping belongs",
        r"wrong value for \'problem\'",
        r"trips.yaml:6, problem",
        r"a mapping",
        change=("problem: {task: classification, target: late, metric: accuracy}", "problem: [a]"),
    ),
    bad(
        "expression that is none",
        r"not an SQL expression",
        r"trips.yaml:26, view.features\[0\]",
        change=("cargo / depth", "cargo /"),
    ),
    bad("a parameter that scikit-learn refuses", r"C", r"command line: model.C=-1", run="model.C=-1"),
    bad(
        "fitted step under prepare",
        r"'standardize' is fitted",
        r"trips.yaml:16, datasets.trips.prepare\[0\].use",
        r"move this step to encode",
        change=("{use: drop, columns: [note]}", "{use: standardize, columns: numeric}"),
    ),
    bad(
        "shares that do not sum to 1",
        r"must be 1, but they are 1\.2",
        r"command line: splitter.test=0.4",
        run="splitter.test=0.4",
    ),
    bad(
        "the target among the features",
        r"the target 'late' is also a feature",
        r"problem.features",
        r"remove 'late'",
        change=("metric: accuracy}", "metric: accuracy, features: [cargo, late]}"),
    ),
    bad(
        "the target in encode",
        r"the target 'late' is also a feature",
        r"trips.yaml:30, encode\[1\].columns",
        change=("one_hot, columns: text", "one_hot, columns: [late]"),
    ),
    bad(
        "model for another task",
        r"'sklearn.Ridge' is for regression, the problem is classification",
        r"model.use",
        run="model=ridge",
    ),
    bad(
        "metric for another task",
        r"'rmse' does not measure classification",
        r"problem.metric",
        r"roc_auc",
        change=("metric: accuracy", "metric: rmse"),
    ),
    bad(
        "unknown metric",
        r"unknown metric 'acuracy'",
        r"trips.yaml:6, problem.metric",
        r"did you mean 'accuracy'",
        change=("metric: accuracy", "metric: acuracy"),
    ),
    bad(
        "code in a file",
        r"'_target_' is not allowed",
        r" conf/pipeline/trips.yaml:10",
        r"use:",
        change=("use: csv, path: data/trips", "_target_: os.system, path: data/trips"),
    ),
    bad(
        "code in a nested list",
        r"'_target_' is not allowed",
        r"trips.yaml:16",
        change=("columns: [note]", "columns: [[{_target_: os.system}]]"),
    ),
    bad(
        "code in an override",
        r"'_target_' is not allowed",
        r"command line: \+model._target_=os.system",
        run="+model._target_=os.system",
    ),
    bad(
        "code in an override's value",
        r"'_target_' is not allowed",
        r"command line: \+x=",
        run="+x={a: [{_target_: os.system}]}",
    ),
    bad(
        "code in Hydra's sweeper",
        r"'_target_' is not allowed",
        r"command line: hydra.sweeper._target_",
        run="hydra.sweeper._target_=os.system",
    ),
    bad(
        "code in Hydra's callbacks",
        r"'_target_' is not allowed",
        r"command line: \+hydra.callbacks",
        run="+hydra.callbacks.x={_target_: os.system}",
    ),
    bad(
        "code in Hydra's logging",
        r"not allowed|can not be read",
        r"command line: ",
        run="+hydra.job_logging.formatters.x={'()': os.system}",
    ),
    bad(
        "code in a group of Hydra's",
        r"'_target_' is not allowed",
        r"conf/hydra/callbacks/evil.yaml:1",
        run="+hydra/callbacks=evil",
        files={"conf/hydra/callbacks/evil.yaml": "evil: {_target_: os.system}\n"},
    ),
    bad("code out of a resolver", r"oc.decode|_target_", change=("encode:", RESOLVED)),
    bad("a class of Python's logging", r"'pathlib.Path' is not allowed", r"trips.yaml:29", change=("encode:", LOGGED)),
    bad(
        "aliases that unfold to too much",
        r"unfolds to too much",
        r"bomb.yaml:\d+",
        run="pipeline=bomb",
        whole=True,
        files={"conf/pipeline/bomb.yaml": bomb()},
    ),
    bad(
        "interpolations that unfold to too much",
        r"unfolds to too much",
        r"b\d+",
        run="pipeline=chain",
        whole=True,
        files={"conf/pipeline/chain.yaml": chain()},
    ),
    bad(
        "nested too deeply",
        r"nested too deeply",
        r"deep.yaml:\d+",
        run="pipeline=deep",
        whole=True,
        files={"conf/pipeline/deep.yaml": "a: " + "[" * 60 + "]" * 60 + "\n"},
    ),
    bad(
        "a tag",
        r"the tag .*python/object/apply:os.system is not allowed",
        r"trips.yaml:13",
        change=("expect:", "expect: !!python/object/apply:os.system [x]\n    unused:"),
    ),
    bad("an unregistered resolver", r"foo", r"view.features|draught", change=("cargo / depth", "${foo:1}")),
    bad("an interpolation without an aim", r"nowhere", r"draught|view.features", change=("cargo / depth", "${nowhere}")),
    bad(
        "a missing value",
        r"the key 'address' has no value yet",
        r"cluster.yaml:\d+, executor.address",
        r"add executor.address=",
        run="executor=cluster",
    ),
    bad(
        "a missing key",
        r"the key 'path' is missing",
        r"trips.yaml:10, datasets.trips.extract.path",
        change=("path: data/trips/*.csv", "nulls: [NA]"),
    ),
    bad("no target", r"classification needs a target", r"problem.target", change=("target: late, ", "")),
    bad("not YAML", r"this is not YAML", r"trips.yaml:\d+", change=("from: trips", "from: [trips")),
    bad(
        "a YAML file that is not UTF-8",
        r"not UTF-8",
        r"latin.yaml",
        run="pipeline=latin",
        whole=True,
        files={"conf/pipeline/latin.yaml": "a: é\n".encode("latin-1")},
    ),
    bad(
        "the same key twice",
        r"this is not YAML: found duplicate key",
        r"conf/pipeline/trips.yaml:6",
        change=("metric: accuracy}", "metric: accuracy, metric: f1}"),
    ),
    bad(
        "unknown option of a group",
        r"unknown pipeline 'trip'",
        r"pipeline=trip\b",
        r"did you mean 'trips'",
        run="pipeline=trip",
        whole=True,
    ),
    bad(
        "unknown option of ours",
        r"unknown model 'logistic_regresion'",
        r"model=logistic_regresion",
        r"did you mean 'logistic_regression'",
        run="model=logistic_regresion",
    ),
    bad("unknown key to override", r"unknown key 'modle'", r"command line: modle=", r"did you mean 'model'", run="modle=ridge"),
    bad(
        "unknown key to override below",
        r"unknown key 'modell'",
        r"command line: modell.C=1",
        r"did you mean 'model'",
        run="modell.C=1",
    ),
    bad("an override that can not be read", r"can not be read", r"command line: model\.C=\[", run="model.C=["),
    bad(
        "a package that hides ours",
        r"plugins/__init__.py hides the built-in plugins",
        r"remove .*plugins/__init__.py",
        files={"plugins/__init__.py": ""},
    ),
    bad("unknown command", r"unknown command 'rum'", r"did you mean 'run(s)?'", run="rum", whole=True),
    bad(
        "unknown kind of plugin",
        r"unknown kind of plugin 'modle'",
        r"did you mean 'model'",
        run=("plugins", "modle"),
        whole=True,
    ),
    bad(
        "unknown plugin to explain",
        r"unknown model 'sklearn.Rigde'",
        r"did you mean 'sklearn.Ridge'",
        run=("plugins", "model", "sklearn.Rigde"),
        whole=True,
    ),
    bad("unknown flag of a listing", r"unknown flag '--jsn'", r"levada runs --help", run=("runs", "--jsn"), whole=True),
    bad("unknown flag of a run", r"--jsn", run="--jsn"),
    bad("a pickle to run again", r"--experimental-rerun is not allowed", run=("--experimental-rerun", "x.pickle")),
    bad(
        "a package as search path",
        r"'pkg://' is not allowed",
        r"command line: hydra.searchpath",
        run="hydra.searchpath=[pkg://os]",
    ),
    bad("a package as search path, quoted", r"'pkg://' is not allowed", run="'hydra.searchpath'=[pkg://os]"),
    bad(
        "a package as search path in a file",
        r"'pkg://' is not allowed",
        r" conf/config.yaml:2",
        files={"conf/config.yaml": "defaults: [{pipeline: trips}]\nhydra: {searchpath: ['pkg://os']}\n"},
    ),
    bad("a package as path of the configuration", r"may not name a Python package", run=("--config-path", "pkg://os")),
    bad("a package as path, another way", r"may not name a Python package", run=("--config-path=pkg://os",)),
    bad("a package as path, short", r"may not name a Python package", run=("-cp", "pkg://os")),
    bad("a package as path, abbreviated", r"may not name a Python package", run="--config-p=pkg://os"),
    bad("a pickle to run again, abbreviated", r"--experimental-rerun is not allowed", run="--exp=x.pickle"),
    bad("no store", r"wrong value for 'root'", r"command line: store.root=", r"at least 1 character", run="store.root="),
    bad(
        "a scheduler on another machine",
        r"unencrypted",
        r"executor.address",
        r"tls://",
        r"executor.insecure=true",
        run=("executor=cluster", "executor.address=tcp://192.0.2.1:8786"),
    ),
    bad(
        "an address that is none",
        r"a cluster needs the address of its scheduler",
        r"tcp://host:port",
        r"localhost:8786",
        run=("executor=cluster", "executor.address=localhost:8786"),
    ),
]

DATA = [
    bad(
        "missing file", r"no such file: data/prots.csv", r"where .*/data/prots.csv", change=("data/ports.csv", "data/prots.csv")
    ),
    bad("glob without match", r"no file matches data/trips/\*.tsv", change=("*.csv", "*.tsv")),
    bad("empty file", r"2.csv is empty", r"a header line", files={"data/trips/2.csv": b""}),
    bad(
        "headers only",
        r"no rows",
        r"data/trips/1.csv",
        r"2 files",
        files={"data/trips/1.csv": HEADER, "data/trips/2.csv": HEADER},
    ),
    bad(
        "cut in the middle of a row",
        r"cut short",
        r"2.csv:41",
        r"5 fields",
        files={"data/trips/2.csv": WHOLE.rstrip("\n").rsplit(",", 2)[0]},
    ),
    bad(
        "cut in the middle of the gzip stream",
        r"gzip|cannot read",
        r"3.csv.gz",
        change=("*.csv", "3.csv.gz"),
        files={"data/trips/3.csv.gz": gzip.compress(WHOLE.encode(), mtime=0)[:200]},
    ),
    bad(
        "cut in the middle of the gzip header",
        r"gzip",
        r"3.csv.gz",
        change=("*.csv", "3.csv.gz"),
        files={"data/trips/3.csv.gz": gzip.compress(WHOLE.encode(), mtime=0)[:9]},
    ),
    bad("gzip that is none", r"gzip", r"3.csv.gz", change=("*.csv", "3.csv.gz"), files={"data/trips/3.csv.gz": WHOLE}),
    bad("UTF-16", r"is UTF-16, not UTF-8", r"iconv", files={"data/trips/2.csv": WHOLE.encode("utf-16")}),
    bad("bytes that are not UTF-8", r"2.csv", r"UTF-8|utf-8|utf8", files={"data/trips/2.csv": LATIN.encode("latin-1")}),
    bad(
        "a header that is not UTF-8",
        r"2.csv is not UTF-8",
        files={"data/trips/2.csv": WHOLE.replace("note", "n\xf4te").encode("latin-1")},
    ),
    bad(
        "headers that differ",
        r"the header differs",
        r"2.csv",
        r"without note and with remark",
        files={"data/trips/2.csv": WHOLE.replace("note", "remark")},
    ),
    bad(
        "columns in another order",
        r"the header differs",
        r"another order",
        files={"data/trips/2.csv": WHOLE.replace("cargo,note", "note,cargo")},
    ),
    bad(
        "types that conflict",
        r"the column 'cargo' is Int64 in one file and String in another",
        r"2.csv",
        r"dtypes: \{cargo: String\}",
        files={"data/trips/2.csv": re.sub(r"(?m)^(\d+,\w+),\d+,", r"\1,much,", WHOLE)},
    ),
    bad("a row with too many fields", r"2.csv", r"more fields", files={"data/trips/2.csv": WHOLE + "99,Faro,5,ok,no,more\n"}),
    bad("an unclosed quote", r"2.csv", r"could not parse", files={"data/trips/2.csv": WHOLE + '99,"Faro,5,ok,no\n'}),
    bad(
        "a column named twice",
        r"names the column 'cargo' twice",
        r"2.csv:1",
        files={"data/trips/2.csv": WHOLE.replace("note", "cargo")},
    ),
    bad(
        "a rule that stops",
        r"1 rows? breaks? the rule",
        r"2.csv, row 41",
        change=("columns: [late]", "columns: [late], on_fail: stop"),
        files={"data/trips/2.csv": WHOLE + "99,Faro,5,ok,\n"},
    ),
    bad("binary", r"2.csv", files={"data/trips/2.csv": bytes(range(256)) * 20}),
]

HOST = [
    bad(
        "a catalog of a newer Levada",
        r"was written by a newer Levada",
        r"version 99",
        r"upgrade Levada",
        files={".levada/catalog.sqlite": newer_catalog()},
    ),
    bad(
        "a catalog that is none",
        r"cannot open the catalog .*catalog.sqlite",
        files={".levada/catalog.sqlite": b"nothing of the kind" * 99},
    ),
    bad("a store that is a file", r"cannot open the catalog .*\.levada/catalog.sqlite", files={".levada": b""}),
]


@pytest.mark.parametrize("case", CONFIG)
def test_a_wrong_configuration_is_refused_in_words_before_anything_is_read(
    case: Case, project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(case, 2, project, monkeypatch, capsys) == ""
    assert project.batches() == []
    assert project.runs() == []


@pytest.mark.parametrize("case", DATA)
def test_bad_data_is_refused_in_words_and_nothing_of_it_is_visible(
    case: Case, project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said(case, 3, project, monkeypatch, capsys)
    assert "trips" not in [batch.dataset for batch in project.batches()]


@pytest.mark.parametrize("case", HOST)
def test_a_machine_that_is_not_as_it_should_be_is_named(
    case: Case, project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(case, 4, project, monkeypatch, capsys) == ""


def test_a_key_that_is_twice_on_the_right_stops_the_join_and_what_needs_it(
    project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    case = Case(
        says=("ports has several rows for one key", "2 rows for port=Faro", "many: true"),
        files=(("data/ports.csv", PORTS + "Faro,9,south\n"),),
    )
    printed = said(case, 3, project, monkeypatch, capsys)
    assert not any(stage["ran"] for stage in project.summary(printed)["stages"] if stage["label"].startswith("model."))


def test_an_empty_file_among_others_is_no_error(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write("data/trips/3.csv", HEADER)
    monkeypatch.chdir(project.folder)
    assert levada(["pipeline=trips"]) == 0
    assert [batch.rows for batch in project.batches("trips")] == [150]


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
