"""The random operations of a case of ``rabbitmq_differential``: what is declared, and what is done to it."""

from __future__ import annotations

#: How many operations a case has, after its declarations, unless told otherwise.
LENGTH = 40

KINDS = {
    "plain": {},
    "durable": {"durable": True},
    "ttl": {"x-message-ttl": 250, "dead": True},
    "short": {"x-max-length": 2, "dead": True},
    "full": {"x-max-length": 2, "x-overflow": "reject-publish"},
    "fulldlx": {"x-max-length": 2, "x-overflow": "reject-publish-dlx", "dead": True},
    "bytes": {"x-max-length-bytes": 20},
    "priority": {"x-max-priority": 4, "dead": True},
    "single": {"x-single-active-consumer": True},
    "auto": {"auto_delete": True},
    "dead": {"dead": True},
    "circle": {"dead": True, "self": True, "x-message-ttl": 200},
    "exclusive": {"exclusive": True},
    "expires": {"x-expires": 300},
    "quorum": {"durable": True, "x-queue-type": "quorum", "dead": True},
    "quorumlimit": {"durable": True, "x-queue-type": "quorum", "x-delivery-limit": 2, "dead": True},
}


def draw(stream, prefix, only, length):
    """The operations of a case."""
    queues = [f"{prefix}.q{number}" for number in range(3)]
    kinds = {queue: stream.choice(only) for queue in queues}
    exchanges = {f"{prefix}.x{number}": stream.choice(["direct", "fanout", "topic", "headers"]) for number in range(2)}
    where = (0, 0)
    yield ("declare", where, {"queue": f"{prefix}.barrier", "kind": "durable"})
    yield ("exchange", where, {"exchange": f"{prefix}.dlx", "kind": "fanout", "alternate": None})
    yield ("declare", where, {"queue": f"{prefix}.dead", "kind": stream.choice(["durable", "dead"])})
    yield ("bind", where, {"queue": f"{prefix}.dead", "exchange": f"{prefix}.dlx", "key": "", "arguments": {}})
    for name, kind in exchanges.items():
        alternate = stream.choice([None, None, f"{prefix}.dlx"])
        yield ("exchange", where, {"exchange": name, "kind": kind, "alternate": alternate})
    for queue, kind in kinds.items():
        yield ("declare", where, {"queue": queue, "kind": kind})
    every = [*queues, f"{prefix}.dead"]
    for number in range(length):
        where = (stream.randrange(2), stream.randrange(2))
        yield _operation(stream, where, number, every, kinds, exchanges, prefix)


def _operation(stream, where, number, queues, kinds, exchanges, prefix):
    queue = stream.choice(queues)
    key = stream.choice([queue, "a", "a.b", "a.b.c", ""])
    pattern = stream.choice(["a", "a.*", "a.#", "#", "*.b", "#.c", "a.b", ""])
    exchange = stream.choice(list(exchanges))
    headers = stream.choice([{}, {"h": 1}, {"h": 1, "k": "v"}])
    match = stream.choice([{}, {"x-match": "all", "h": 1}, {"x-match": "any", "h": 1, "k": "w"}])
    arguments = match if exchanges[exchange] == "headers" else {}
    properties = {"delivery_mode": stream.choice([1, 2]), "application_headers": headers}
    if stream.random() < 0.4:
        properties["priority"] = stream.randrange(8)
    if stream.random() < 0.15:
        properties["expiration"] = stream.choice(["150", "250", "0", "60000"])
    to_queue = stream.random() < 0.7
    drawn = {
        "publish": {
            "exchange": "" if to_queue else exchange,
            "key": queue if to_queue else key,
            "body": f"m{number}",
            "properties": properties,
            "mandatory": stream.random() < 0.3,
        },
        "get": {"queue": queue, "no_ack": stream.random() < 0.3},
        "consume": {
            "queue": queue,
            "tag": f"c{number}",
            "no_ack": stream.random() < 0.2,
            "exclusive": stream.random() < 0.1,
            "priority": stream.choice([0, 0, 0, 5]),
        },
        "cancel": {"tag": f"c{stream.randrange(max(number, 1))}"},
        "qos": {"count": stream.choice([0, 1, 2, 3]), "everywhere": stream.random() < 0.2},
        "ack": {"which": stream.randrange(9), "multiple": stream.random() < 0.3},
        "reject": {"which": stream.randrange(9), "requeue": stream.random() < 0.6},
        "nack": {
            "which": stream.randrange(9),
            "multiple": stream.random() < 0.3,
            "requeue": stream.random() < 0.6,
        },
        "recover": {},
        "bind": {"queue": queue, "exchange": exchange, "key": pattern, "arguments": arguments},
        "unbind": {"queue": queue, "exchange": exchange, "key": pattern, "arguments": arguments},
        "bind_exchange": {"destination": exchange, "source": next(iter(exchanges)), "key": pattern},
        "purge": {"queue": queue},
        "delete": {"queue": queue, "if_unused": stream.random() < 0.3, "if_empty": stream.random() < 0.3},
        "declare": {"queue": queue, "kind": kinds.get(queue, "durable")},
        "reopen_channel": {},
        "reopen_connection": {},
        "wait": {"seconds": 0.3},
    }
    weights = {
        "publish": 14,
        "get": 5,
        "consume": 5,
        "ack": 5,
        "reject": 3,
        "nack": 3,
        "bind": 3,
        "qos": 2,
        "wait": 0.7,
    }
    weights |= {"reopen_channel": 0.5, "reopen_connection": 0.5, "recover": 0.5, "purge": 0.4, "delete": 0.4}
    name = stream.choices(list(drawn), [weights.get(one, 1) for one in drawn])[0]
    return (name, where, drawn[name])
