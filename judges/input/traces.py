"""Damaged traces, made from whole ones by a seed, each read by a command that draws, prints or compares it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from cases import Case
from hostile import TEXTS, VALUES

_VIEWS = (
    ("trace", "t.ndjson"),
    ("trace", "t.ndjson", "--each"),
    ("trace", "t.ndjson", "--report"),
    ("trace", "t.ndjson", "--json"),
    ("trace", "t.ndjson", "--html", "o.html"),
    ("trace", "t.ndjson", "--svg", "o.svg"),
    ("trace", "t.ndjson", "--perfetto", "o.json"),
    ("trace", "--diff", "t.ndjson", "whole.ndjson"),
    ("trace", "--diff", "whole.ndjson", "t.ndjson", "--json"),
    ("trace", "t.ndjson", "--task", "add", "--json"),
)
_Lines = list[Any]


def damaged_traces(whole: Sequence[str], number: int) -> Iterator[Case]:
    """So many cases; the whole traces are those of runs."""
    for seed in range(number):
        draw = random.Random(f"trace {seed}")
        text = draw.choice(list(whole))
        damage = draw.choice(_DAMAGES)
        broken = damage(text, draw)
        view = _VIEWS[seed % len(_VIEWS)]
        yield Case(
            name=f"trace {seed}: {damage.__name__.strip('_')}: {' '.join(view)}",
            arguments=view,
            files={"t.ndjson": broken, "whole.ndjson": text.encode()},
        )


def _lines(change: Callable[[_Lines, random.Random], None]) -> Callable[[str, random.Random], bytes]:
    """A damage that is done to the objects of the lines."""

    def damage(text: str, draw: random.Random) -> bytes:
        lines = [json.loads(line) for line in text.splitlines()]
        change(lines, draw)
        return "\n".join(json.dumps(line) for line in lines).encode()

    damage.__name__ = change.__name__
    return damage


def _cut(text: str, draw: random.Random) -> bytes:
    return text.encode()[: draw.randrange(len(text))]


def _bytes_replaced(text: str, draw: random.Random) -> bytes:
    data = bytearray(text.encode())
    for _ in range(draw.choice([1, 3, 50])):
        data[draw.randrange(len(data))] = draw.randrange(256)
    return bytes(data)


def _encoded_otherwise(text: str, draw: random.Random) -> bytes:
    return text.encode(draw.choice(["utf-16", "utf-8-sig", "utf-32", "cp500"]))


def _carriage_returns(text: str, draw: random.Random) -> bytes:
    return text.replace("\n", draw.choice(["\r\n", "\r", "\n\n", "\u2028", "\x85"])).encode()


def _nested(text: str, draw: random.Random) -> bytes:
    lines = text.splitlines()
    depth = draw.choice([100, 100_000])
    lines[draw.randrange(len(lines))] = draw.choice(["[" * depth, '{"event":' * depth, "[" * depth + "]" * depth])
    return "\n".join(lines).encode()


def _value_replaced(lines: _Lines, draw: random.Random) -> None:
    for _ in range(draw.choice([1, 1, 5])):
        line = draw.choice(lines)
        line[draw.choice(list(line))] = draw.choice(VALUES)


_NUMBERS = (0, 1, -1, 10**9, 2**53, 10**18, 10**30, -(10**18), 253_402_300_799 * 10**9)


def _number_replaced(lines: _Lines, draw: random.Random) -> None:
    """By one of the right type, and far out."""
    line = draw.choice(lines)
    numbers = [key for key, value in line.items() if isinstance(value, int)]
    if numbers:
        line[draw.choice(numbers)] = draw.choice(_NUMBERS)


def _text_replaced(lines: _Lines, draw: random.Random) -> None:
    """By text that would steer a terminal or a page, everywhere."""
    for line in lines[1:]:
        texts = [key for key, value in line.items() if isinstance(value, str) and key != "event"]
        if texts:
            line[draw.choice(texts)] = draw.choice(TEXTS)


def _key_removed(lines: _Lines, draw: random.Random) -> None:
    line = draw.choice(lines)
    del line[draw.choice(list(line))]


def _key_added(lines: _Lines, draw: random.Random) -> None:
    draw.choice(lines)[draw.choice(["", "kind", "__class__", "\x1b[2J"])] = draw.choice(VALUES)


def _line_replaced(lines: _Lines, draw: random.Random) -> None:
    lines[draw.randrange(len(lines))] = draw.choice(VALUES)


def _shuffled(lines: _Lines, draw: random.Random) -> None:
    """Events in another order, at instants that stand in order."""
    instants = [line["at_ns"] for line in lines[1:]]
    rest = lines[1:]
    draw.shuffle(rest)
    lines[1:] = [{**line, "at_ns": at_ns} for line, at_ns in zip(rest, instants, strict=True)]


def _lines_removed(lines: _Lines, draw: random.Random) -> None:
    lines[1:] = [line for line in lines[1:] if draw.random() < 0.5]


def _lines_doubled(lines: _Lines, draw: random.Random) -> None:
    lines[1:] = [line for line in lines[1:] for _ in range(draw.choice([1, 2, 3]))]


def _events_exchanged(lines: _Lines, draw: random.Random) -> None:
    """One kind of event under the name of another."""
    kinds = sorted({line["event"] for line in lines[1:]})
    for line in lines[1:]:
        if draw.random() < 0.2:
            line["event"] = draw.choice(kinds)


_DAMAGES: list[Callable[[str, random.Random], bytes]] = [
    _cut, _bytes_replaced, _encoded_otherwise, _carriage_returns, _nested,
    *map(_lines, [
        _value_replaced, _value_replaced, _number_replaced, _number_replaced,
        _text_replaced, _key_removed, _key_added, _line_replaced,
        _shuffled, _lines_removed, _lines_doubled, _events_exchanged,
    ]),
]  # fmt: skip
