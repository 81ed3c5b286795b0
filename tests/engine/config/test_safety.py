from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config.safety import MAX_BYTES, MAX_DEPTH, MAX_NODES, refuse_code, scan, scan_override
from engine.errors import ConfigError


def aliases(levels: int, width: int) -> str:
    lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, levels))]
    return "\n".join(lines)


def merges(levels: int) -> str:
    return "\n".join(
        ["a0: &a0 {x: [1, 2, 3]}", *(f"a{n}: &a{n} {{k: *a{n - 1}, l: *a{n - 1}, m: *a{n - 1}}}" for n in range(1, levels))]
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a comment\n",
        "a: {b: [1, 2.5, true, null, ~, text]}\n",
        "base: &base {use: csv}\nother: {<<: *base, path: x}\n",
        "sum: 'f() + 1'\nwhere: \"count(*) > 0\"\n",
        "class: teacher\nclasses: [a.b]\n",
        "a: " + "[" * (MAX_DEPTH - 2) + "]" * (MAX_DEPTH - 2),
        "a: [" + ", ".join("x" * 9_000) + "]",
        "on: [a]\nü: é\n",
        "a: !custom-looking-text-in-quotes\n".replace("!c", "'!c").replace("s\n", "s'\n"),
    ],
    ids=[
        "nothing",
        "comment",
        "plain",
        "merge key",
        "calls in SQL",
        "class",
        "deep enough",
        "long enough",
        "words",
        "quoted tag",
    ],
)
def test_an_ordinary_file_is_let_through(text):
    scan(text, "a.yaml")


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.system [x]", "!!python/name:os.system", "!!str x", "!local x", "!!set {a}", "! x"]
)
def test_a_tag_is_refused_with_its_line(tag):
    with pytest.raises(ConfigError, match=r"the tag .* is not allowed") as caught:
        scan(f"a: 1\nb:\n  - c: {tag}\n", "a.yaml")
    assert caught.value.where == "a.yaml:3"


@pytest.mark.parametrize("name", ["_target_", "_partial_", "_args_", "_recursive_", "_convert_", "()"])
@pytest.mark.parametrize(
    "text",
    ["a:\n  '{}': x", "a: 1\nb: [[{{'{}': x}}]]", "a: 1\n? '{}'\n: x", "a: 1\nb: '{}'", "a: &x 1\n'{}': *x"],
    ids=["key", "key in nested lists", "explicit key", "value", "key of an alias"],
)
def test_a_name_of_code_is_refused_wherever_it_stands(text, name):
    with pytest.raises(ConfigError) as caught:
        scan(text.format(name), "a.yaml")
    assert (caught.value.what.partition(" is")[0], caught.value.where) == (f"'{name}'", "a.yaml:2")


@pytest.mark.parametrize(
    "text",
    [
        r'"\x5ftarget_": os.system',
        r'"\u005ftarget_": os.system',
        "a: ${oc.create:{_target_:os.system}}",
        "a: \"${oc.decode:'{_target_: os.system}'}\"",
        "a: >-\n  _target_",
        "handlers: {x: {class: subprocess.Popen}}",
        "x: {class: 'os.system'}",
        "x: ext://sys.stdout",
        "x: '  ext://os.system'",
        "searchpath: ['pkg://os']",
        "defaults: [{x@hydra.callbacks._target_: y}]",
    ],
)
def test_code_that_is_named_another_way_is_refused_too(text):
    with pytest.raises(ConfigError, match="can not name code to run"):
        scan(text, "a.yaml")


def test_a_class_of_pythons_own_logging_is_let_through():
    scan("handlers: {console: {class: logging.StreamHandler}}", "a.yaml")


@pytest.mark.parametrize("text", [aliases(9, 9), aliases(20, 2), merges(12)], ids=["wide", "deep", "mappings"])
def test_aliases_that_unfold_to_too_much_are_refused(text):
    with pytest.raises(ConfigError, match="unfolds to too much") as caught:
        scan(text, "a.yaml")
    assert caught.value.expected == f"at most {MAX_NODES:,} values, aliases expanded"


@pytest.mark.parametrize("text", ["a: &a [*a]", "a: &a {b: *a}", "a: &a [[[*a]]]", "a: *nothing"])
def test_an_alias_inside_of_what_it_stands_for_is_refused(text):
    with pytest.raises(ConfigError):
        scan(text, "a.yaml")


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ("{a: ", "}")])
@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 5_000])
def test_what_is_nested_too_deeply_is_refused_before_a_stack_overflows(opening, closing, depth):
    with pytest.raises(ConfigError, match=r"nested too deeply|nesting depth"):
        scan("a: " + opening * depth + closing * depth, "a.yaml")


