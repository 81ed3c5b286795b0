"""A wrong configuration is refused in words, with file, line, key and the nearest right word, before anything is read."""

from __future__ import annotations

import pytest

from tests.cli.bad import Case, bad, said
from tests.cli.project import Project


def bomb(levels: int = 9) -> str:
    lines = ["# @package _global_", "a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


def chain(levels: int = 30) -> str:
    lines = ["# @package _global_", "b0: xxxxxxxxxx"]
    lines += [f"b{n}: ${{b{n - 1}}}${{b{n - 1}}}" for n in range(1, levels)]
    return "\n".join(lines) + "\n"


RESOLVED = """\
hydra:
  callbacks: {evil: "${oc.decode:'{_target_: pathlib.Path.home}'}"}
encode:"""

LOGGED = """\
hydra:
  job_logging: {version: 1, handlers: {a: {class: pathlib.Path}}, root: {handlers: [a]}}
encode:"""

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
        r"assess, data, datasets, encode, executor, keep_going, learning_curve, memory, metrics, model, name, problem …$",
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


@pytest.mark.parametrize("case", CONFIG)
def test_a_wrong_configuration_is_refused_in_words_before_anything_is_read(
    case: Case, project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(case, 2, project, monkeypatch, capsys) == ""
    assert project.batches() == []
    assert project.runs() == []
