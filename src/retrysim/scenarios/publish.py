"""Makes the JSON Schema of the models: ``python -m retrysim.scenarios.publish`` publishes it.

It is published as a file because each version of pydantic spells the same schema in its own way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from retrysim.fakes.catalogue import fake_names, kinds_of
from retrysim.fakes.options import ValueKind
from retrysim.scenarios.published import SCHEMA_FILE, SCHEMA_ID
from retrysim.scenarios.schema import ScenarioSpec


def made_schema_text() -> str:
    """The schema of the models, as it is to be published."""
    schema: dict[str, Any] = _without_noise(ScenarioSpec.model_json_schema(by_alias=True))
    schema["properties"]["fakes"] |= _of_fakes()
    schema["anyOf"] = [{"required": ["submit"]}, {"required": ["beat"]}]  # a rule between keys that it can say
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID, "title": "retrysim scenario"}
    return json.dumps(head | schema, indent=2) + "\n"


def _of_fakes() -> dict[str, Any]:
    """The options of each vendor's fake, and of an API of one's own, which has a ``url``."""
    own = _mapping(kinds_of("", own=True)) | {"required": ["url"]}
    vendors = {name: _mapping(kinds_of(name, own=False)) for name in fake_names()}
    return {
        "properties": {name: {"anyOf": [{"type": "null"}, vendor, own]} for name, vendor in vendors.items()},
        "additionalProperties": own,
    }


def _mapping(kinds: Mapping[str, ValueKind]) -> dict[str, Any]:
    at = {"type": "string", "description": "The URL at which it is served, in place of its own."}
    properties = {"at": at} | {name: dict(kind.schema) for name, kind in kinds.items()}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _without_noise(node: Any, *, names: bool = False) -> Any:
    """Without titles and defaults, which are Python's and not the file's; ``names`` says that the keys are names."""
    if isinstance(node, list):
        return [_without_noise(value) for value in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _without_noise(value, names=not names and key in ("properties", "patternProperties", "$defs"))
        for key, value in node.items()
        if names or key not in ("title", "default")
    }


if __name__ == "__main__":
    SCHEMA_FILE.write_text(made_schema_text(), encoding="utf-8")
