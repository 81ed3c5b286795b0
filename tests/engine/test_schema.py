from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from engine.errors import UnknownName
from engine.registry import KINDS, names
from engine.schema import json_schema, plugin_parameters

CONF = Path(__file__).parents[2] / "conf"
TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}
KNOWN = {
    *("$schema", "$defs", "$ref", "title", "description", "default", "type", "properties", "required", "additionalProperties"),
    *("items", "prefixItems", "minItems", "maxItems", "enum", "const", "anyOf", "oneOf", "not", "minimum", "maximum", "format"),
    *("exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength", "minProperties", "pattern", "propertyNames"),
    "writeOnly",  # of secrets
}
"""The words of JSON Schema that the schema may use: what ``accepts`` looks at, and what says nothing wrong."""


@pytest.fixture(scope="module")
def schema():
    return json_schema()


def nodes(node):
    """Yield every schema within a schema."""
    yield node
    for key, value in node.items():
        if key in ("properties", "$defs"):
            inner = list(value.values())
        elif key in ("anyOf", "oneOf", "prefixItems"):
            inner = value
        elif key in ("items", "additionalProperties", "not", "propertyNames") and isinstance(value, dict):
            inner = [value]
        else:
            inner = []
        for one in inner:
            yield from nodes(one)


def accepts(schema, value, root):
    """Say whether a value is right by a schema, as far as this schema's words go."""
    return all((*plain(schema, value), *combined(schema, value, root), *parts(schema, value, root)))


def plain(schema, value):
    """Yield what the words about a value itself say."""
    wanted = schema.get("type", [])
    wanted = [wanted] if isinstance(wanted, str) else wanted
    fits = [isinstance(value, TYPES[one]) and (one == "boolean" or not isinstance(value, bool)) for one in wanted]
    yield not wanted or any(fits)
    yield value == schema.get("const", value)
    yield value in schema.get("enum", [value])


def combined(schema, value, root):
    """Yield what the schemas say that a schema is made of."""
    if "$ref" in schema:
        yield accepts(root["$defs"][schema["$ref"].removeprefix("#/$defs/")], value, root)
    if "anyOf" in schema:
        yield any(accepts(one, value, root) for one in schema["anyOf"])
    if "oneOf" in schema:
        yield sum(accepts(one, value, root) for one in schema["oneOf"]) == 1
    if "not" in schema:
        yield not accepts(schema["not"], value, root)


def parts(schema, value, root):
    """Yield what the schemas of a value's parts say."""
    if isinstance(value, dict):
        properties, more = schema.get("properties", {}), schema.get("additionalProperties", True)
        yield set(schema.get("required", [])) <= set(value)
        for key, inner in value.items():
            part = properties.get(key, more)
            yield accepts(part, inner, root) if isinstance(part, dict) else part
    if isinstance(value, list) and "items" in schema:
        yield all(accepts(schema["items"], one, root) for one in value)


def pipeline(name):
    """Return a pipeline's file as an editor sees it; an editor reads YAML 1.2, in which ``on`` is a word."""
    loader = type(
        "Loader",
        (yaml.SafeLoader,),
        {
            "yaml_implicit_resolvers": {
                first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:bool" or first in "tTfF"]
                for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
            }
        },
    )
    return yaml.load((CONF / "pipeline" / f"{name}.yaml").read_text(encoding="utf-8"), loader)


def test_the_schema_is_plain_json_in_the_words_of_json_schema(schema):
    assert json.loads(json.dumps(schema)) == schema
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert {word for node in nodes(schema) for word in node} <= KNOWN


def test_every_reference_leads_somewhere(schema):
    references = {node["$ref"] for node in nodes(schema) if "$ref" in node}
    assert references
    assert {reference.removeprefix("#/$defs/") for reference in references} <= set(schema["$defs"])


@pytest.mark.parametrize("kind", KINDS)
def test_every_plugin_is_there_with_its_parameters_explained(schema, kind):
    uses = [node for node in nodes(schema["$defs"][kind]) if "use" in node.get("properties", {})]
    assert [node["properties"]["use"]["const"] for node in uses] == names(kind)
    assert all("description" in inner for node in uses for inner in node["properties"].values())
    assert all(node["required"][0] == "use" for node in uses)


def test_what_nobody_writes_is_not_there(schema):
    assert {"name", "origin"}.isdisjoint(schema["properties"])
    assert {"problem", "datasets", "view", "encode", "splitter", "model", "metrics", "executor", "store", "defaults"} <= set(
        schema["properties"]
    )


@pytest.mark.parametrize("name", ["penguins", "flights", "penguin_colonies"])
def test_our_own_pipelines_are_accepted(schema, name):
    assert accepts(schema, pipeline(name), schema)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("problm",), {}),
        (("problem", "task"), "clasification"),
        (("problem", "targt"), "x"),
        (("datasets", "penguins", "mode"), "apend"),
        (("datasets", "penguins", "extract", "use"), "cvs"),
        (("datasets", "penguins", "extract", "nuls"), []),
        (("datasets", "penguins", "extract"), {"use": "csv"}),
        (("view", "features"), "keep"),
        (("encode", 0, "colums"), "all"),
        (("encode", 0, "with"), "medain"),
        (("encode", 1, "use"), "onehot"),
        (("model",), "sklearn.Rigde"),
        (("executor",), {"workers": "many"}),
        (("keep_going",), "perhaps"),
    ],
)
def test_what_the_engine_refuses_an_editor_marks(schema, path, value):
    wrong = pipeline("penguins")
    node = wrong
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    assert not accepts(schema, wrong, schema)


@pytest.mark.parametrize(
    "value",
    [
        {
            "encode": [
                "impute",
                {"use": "impute", "with": {"constant": 0}},
                {"use": "select", "by": {"use": "variance"}, "keep": 3},
            ]
        },
        {"metrics": None},
        {"metrics": ["f1", {"use": "recall"}]},
        {"splitter": "random", "model": {"use": "sklearn.Ridge", "alpha": 2}},
        {"view": {"from": "a", "features": [{"use": "derive", "anything": "x + 1"}]}},
        {"model": {"max_depth": 3}},
    ],
)
def test_what_the_engine_takes_an_editor_takes(schema, value):
    assert accepts(schema, value, schema)


def test_a_plugin_is_explained_in_the_words_of_yaml():
    found = plugin_parameters("transformer", "impute")
    parameters = {one["name"]: one for one in found["parameters"]}
    assert (found["kind"], found["name"]) == ("transformer", "impute")
    assert found["description"].startswith("Fill missing values")
    assert (parameters["with"]["default"], parameters["add_indicator"]["default"]) == ("median", "false")
    assert parameters["columns"]["type"] == "all | numeric | text | boolean | temporal | list of text"
    assert parameters["add_indicator"]["type"] == "true or false"
    assert all(one["description"] for one in found["parameters"])


def test_a_parameter_without_default_is_required():
    (path, *_) = plugin_parameters("extractor", "csv")["parameters"]
    assert (path["name"], path["default"], path["type"]) == ("path", "required", "text")


@pytest.mark.parametrize("kind", KINDS)
def test_every_plugin_can_be_explained(kind):
    assert all(plugin_parameters(kind, name)["description"] for name in names(kind))


def test_an_unknown_plugin_can_not_be_explained():
    with pytest.raises(UnknownName, match=r"unknown model 'sklearn\.Rigde'"):
        plugin_parameters("model", "sklearn.Rigde")
