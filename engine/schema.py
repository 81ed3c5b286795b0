"""Describes what a pipeline file may hold: a JSON Schema for editors, and the parameters of a plugin for people."""

from __future__ import annotations

import inspect
import json
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from engine.config.spec import Dataset, Executor, Join, PipelineSpec, Problem, Promote, Spec, Store, View
from engine.plugin import Plugin
from engine.registry import KINDS, find, names


def plugin_parameters(kind: str, name: str) -> dict[str, Any]:
    """Return what a plugin does and its parameters, each with type, default and meaning. Raises ``UnknownName``."""
    plugin = find(kind, name)
    return {
        "kind": kind,
        "name": name,
        "description": inspect.cleandoc(plugin.__doc__ or ""),
        "parameters": [
            {
                "name": info.alias or field,
                "type": _type(info.annotation),
                "default": _default(info),
                "description": info.description or "",
            }
            for field, info in plugin.model_fields.items()
        ],
    }


def _default(info: FieldInfo) -> str:
    """Return a parameter's default as YAML has it."""
    if info.is_required():
        return "required"
    value = info.get_default(call_default_factory=True, validated_data={})
    value = list(value) if isinstance(value, tuple) else value
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _type(annotation: Any) -> str:
    """Return a parameter's type in the words of YAML: ``numeric | text | list of text``."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0])
    if origin is Literal:
        return " | ".join(str(value) for value in arguments)
    if origin in (Union, UnionType):
        return " | ".join(dict.fromkeys(_type(argument) for argument in arguments))
    if origin in (tuple, list):
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return f"mapping of {_type(arguments[1])}"
    if inspect.isclass(annotation) and issubclass(annotation, Plugin):
        return annotation.kind
    return _WORDS.get(annotation, getattr(annotation, "__name__", "any").lower())


_WORDS: dict[Any, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    type(None): "null",
    Any: "any",
}


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a pipeline file: every key, every plugin and its parameters.

    No key is required at the top, because a file may take any of them from those that it includes.
    """
    definitions: dict[str, Any] = {}
    for kind in KINDS:
        uses = [_use(kind, name, definitions) for name in names(kind)]
        definitions[kind] = {"anyOf": [{"enum": names(kind), "description": "By its name, with defaults."}, *uses]}
    for spec in (Problem, Dataset, Join, View, Executor, Store, Promote):
        definitions[spec.__name__] = _object(spec, definitions)
    schema = _object(PipelineSpec, definitions)
    properties = schema["properties"]
    for key in ("name", "origin"):  # not written by people
        properties.pop(key)
    for key in ("splitter", "model", "tracker"):  # a file may change some parameters of what another has chosen
        properties[key] = {"anyOf": [properties[key], {"type": "object", "not": {"required": ["use"]}}]}
    properties["defaults"] = {"type": "array", "description": "Hydra's defaults list."}
    schema["required"] = []
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Levada pipeline",
        **schema,
        "$defs": definitions,
    }


def _use(kind: str, name: str, definitions: dict[str, Any]) -> dict[str, Any]:
    plugin = find(kind, name)
    fields = _object(plugin, definitions)
    fields["properties"] = {
        "use": {"const": name, "description": (plugin.__doc__ or "").split("\n")[0]},
        **fields["properties"],
    }
    fields["required"] = ["use", *fields["required"]]
    return fields


def _object(model: type[Spec | Plugin], definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a model whose parts that are specifications or plugins are references."""
    properties = {info.alias or name: _property(info, definitions) for name, info in model.model_fields.items()}
    required = [info.alias or name for name, info in model.model_fields.items() if info.is_required()]
    free = model.model_config.get("extra") == "allow"
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": free}


def _property(info: FieldInfo, definitions: dict[str, Any]) -> dict[str, Any]:
    described = _reference(info.annotation)
    if described is None:
        try:
            described = TypeAdapter[Any](info.annotation).json_schema()  # type: ignore[arg-type]  # a field always has one
        except Exception:  # noqa: BLE001  a type that JSON Schema can not say is any value
            described = {}
        definitions |= described.pop("$defs", {})
    return {**described, "description": info.description} if info.description else described


def _reference(annotation: Any) -> dict[str, Any] | None:
    """Return a reference to a definition if an annotation is a plugin, a specification, or a container of one."""
    if inspect.isclass(annotation) and issubclass(annotation, Plugin):
        return {"$ref": f"#/$defs/{annotation.kind}"}
    if inspect.isclass(annotation) and issubclass(annotation, Spec):
        return {"$ref": f"#/$defs/{annotation.__name__}"}
    inner = next((found for argument in get_args(annotation) if (found := _reference(argument)) is not None), None)
    if inner is None:
        return None
    if get_origin(annotation) is tuple:
        return {"type": ["array", "null"], "items": inner}
    if get_origin(annotation) is dict:
        return {"type": "object", "additionalProperties": inner}
    if type(None) in get_args(annotation):
        return {"anyOf": [inner, {"type": "null"}]}
    return inner
