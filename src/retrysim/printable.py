"""Characters that steer a terminal or cannot be seen, written as escapes: what comes from a run is shown, not obeyed.

They are the controls of Unicode (C0, DEL, C1), the marks that reorder text, and lone surrogates. Every output passes
its texts through one of these functions where it is written, once: ``printable`` for text that a person reads,
``json_text`` for JSON.
"""

from __future__ import annotations

import json
import re
from typing import Any

#: Marks that reorder text or have no width, and what ends a line for some readers and not for others.
_UNSEEN = "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb\ufffe\uffff"
_HARMFUL = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff{_UNSEEN}]")
_HARMFUL_BUT_COLOUR = re.compile(f"(\x1b\\[[0-9;]*m)|{_HARMFUL.pattern}")
_HARMFUL_IN_JSON = re.compile(f"[\x7f-\x9f\ud800-\udfff{_UNSEEN}]")  # JSON itself escapes C0


def printable(text: str) -> str:
    r"""The text with ``\x1b`` for an ESC and ``\u202e`` for a mark that reorders it; tabs and newlines stay."""
    return text if text.isascii() and text.isprintable() else _HARMFUL.sub(_escape, text)


def printable_styled(text: str) -> str:
    r"""As ``printable``, for text with colours of our own, which stay: what comes from a run went through it before."""
    return text if text.isascii() and text.isprintable() else _HARMFUL_BUT_COLOUR.sub(_keep_colour, text)


def printable_line(text: str) -> str:
    r"""As ``printable``, for text that has to stay on one line: ``\n`` and ``\t`` are escaped, too."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def json_text(value: Any, *, compact: bool = False) -> str:
    r"""One line of JSON that a terminal shows as it is, and that UTF-8 can hold: unseen characters are ``\uXXXX``."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":") if compact else None)
    return text if text.isascii() and text.isprintable() else _HARMFUL_IN_JSON.sub(_json_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def _keep_colour(match: re.Match[str]) -> str:
    return match[1] or _escape(match)


def _json_escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"
