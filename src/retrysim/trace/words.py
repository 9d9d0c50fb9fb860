"""A line that people read and compare: ``"RETRY 15m SUCCESS"``, ``"180x200 20x429 15m 20x200"``."""

from __future__ import annotations

from difflib import SequenceMatcher
from itertools import zip_longest


class Words(str):
    """Text, made of words between spaces. It is a type of its own so that pytest can show where two differ."""

    __slots__ = ()


def aligned(got: str, expected: str) -> list[str]:
    """Two lines under each other, word under word, and a third that marks the words that differ."""
    columns = _columns(got.split(), expected.split())
    widths = [max(len(one), len(other)) for one, other in columns]
    marks = ["" if one == other else "^" * width for (one, other), width in zip(columns, widths, strict=True)]
    rows = [
        ("got       ", [one for one, _ in columns]),
        ("expected  ", [other for _, other in columns]),
        ("          ", marks),
    ]
    return [(head + " ".join(map(str.ljust, words, widths))).rstrip() for head, words in rows]


def _columns(got: list[str], expected: list[str]) -> list[tuple[str, str]]:
    columns: list[tuple[str, str]] = []
    for _, i1, i2, j1, j2 in SequenceMatcher(None, got, expected, autojunk=False).get_opcodes():
        columns += zip_longest(got[i1:i2], expected[j1:j2], fillvalue="")
    return columns
