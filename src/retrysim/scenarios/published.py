"""The published JSON Schema of scenario files: the file next to this module, which editors can check against."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

#: Where the schema is published.
SCHEMA_FILE = Path(__file__).with_name("scenario.schema.json")
#: What it is called.
SCHEMA_ID = "urn:retrysim:scenario"


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a scenario file."""
    schema: dict[str, Any] = json.loads(schema_text())
    return schema


def schema_text() -> str:
    """The schema as it is published."""
    return SCHEMA_FILE.read_text(encoding="utf-8")
