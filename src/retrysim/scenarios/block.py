"""The base of every mapping in a scenario: frozen, and strict about its keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError


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

    @model_validator(mode="wrap")
    @classmethod
    def _knows_every_key(cls, given: Any, validate: Callable[[Any], Self]) -> Self:
        """In addition to what is wrong with the values of known keys, an error for each key that is unknown."""
        known = cls.keys()
        unknown = [key for key in given if key not in known] if isinstance(given, dict) else []
        if not unknown:
            return validate(given)
        details = [_unknown(key, list(known), given) for key in unknown]
        try:
            validate({key: value for key, value in given.items() if key in known})
        except ValidationError as invalid:
            details += [_again(one) for one in invalid.errors(include_url=False)]
        raise ValidationError.from_exception_data(cls.__name__, details)


def _unknown(key: str, known: list[str], given: Any) -> InitErrorDetails:
    error = PydanticCustomError("unknown_key", "unknown key {key}", {"key": key, "known": known})
    return InitErrorDetails(type=error, input=given)


def _again(fault: Any) -> InitErrorDetails:
    """An error as pydantic gives it, to be raised together with others."""
    error = PydanticCustomError(fault["type"], fault["msg"].replace("{", "{{"), fault.get("ctx"))
    return InitErrorDetails(type=error, loc=fault["loc"], input=fault["input"])
