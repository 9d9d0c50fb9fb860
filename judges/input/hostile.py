"""Texts and values that nobody expects."""

from __future__ import annotations

from typing import Any

#: What would steer a terminal, break a page, or hide itself.
TEXTS = (
    "\x1b]0;title\x07", "\x1b[2J\x1b[31m", "\x9b31m", "a\x08b", "\x00", "\r\n", "a\nb", "\u202eevil",
    "\u2028", "\u0085",
    "[/nope]", "[bold red]x[/]", "[link=file:///]x", "</script><script>alert(1)</script>", "]]>", "<!--", "&amp;",
    "\ufeff",
    "\ud800", "\uffff", "e\u0301" * 50, "x" * 5_000, "", " ", "=cmd|' /C calc'!A0", "|", "`",
    "**", "{}", "%s %n", "../../../etc/passwd",
)  # fmt: skip
#: Values of JSON and YAML that fit hardly anywhere.
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 1.5, -0.0, float("nan"), float("inf"), 10**6, 10**9, 10**18, 10**40, 2**63, 1e308,
    "", "0", "-1", "\uff11\uff12", "٣", "1e9", "NaN", "x", [], [1], [[]], [["a", "b"]], [["a"]], {}, {"a": 1},
    [None], *TEXTS,
)  # fmt: skip
