"""What lies in the simulated Redis, read without a command: messages in queues, and unacked ones that nobody has."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from retrysim.celery.redis.server import RedisServer
from retrysim.clock import GRID_NS
from retrysim.network import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Where the channels of one app keep their messages."""

    database: int
    prefix: str
    separator: str
    unacked: bytes
    unacked_index: bytes
    visibility_timeout: int


def keys_of(channel: Any) -> Keys:
    """The keys of a channel of kombu's Redis transport, by its transport options."""
    prefix = channel.global_keyprefix
    return Keys(
        database=channel.client.connection_pool.connection_kwargs["db"],
        prefix=prefix,
        separator=channel.sep,
        unacked=f"{prefix}{channel.unacked_key}".encode(),
        unacked_index=f"{prefix}{channel.unacked_index_key}".encode(),
        visibility_timeout=channel.visibility_timeout,
    )


def scores(server: RedisServer, keys: Keys, key: bytes) -> list[float]:
    """The scores in a sorted set."""
    index = server.dbs[keys.database].get(key)
    return [] if index is None else [index.value[member] for member in index.value]


def queued(server: RedisServer, keys: Iterable[Keys]) -> dict[str, list[str]]:
    """Queue → the ids of the tasks in it, next first: high priority before low."""
    waiting: dict[str, list[str]] = {}
    seen: set[tuple[int, bytes]] = set()
    for place in sorted(keys, key=lambda place: -len(place.prefix)):
        database = server.dbs[place.database]
        for key in sorted(key for key in database if key.startswith(place.prefix.encode())):
            value = database[key].value
            if isinstance(value, list) and (place.database, key) not in seen:
                seen.add((place.database, key))
                queue = key.decode().removeprefix(place.prefix).partition(place.separator)[0]
                waiting.setdefault(queue, []).extend(_task_ids(value))
    return {queue: task_ids for queue, task_ids in waiting.items() if task_ids}


def orphans(server: RedisServer, keys: Iterable[Keys], channels: Iterable[Any]) -> Iterator[tuple[Keys, bytes]]:
    """The delivery tags of unacked messages that no open channel has: their worker is gone."""
    for place in keys:
        index = server.dbs[place.database].get(place.unacked_index)
        if index is not None:
            held = {tag.encode() for channel in channels if channel._qos for tag in channel._qos._delivered}
            yield from ((place, tag) for tag in index.value if tag not in held)


def given_and_unread(connections: Iterable[Connection]) -> Iterator[str]:
    """The ids of the tasks whose messages lie in these connections, popped by a BRPOP and not yet read."""
    for reply in (reply for connection in connections for reply in connection.unread):
        if isinstance(reply, list) and len(reply) == 2 and isinstance(reply[1], bytes):
            task_id = _task_id(_parsed(reply[1]))
            if task_id is not None:
                yield task_id


def task_id_of(server: RedisServer, place: Keys, tag: bytes) -> str | None:
    """The id of the task in an unacked message."""
    messages = server.dbs[place.database].get(place.unacked)
    stored = None if messages is None else messages.value.get(tag)
    return None if stored is None else _task_id(json.loads(stored)[0])


def delivered_ns(server: RedisServer, place: Keys, tag: bytes) -> int:
    """When an unacked message was delivered, in nanoseconds since the epoch."""
    score: float = server.dbs[place.database][place.unacked_index].value[tag]
    return round(score * 1e6) * GRID_NS


def _task_ids(items: list[bytes]) -> list[str]:
    found = (_task_id(_parsed(item)) for item in reversed(items))  # BRPOP takes the last
    return [task_id for task_id in found if task_id is not None]


def _parsed(item: bytes) -> Any:
    try:
        return json.loads(item)
    except ValueError:
        return None  # somebody else's list


def _task_id(message: Any) -> str | None:
    headers = message.get("headers") if isinstance(message, dict) else None
    task_id = headers.get("id") if isinstance(headers, dict) else None
    return task_id if isinstance(task_id, str) else None
