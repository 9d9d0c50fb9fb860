"""The methods of AMQP 0-9-1 with RabbitMQ's extensions: numbers, arguments, formats of py-amqp."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from amqp.exceptions import FrameSyntaxError
from amqp.serialization import dumps, loads

from retrysim.rabbitmq.refusal import Refusal

_SIGNATURE = struct.Struct(">HH")
#: What reading malformed bytes may raise.
MALFORMED = (
    struct.error, ValueError, TypeError, IndexError, OverflowError, OSError, RecursionError, FrameSyntaxError,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Method:
    """A method; arguments whose name begins with an underscore are reserved and passed to nobody."""

    name: str
    signature: tuple[int, int]
    format: str
    arguments: tuple[str, ...]


def _method(name: str, class_id: int, method_id: int, format_: str = "", arguments: str = "") -> Method:
    return Method(name, (class_id, method_id), format_, tuple(arguments.split()))


#: What clients send.
_REQUESTS = (
    _method("connection.start_ok", 10, 11, "FsSs", "client_properties mechanism response locale"),
    _method("connection.secure_ok", 10, 21, "S", "response"),
    _method("connection.tune_ok", 10, 31, "BlB", "channel_max frame_max heartbeat"),
    _method("connection.open", 10, 40, "ssb", "virtual_host _ _"),
    _method("connection.close", 10, 50, "BsBB", "_ _ _ _"),
    _method("connection.close_ok", 10, 51),
    _method("connection.update_secret", 10, 70, "Ss", "_ _"),
    _method("channel.open", 20, 10, "s", "_"),
    _method("channel.flow", 20, 20, "b", "active"),
    _method("channel.flow_ok", 20, 21, "b", "active"),
    _method("channel.close", 20, 40, "BsBB", "_ _ _ _"),
    _method("channel.close_ok", 20, 41),
    _method("access.request", 30, 10, "sbbbbb", "_ _ _ _ _ _"),
    _method(
        "exchange.declare", 40, 10, "BssbbbbbF", "_ exchange type passive durable auto_delete internal nowait arguments"
    ),
    _method("exchange.delete", 40, 20, "Bsbb", "_ exchange if_unused nowait"),
    _method("exchange.bind", 40, 30, "BsssbF", "_ destination source routing_key nowait arguments"),
    _method("exchange.unbind", 40, 40, "BsssbF", "_ destination source routing_key nowait arguments"),
    _method("queue.declare", 50, 10, "BsbbbbbF", "_ queue passive durable exclusive auto_delete nowait arguments"),
    _method("queue.bind", 50, 20, "BsssbF", "_ queue exchange routing_key nowait arguments"),
    _method("queue.purge", 50, 30, "Bsb", "_ queue nowait"),
    _method("queue.delete", 50, 40, "Bsbbb", "_ queue if_unused if_empty nowait"),
    _method("queue.unbind", 50, 50, "BsssF", "_ queue exchange routing_key arguments"),
    _method("basic.qos", 60, 10, "lBb", "prefetch_size prefetch_count global_"),
    _method("basic.consume", 60, 20, "BssbbbbF", "_ queue consumer_tag no_local no_ack exclusive nowait arguments"),
    _method("basic.cancel", 60, 30, "sb", "consumer_tag nowait"),
    _method("basic.publish", 60, 40, "Bssbb", "_ exchange routing_key mandatory immediate"),
    _method("basic.get", 60, 70, "Bsb", "_ queue no_ack"),
    _method("basic.ack", 60, 80, "Lb", "delivery_tag multiple"),
    _method("basic.reject", 60, 90, "Lb", "delivery_tag requeue"),
    _method("basic.recover_async", 60, 100, "b", "requeue"),
    _method("basic.recover", 60, 110, "b", "requeue"),
    _method("basic.nack", 60, 120, "Lbb", "delivery_tag multiple requeue"),
    _method("confirm.select", 85, 10, "b", "nowait"),
    _method("tx.select", 90, 10),
    _method("tx.commit", 90, 20),
    _method("tx.rollback", 90, 30),
)
#: What the server sends.
_ANSWERS = (
    _method("connection.start", 10, 10, "ooFSS"),
    _method("connection.tune", 10, 30, "BlB"),
    _method("connection.open_ok", 10, 41, "s"),
    _method("connection.close", 10, 50, "BsBB"),
    _method("connection.close_ok", 10, 51),
    _method("connection.blocked", 10, 60, "s"),
    _method("connection.unblocked", 10, 61),
    _method("connection.update_secret_ok", 10, 71),
    _method("channel.open_ok", 20, 11, "S"),
    _method("channel.flow_ok", 20, 21, "b"),
    _method("channel.close", 20, 40, "BsBB"),
    _method("channel.close_ok", 20, 41),
    _method("access.request_ok", 30, 11, "B"),
    _method("exchange.declare_ok", 40, 11),
    _method("exchange.delete_ok", 40, 21),
    _method("exchange.bind_ok", 40, 31),
    _method("exchange.unbind_ok", 40, 51),
    _method("queue.declare_ok", 50, 11, "sll"),
    _method("queue.bind_ok", 50, 21),
    _method("queue.purge_ok", 50, 31, "l"),
    _method("queue.delete_ok", 50, 41, "l"),
    _method("queue.unbind_ok", 50, 51),
    _method("basic.qos_ok", 60, 11),
    _method("basic.consume_ok", 60, 21, "s"),
    _method("basic.cancel", 60, 30, "sb"),
    _method("basic.cancel_ok", 60, 31, "s"),
    _method("basic.return", 60, 50, "Bsss"),
    _method("basic.deliver", 60, 60, "sLbss"),
    _method("basic.get_ok", 60, 71, "Lbssl"),
    _method("basic.get_empty", 60, 72, "s"),
    _method("basic.ack", 60, 80, "Lb"),
    _method("basic.recover_ok", 60, 111),
    _method("basic.nack", 60, 120, "Lbb"),
    _method("confirm.select_ok", 85, 11),
    _method("tx.select_ok", 90, 11),
    _method("tx.commit_ok", 90, 21),
    _method("tx.rollback_ok", 90, 31),
)
_BY_SIGNATURE = {method.signature: method for method in _REQUESTS}
_ANSWER = {method.name: method for method in _ANSWERS}


def _parse_publish(payload: bytes) -> dict[str, Any]:
    exchange_end = 7 + payload[6]
    key_end = exchange_end + 1 + payload[exchange_end]
    bits = payload[key_end]
    return {
        "exchange": payload[7:exchange_end].decode(),
        "routing_key": payload[exchange_end + 1 : key_end].decode(),
        "mandatory": bits & 1 == 1,
        "immediate": bits & 2 == 2,
    }


def _parse_ack(payload: bytes) -> dict[str, Any]:
    return {"delivery_tag": int.from_bytes(payload[4:12], "big"), "multiple": payload[12] & 1 == 1}


#: What comes with each message is read without py-amqp's general reader, which takes ten times as long.
_OFTEN = {(60, 40): _parse_publish, (60, 80): _parse_ack}


def parse(payload: bytes) -> tuple[Method, dict[str, Any]]:
    """The method of a method frame, and its arguments by name. Raises ``Refusal`` for what is none."""
    try:
        signature = _SIGNATURE.unpack_from(payload)
        method = _BY_SIGNATURE[signature]
    except struct.error:
        raise Refusal(502, "a method frame without a method") from None
    except KeyError:
        raise Refusal(503, f"unknown method {signature}") from None
    try:
        if signature in _OFTEN:
            return method, _OFTEN[signature](payload)
        values, end = loads(method.format, payload, 4)
    except MALFORMED:
        raise Refusal(502, f"cannot decode the arguments of {method.name}") from None
    if end > len(payload):  # py-amqp takes a slice of what is there
        raise Refusal(502, f"the arguments of {method.name} end too early")
    return method, {name: value for name, value in zip(method.arguments, values, strict=True) if name != "_"}


def encode_deliver(consumer_tag: bytes, tag: int, *, redelivered: bool, exchange: str, routing_key: str) -> bytes:
    """The payload of ``basic.deliver``."""
    source, key = exchange.encode(), routing_key.encode()
    head = b"\x00\x3c\x00\x3c%c%b" % (len(consumer_tag), consumer_tag)
    return b"%b%b%c%c%b%c%b" % (head, tag.to_bytes(8, "big"), redelivered, len(source), source, len(key), key)


def encode(name: str, *values: Any) -> bytes:
    """The payload of a method frame of the server's."""
    method = _ANSWER[name]
    return _SIGNATURE.pack(*method.signature) + bytes(dumps(method.format, values))
