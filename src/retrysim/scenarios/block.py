"""The base of every mapping in a scenario: frozen, and strict about its keys."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError


class Block(BaseModel):
    """A mapping with known keys; where the model keeps nanoseconds, the key in the file is the field's alias."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def keys(cls) -> dict[str, str]:
        """The keys as written in a file, each with the name of its field."""
        return {field.alias or name: name for name, field in cls.model_fields.items()}

    @property
    def given(self) -> tuple[str, ...]:
        """The keys that the file has, in the order of the schema."""
        return tuple(key for key, name in self.keys().items() if name in self.model_fields_set)

    @model_validator(mode="before")
    @classmethod
    def _knows_every_key(cls, given: object) -> object:
        known = cls.keys()
        for key in given if isinstance(given, dict) else ():
            if key not in known:
                raise PydanticCustomError("unknown_key", "unknown key {key}", {"key": key, "known": list(known)})
        return given