def test_a_file_that_is_too_large_is_refused():
    with pytest.raises(ConfigError, match="too large"):
        scan("#" * (MAX_BYTES + 1), "a.yaml")


def test_too_many_values_are_refused_without_any_alias():
    with pytest.raises(ConfigError, match="unfolds to too much"):
        scan("a: [" + ", ".join("x" * (MAX_NODES + 1)) + "]", "a.yaml")


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a: [1\nb: 2", "a.yaml:2"),
        ("a: 1\n\tb: 2", "a.yaml:2"),
        ("a: b: c", "a.yaml:1"),
        ("a: 1\n- b", "a.yaml:2"),
        ("a: \x07", "a.yaml"),
    ],
)
def test_what_is_no_yaml_is_said_with_its_line(text, where):
    with pytest.raises(ConfigError, match="this is not YAML") as caught:
        scan(text, "a.yaml")
    assert caught.value.where == where


@given(st.text(alphabet="ab:{}[]-&*!'\"\n \t#|>?%@,0._$", max_size=60))
def test_any_text_is_let_through_or_refused_with_the_file(text):
    refused = "a.yaml"
    try:
        scan(text, "a.yaml")
    except ConfigError as error:
        refused = error.where
    assert refused.startswith("a.yaml")


@pytest.mark.parametrize(
    "override",
    [
        "pipeline=penguins",
        "model.C=0.5",
        "+splitter.seed=3",
        "~encode",
        "model=glob(*)",
        "datasets.a.extract.path='data/class: x/*.csv'",
        "view.features.0.x='f()'",
        "hydra.run.dir=out",
        "hydra.job.name=class",
    ],
)
def test_an_ordinary_override_is_let_through(override):
    scan_override(override)


@pytest.mark.parametrize(
    "override",
    [
        "model._target_=os.system",
        "+model._target_=os.system",
        "+a={b:[{_target_:os.system}]}",
        "+a={'_args_':[x]}",
        "a=${oc.create:{_target_:x}}",
        "hydra.sweeper._target_=x",
        "+hydra.job_logging.formatters.x={'()':os.system}",
        "+hydra.job_logging.handlers.x={class:subprocess.Popen}",
        "hydra.job_logging.handlers.x.class=subprocess.Popen",
        "+hydra.hydra_logging.handlers.x.stream=ext://sys.stdout",
        "hydra.searchpath=[pkg://os]",
        "++hydra.searchpath=[file://a,pkg://os]",
    ],
)
def test_an_override_that_names_code_is_refused(override):
    with pytest.raises(ConfigError, match="can not name code to run") as caught:
        scan_override(override)
    assert caught.value.where == f"command line: {override}"


@pytest.mark.parametrize(
    ("node", "where"),
    [({"_target_": 1}, "_target_"), ({"a": [1, {"b": {"_args_": 1}}]}, "a[1].b._args_"), ([{"()": 1}], "[0].()")],
)
def test_plain_data_that_names_code_is_refused_with_its_path(node, where):
    with pytest.raises(ConfigError) as caught:
        refuse_code(node)
    assert caught.value.where == where


def test_plain_data_may_hold_any_text():
    refuse_code({"a": ["_target_", {"b": "ext://x"}], "c": None, 3: 4})


@pytest.mark.parametrize(
    "text",
    ["uri: mongodb://me:open@host/", "token: sesame", "{api_token: sesame}", 'url: "postgresql://me:p%40ss@host:5432/db"'],
)
def test_a_secret_in_clear_is_refused_and_not_repeated(text):
    for call in (lambda: scan(text, "x.yaml"), lambda: scan_override(text.strip("{}").replace(": ", "=", 1))):
        with pytest.raises(ConfigError, match="stands in clear") as caught:
            call()
        assert "oc.env" in caught.value.hint
        assert not any(secret in str(caught.value) for secret in ("open@", "sesame", "p%40ss"))


@pytest.mark.parametrize(
    "text",
    [
        "uri: mongodb://host:27017/",
        "uri: ${oc.env:URI}",
        'uri: "mongodb://me:${oc.env:PW}@host/"',
        "token: null",
        "uri: sqlite:///x.db",
    ],
)
def test_what_is_no_secret_or_names_a_variable_is_let_through(text):
    scan(text, "x.yaml")
    scan_override(text.replace(": ", "=", 1))
