"""Broken scenario files, made from whole ones by a seed, checked and played."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from cases import Case
from hostile import TEXTS, VALUES

_APP = b"""\
from celery import Celery
import requests

app = Celery("shop", broker="memory://", backend="cache+memory://")

@app.task
def add(a=1, b=2, **more):
    return f"{a}{b}"

@app.task(bind=True, max_retries=3, default_retry_delay=60)
def fetch(self, token="x"):
    answer = requests.get("https://crm.acme.io/items", headers={"Authorization": token})
    if answer.status_code != 200:
        raise self.retry()

@app.task(autoretry_for=(ValueError,), retry_backoff=True)
def fail():
    raise ValueError("no")
"""
_WHOLE: tuple[dict[str, Any], ...] = (
    {"name": "adds", "app": "shop:app", "submit": [{"task": "add", "times": 3}], "expect": {"states": {"SUCCESS": 3}}},
    {
        "name": "everything",
        "app": "shop:app", "description": "x", "tags": ["slow"], "env": {"TOKEN": "x"},
        "start": "2015-08-03T12:00:00Z", "seeds": [1], "celery": ["worker", "eager"], "broker": ["memory", "redis"],
        "allow": ["localhost:5432"], "strict": False, "redis": True, "requires": ["celery>=5.4"],
        "workers": {"count": 2, "concurrency": [1, 4], "queues": ["celery"]}, "cost": {"add": "2s", "*": "10ms"},
        "fakes": {"crm": {"url": "https://crm.acme.io", "limit": "5 per minute"}, "github": {"limits": {"core": "5 per hour"}}},
        "submit": [
            {"task": "fetch", "times": 6, "kwargs": {"token": "a"}, "at": ["0s", "5m"], "every": "1s"},
            {"task": "add", "for_each": {"a": [1, 2]}, "kwargs": {"b": 1}, "rate": "100 per minute"},
            {"task": "add", "args": [1], "countdown": "5s", "expires": "1h", "queue": "celery",
             "options": {"priority": 3, "serializer": "json", "headers": {"a": 1}}},
        ],
        "run_for": "2h", "limits": {"events": 100000, "virtual_time": "1d", "attempts_per_task": 50},
        "expect": {
            "states": {"SUCCESS": 15}, "elapsed": "15m", "attempts": {"add": 1}, "retried": {"tasks": 2, "at": "reset"},
            "story": {"GET /items": "5x200 1x429"}, "invariants": ["every_task_settles", {"quota_is_respected": {"fake": "crm"}}],
        },
        "expect_eager": {"elapsed": "0s"},
    },
    {
        "name": "faults", "app": "shop:app", "broker": "redis", "workers": [{"name": "a", "count": 2}, {"name": "b", "pool": "threads"}],
        "submit": [{"task": "fail", "times": 2}],
        "faults": [
            {"kill": "a-1", "when": {"event": "task-started", "nth": 1}, "for": "10s"},
            {"partition": "b", "at": "1s", "for": "5s"},
            {"drop": {"task": "fail", "nth": 1}},
        ],
        "until": "2020-01-01T01:00:00Z",
    },
)  # fmt: skip
_BOMBS: tuple[tuple[str, bytes], ...] = (
    ("ten megabytes", b"name: " + b"x" * 10_000_000),
    ("a million values", b"name: x\nsubmit: [" + b"1," * 490_000 + b"]"),
    ("aliases", b"a: &a [x,x,x]\nb: &b [*a,*a,*a]\nc: &c [*b,*b,*b]\nname: *c"),
    ("deep nesting", b"name: " + b"[" * 100_000),
    ("deep mappings", b"".join(b" " * n + b"a:\n" for n in range(1_000))),
    ("a long number", b"name: x\napp: a\nseed: " + b"9" * 100_000),
    ("a long key", b"? " + b"k" * 100_000 + b"\n: x"),
    ("utf-16", "name: x\napp: a\n".encode("utf-16")),
    ("latin-1", "name: caf\xe9".encode("latin-1")),
    ("a byte order mark", "\ufeffname: x\napp: shop:app\nsubmit: [{task: add}]\n".encode()),
    ("carriage returns", b"name: x\r\napp: shop:app\r\nsubmit: [{task: add}]\r\n"),
    ("nothing", b""),
    ("NUL", b"name: \x00"),
    ("only a comment", b"# x"),
    ("two documents", b"name: x\n---\nname: y"),
    ("a tag", b"!!python/object/apply:os.system ['true']"),
    ("a merge", b"<<: {name: x}\napp: a"),
    ("a billion tasks", b"name: x\napp: shop:app\nsubmit: [{task: add, times: 1000000000}]"),
    ("seeds", b"name: x\napp: shop:app\nsubmit: [{task: add}]\nseeds: 0..99999"),
    ("many items", b"name: x\napp: shop:app\nsubmit: [{task: add}]\nseeds: 0..9999\ncelery: [worker, eager, always_eager]"),
    ("a regular expression's worst", b"name: x\napp: a\nstart: " + b"1" * 50_000 + b"Z"),
    ("a long duration", b"name: x\napp: a\nsubmit: [{task: add, every: '" + b"1h" * 20_000 + b"'}]"),
)  # fmt: skip


def whole_scenario() -> bytes:
    """One with which nothing is wrong."""
    return _written(_WHOLE[0])


def broken_scenarios(number: int) -> Iterator[Case]:
    """So many cases."""
    for seed in range(number):
        draw = random.Random(f"scenario {seed}")
        if seed < len(_BOMBS):
            what, content = _BOMBS[seed]
        else:
            damage = draw.choice(_DAMAGES)
            whole = json.loads(json.dumps(draw.choice(_WHOLE)))
            what, content = damage.__name__.strip("_"), damage(whole, draw)
        arguments = draw.choice([["run"], ["run"], ["run", "--json"], ["validate"], ["validate", "--json"]])
        yield Case(
            name=f"scenario {seed}: {what}: {' '.join(arguments)}",
            arguments=[*arguments, "s.scenario.yaml"],
            files={"s.scenario.yaml": content, "shop.py": _APP},
        )


def _written(value: Any) -> bytes:
    """As JSON, which is YAML, but for lone surrogates, which UTF-8 cannot hold."""
    return json.dumps(value).encode()


def _paths(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from _paths(child, (*path, key))


def _parent(whole: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        whole = whole[key]
    return whole


def _values_replaced(whole: Any, draw: random.Random) -> bytes:
    for _ in range(draw.choice([1, 1, 2])):
        path = draw.choice(list(_paths(whole)))
        _parent(whole, path)[path[-1]] = draw.choice(VALUES)
    return _written(whole)


def _values_large(whole: Any, draw: random.Random) -> bytes:
    path = draw.choice(list(_paths(whole)))
    large = (
        10**6 + 1,
        10**9,
        10**18,
        10**40,
        -(10**18),
        "292 years",
        "0..999999999",
        "9999-12-31T23:59:59Z",
        [0] * 1_000,
    )
    _parent(whole, path)[path[-1]] = draw.choice(large)
    return _written(whole)


def _values_exchanged(whole: Any, draw: random.Random) -> bytes:
    """A value of one key under another."""
    one, other = (draw.choice(list(_paths(whole))) for _ in range(2))
    value = json.loads(json.dumps(_parent(whole, other)[other[-1]]))
    _parent(whole, one)[one[-1]] = value
    return _written(whole)


def _keys_renamed(whole: Any, draw: random.Random) -> bytes:
    path = draw.choice([path for path in _paths(whole) if isinstance(path[-1], str)])
    parent = _parent(whole, path)
    parent[draw.choice([path[-1][:-1], path[-1] + "s", *TEXTS])] = parent.pop(path[-1])
    return _written(whole)


def _keys_removed(whole: Any, draw: random.Random) -> bytes:
    path = draw.choice(list(_paths(whole)))
    del _parent(whole, path)[path[-1]]
    return _written(whole)


def _options(whole: Any, draw: random.Random) -> bytes:
    """An option of apply_async that nobody meant."""
    names = (
        "priority", "serializer", "compression", "task_id", "headers", "time_limit", "link", "chord", "expires", "eta",
        "routing_key", "exchange", "declare", "retry_policy", "producer", "connection", "group_id", "reply_to", "x", "args",
        "delivery_mode", "root_id", "stamped_headers", "ignore_result", "timeout", "router", "shadow", "queue",
    )  # fmt: skip
    submission = draw.choice(whole["submit"])
    submission["options"] = {draw.choice(names): draw.choice([*VALUES, "msgpack", "nope", "zlib", "brotli"])}
    return _written(whole)


def _fake_options(whole: Any, draw: random.Random) -> bytes:
    names = ("url", "limit", "per", "algorithm", "answer", "endpoints", "state", "dialect", "seed", "clock_skew", "latency",
             "trouble", "limits", "era", "at", "x", "name")  # fmt: skip
    fake = draw.choice(["crm", "twitter", "github", "stripe", "slack", "aws", "nobody"])
    options = {draw.choice(names): draw.choice([*VALUES, "5 per minute", {"core": 5}, "10 per 0s"])}
    whole["fakes"] = {fake: options if draw.random() < 0.5 else {"url": "https://crm.acme.io"} | options}
    return _written(whole)


def _tags(whole: Any, draw: random.Random) -> bytes:
    whole["tags"] = draw.choice([*VALUES, "timeout", "parametrize", "skip", "usefixtures", "not", "a b"])
    return _written(whole)


def _bytes_damaged(whole: Any, draw: random.Random) -> bytes:
    data = bytearray(_written(whole))
    for _ in range(draw.choice([1, 2, 10])):
        data[draw.randrange(len(data))] = draw.randrange(256)
    return bytes(data[: draw.choice([len(data), len(data), draw.randrange(len(data))])])


def _text_inserted(whole: Any, draw: random.Random) -> bytes:
    text = json.dumps(whole, indent=2)
    place = draw.randrange(len(text))
    return (text[:place] + draw.choice(TEXTS) + text[place:]).encode("utf-8", errors="surrogatepass")


_DAMAGES: list[Callable[[Any, random.Random], bytes]] = [
    _values_replaced, _values_replaced, _values_replaced, _values_large, _values_large, _values_exchanged, _keys_renamed,
    _keys_removed, _options, _options, _fake_options, _fake_options, _tags, _bytes_damaged, _text_inserted,
]  # fmt: skip
