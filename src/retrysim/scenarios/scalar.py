"""What an unquoted YAML scalar means: numbers as in JSON, true, false and null as in YAML 1.2, everything else text.

YAML's own resolvers make a number of ``12:15:00`` (sexagesimal), a date of ``2015-08-03``, a boolean of ``on`` and
12000 of ``12_000``, each in some version only. Here none of them is anything but text, and quoted text is always text.
"""

from __future__ import annotations

import math
import re

# Longer than any quantity or identifier of 128 bits: such a row of digits is text, and Python need not convert it.
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,38})")
_FLOAT = re.compile(r"-?(?:0|[1-9][0-9]{0,38})(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_CONSTANTS = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True,
    "false": False, "False": False, "FALSE": False,
}  # fmt: skip


def plain_value(text: str) -> str | int | float | bool | None:
    """The value of a scalar written without quotes; an empty one is ``None``."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        return number if math.isfinite(number) else text
    return text
