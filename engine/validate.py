"""Says in words what pydantic found wrong with a value, and where in the configuration it stands."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo

from engine.errors import ConfigError, unknown

Path = tuple[str | int, ...]
"""A key's way from the top of the configuration: ``("encode", 2, "columns")``."""

M = TypeVar("M", bound=BaseModel)


class Described(BaseModel):
    """The base of all that YAML describes: frozen, unknown keys refused.

    A field that would be a Python keyword ends in an underscore, which its key does not have.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=lambda name: name.rstrip("_"),
        validate_by_name=True,
        validate_by_alias=True,
        hide_input_in_errors=True,
    )


def dotted(path: Sequence[str | int]) -> str:
    """Return a path as people write it: ``encode[2].columns``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def validated(model: type[M], values: Mapping[str, Any], path: Path) -> M:
    """Return the model made of ``values``; ``ConfigError`` with the key's path for the first thing that is wrong."""
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise _explain(error, model, path) from None


def _explain(error: ValidationError, model: type[BaseModel], path: Path) -> ConfigError:
    details = error.errors(include_url=False)
    first = next((detail for detail in details if detail["type"] == "extra_forbidden"), details[0])
    location = _keys(first["loc"], model, last=first["type"] == "extra_forbidden")
    where = dotted(path + location)
    if first["type"] == "extra_forbidden":
        owner = _model_at(model, location[:-1])
        return unknown("key", str(location[-1]), _keys_of(owner), where=where)
    if first["type"] == "missing":
        info = _field(_model_at(model, location[:-1]), str(location[-1]))
        return ConfigError(f"the key '{location[-1]}' is missing", where=where, expected=(info and info.description) or "")
    if first["type"] == "value_error":
        return ConfigError(str(first["ctx"]["error"]), where=where)
    same = (detail for detail in details if _keys(detail["loc"], model, last=False)[: len(location)] == location)
    accepted = dict.fromkeys(detail["msg"] for detail in same)
    return ConfigError(
        f"wrong value for '{location[-1]}'" if location else "wrong value",
        where=where,
        expected=", or ".join(_in_yaml(message) for message in accepted),
        found=_shown(first["input"]),
    )


def _keys(location: Sequence[str | int], model: type[BaseModel], *, last: bool) -> Path:
    """Return the keys of a pydantic location. What is no key, such as the branch of a union, is left out.

    ``last`` says that the last part is a key whatever it is: one that is not known.
    """
    keys: list[str | int] = []
    here: Any = model
    for number, part in enumerate(location):
        inner = _step(here, part)
        if inner is not None or (last and number == len(location) - 1):
            keys.append(part)
            here = inner
    return tuple(keys)


def _step(annotation: Any, part: str | int) -> Any:
    """Return what a key of a value of this type holds, None if it has no such key."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        info = _field(annotation, str(part))
        return info.annotation if info is not None else None
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is dict and isinstance(part, str):
        return arguments[1]
    if origin in (tuple, list) and isinstance(part, int):
        return arguments[0]
    if origin in (tuple, list, dict):
        return None
    return next((found for argument in arguments if (found := _step(argument, part)) is not None), None)


def _in_yaml(message: str) -> str:
    """Return pydantic's message in the words of YAML, which has lists and mappings."""
    return (message[:1].lower() + message[1:]).replace("valid tuple", "list").replace("valid dictionary", "mapping")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _keys_of(model: type[BaseModel] | None) -> list[str]:
    return [info.alias or name for name, info in model.model_fields.items() if not info.exclude] if model else []


def _field(model: type[BaseModel] | None, key: str) -> FieldInfo | None:
    fields = model.model_fields.items() if model else ()
    return next((info for name, info in fields if key in (name, info.alias)), None)


def _model_at(model: type[BaseModel] | None, location: Sequence[str | int]) -> type[BaseModel] | None:
    """Return the model that stands at a location, as far as annotations tell."""
    for part in location:
        if isinstance(part, int):
            continue
        info = _field(model, part)
        if info is None:
            continue  # the key of a mapping: its values are what the annotation named
        model = next(iter(_models(info.annotation)), None)
    return model


def _models(annotation: object) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for argument in get_args(annotation) for found in _models(argument)]
