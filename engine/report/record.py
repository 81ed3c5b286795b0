"""Plain JSON as frozen records, in which a null and an absent key mean the same."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

Numbers: TypeAlias = tuple[float | None, ...]
Text = Annotated[str, BeforeValidator(lambda value: "" if value is None else str(value))]  # numbers name classes too


def _present(data: object) -> object:
    """Return a mapping without its nulls; what is no mapping is left for the model to refuse."""
    return {key: value for key, value in data.items() if value is not None} if isinstance(data, dict) else data


Present = BeforeValidator(_present)


class Record(BaseModel):
    """A mapping of a summary; a null takes the default, as if the key were absent."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, protected_namespaces=())

    @model_validator(mode="before")
    @classmethod
    def _leave_out_nulls(cls, data: object) -> object:
        return _present(data)
