"""What came close: the nearest known names for an error message, and where two paths part."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher


def nearest(word: str, known: Iterable[str], most: int = 3) -> list[str]:
    """The known names most like the word, best first, ties in the given order."""
    return sorted(known, key=lambda name: -SequenceMatcher(None, word.lower(), name.lower()).ratio())[:most]


def first_difference(method: str, path: str, template_method: str, template: str) -> str:
    """Where a request leaves an endpoint: its method, its number of segments, or the first segment that differs."""
    if method != template_method:
        return f"the method is {method}, expected {template_method}"
    asked, expected = path.strip("/").split("/"), template.strip("/").split("/")
    for number, (got, wanted) in enumerate(zip(asked, expected, strict=False), start=1):
        if got != wanted and not wanted.startswith(":"):
            return f"segment {number} is {got!r}, expected {wanted!r}"
    return f"the path has {len(asked)} segments, expected {len(expected)}"
