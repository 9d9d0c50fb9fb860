"""Command lines that nobody means, made by a seed: wrong types, wrong values, numbers of other scripts, hostile text."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from cases import Case
from hostile import TEXTS, VALUES
from scenarios import whole_scenario

_APP = b"""\
from celery import Celery

app = Celery("shop", broker="memory://")

@app.task(autoretry_for=(ValueError,), retry_backoff=True, max_retries=3)
def fail():
    raise ValueError("no")

@app.task(bind=True, name="[/nope]")
def again(self):
    raise self.retry(countdown=5)

def waits(attempt):
    return "x"
"""
_NUMBERS = ("-1", "0", "1e3", "1.5", "\uff11", "\u0663", "9" * 40, "9" * 5_000, "0x10", "1_000", "", "nan", "inf", "+5")
_TEXTS = [text for text in TEXTS if "\x00" not in text and not any(0xD800 <= ord(char) < 0xE000 for char in text)]


def odd_command_lines(number: int, trace: str) -> Iterator[Case]:
    """So many cases; the trace is that of a run."""
    files = {"s.scenario.yaml": whole_scenario(), "t.ndjson": trace.encode(), "shop.py": _APP}
    for seed in range(number):
        draw = random.Random(f"command line {seed}")
        arguments = list(draw.choice(_COMMANDS)(draw))
        serves = arguments[:1] == ["serve"]
        yield Case(
            name=f"command line {seed}: {ascii(arguments)[:150]}",
            arguments=arguments,
            files=files,
            interrupt_after=1.5 if serves else None,
        )


def _any(draw: random.Random) -> str:
    value = draw.choice([*VALUES, *_NUMBERS])
    return (
        value
        if isinstance(value, str) and value in _TEXTS
        else str(value)[:6_000].replace("\0", "").encode("ascii", "ignore").decode()
    )


def _options(draw: random.Random, kinds: Sequence[tuple[str, Sequence[str]]], most: int = 3) -> Iterator[str]:
    for flag, values in draw.sample(list(kinds), draw.randrange(most + 1)):
        yield flag
        if values:
            yield draw.choice([*values, *_NUMBERS, _any(draw)])


def _serve(draw: random.Random) -> Iterator[str]:
    yield "serve"
    yield draw.choice(["twitter", "github", "crm", "stripe", "nobody", _any(draw)])
    for _ in range(draw.choice([1, 1, 2, 3])):
        key = draw.choice([
            "era", "limits", "trouble", "seed", "url", "limit", "per", "algorithm", "answer", "dialect", "latency", "endpoints",
            "clock_skew", "timeline", "people", "accounts", "tier", "monthly_posts", "extra_calls", "reopening", "at", "name",
        ])  # fmt: skip
        value = draw.choice([
            "1999", "5", "boom", "abc", "https://a b", "https://crm.acme.io", "1" + "0" * 40 + " per minute", "10 per 0s",
            '{"core": 5}', '{"core": "5 per minute"}', "[]", "null", "[[[[", "[" * 5_000, _any(draw),
        ])  # fmt: skip
        yield "-o"
        yield f"{key}={value}"
    yield from _options(draw, [("--port", ["0"]), ("--seed", ["1"])], 1)


def _audit(draw: random.Random) -> Iterator[str]:
    yield "audit"
    yield draw.choice(["shop:app", "shop:app", "shop:app", "shop", "nothing:app", _any(draw)])
    thresholds = [
        "lost(15m) > 0%",
        "lost(\u0661m) > \uff15%",
        "span < 15 minutes",
        "retries < 3",
        "retries < \u0663",
        "lost(1h) > 1e9",
    ]
    yield from _options(
        draw,
        [
            ("--fail-if", thresholds), ("--max-retries", ["3", "none", "\u0663"]), ("--policy", ["shop:waits", "shop:nope", "x"]),
            ("--policies", []), ("--tasks", ["5"]), ("--limit", ["5 per minute", "\u0665 per minute", "1" + "0" * 40 + " per minute"]),
            ("--seeds", ["1"]), ("--seed", ["1"]), ("--copies", ["5"]), ("--jobs", ["1"]), ("--task", ["fail", "nope"]),
            ("--json", []), ("--markdown", []), ("--svg", ["o.svg", "nowhere/o.svg"]),
        ],
    )  # fmt: skip


def _run(draw: random.Random) -> Iterator[str]:
    yield draw.choice(["run", "validate"])
    yield draw.choice(
        ["s.scenario.yaml", "s.scenario.yaml", "no.scenario.yaml", ".", "/dev/null", "t.ndjson", _any(draw)]
    )
    yield from _options(
        draw, [("--seed", ["1"]), ("--json", []), ("--trace", ["traces", "t.ndjson", "/proc/x"]), ("--report", [])]
    )


def _trace(draw: random.Random) -> Iterator[str]:
    yield "trace"
    yield draw.choice(["t.ndjson", "t.ndjson", "no.ndjson", "s.scenario.yaml", ".", "/dev/null", _any(draw)])
    outputs = ["o.html", ".", "nowhere/x"]
    yield from _options(
        draw,
        [("--task", ["add"]), ("--worker", ["w"]), ("--fake", ["f"]), ("--each", []), ("--report", []), ("--json", []),
         ("--html", outputs), ("--svg", outputs), ("--perfetto", outputs)],
    )  # fmt: skip


def _new(draw: random.Random) -> Iterator[str]:
    yield "new"
    yield draw.choice(["fail", "again", "nope", _any(draw)])
    yield from _options(draw, [("--app", ["shop:app", "shop", "nothing", ":", "a:b:c"])], 1)


def _nothing(draw: random.Random) -> Iterator[str]:
    for _ in range(draw.randrange(4)):
        yield draw.choice(
            ["run", "--help", "--version", "audit", "-o", "--", "-", "serve", "trace", _any(draw), *_TEXTS]
        )


_COMMANDS: list[Callable[[random.Random], Iterator[str]]] = [
    _serve,
    _serve,
    _audit,
    _audit,
    _run,
    _trace,
    _new,
    _nothing,
]
