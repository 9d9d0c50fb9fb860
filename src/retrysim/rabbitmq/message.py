"""A message as the server keeps it, and its properties, which are decoded only where they matter."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any, Self

from amqp.serialization import dumps, loads

from retrysim.rabbitmq.arguments import type_name
from retrysim.rabbitmq.methods import MALFORMED
from retrysim.rabbitmq.refusal import Refusal

#: name, flag, and how it is written: shortstr, table, octet, 64 bits
_PROPERTIES = (
    ("content_type", 0x8000, "s"), ("content_encoding", 0x4000, "s"), ("headers", 0x2000, "F"),
    ("delivery_mode", 0x1000, "o"), ("priority", 0x0800, "o"), ("correlation_id", 0x0400, "s"),
    ("reply_to", 0x0200, "s"), ("expiration", 0x0100, "s"), ("message_id", 0x0080, "s"),
    ("timestamp", 0x0040, "L"), ("type", 0x0020, "s"), ("user_id", 0x0010, "s"), ("app_id", 0x0008, "s"),
    ("cluster_id", 0x0004, "s"),
)  # fmt: skip
_FLAG = {name: flag for name, flag, _ in _PROPERTIES}
_FLAGS = struct.Struct(">H")
_SIZE = struct.Struct(">I")


class Properties:
    """The properties of a message: the bytes that came, and where in them each one is."""

    __slots__ = ("_spans", "raw")

    def __init__(self, raw: bytes) -> None:
        """Raises ``Refusal`` (502) for bytes that are no properties."""
        self.raw = raw
        try:
            self._spans = _spans(raw)
        except MALFORMED:
            raise Refusal(502, "cannot decode the properties of a message") from None

    def octet(self, name: str) -> int | None:
        """``delivery_mode`` or ``priority``."""
        span = self._spans.get(name)
        return None if span is None else self.raw[span[0]]

    def text(self, name: str) -> str | None:
        """A short string: ``user_id``, say."""
        span = self._spans.get(name)
        return None if span is None else self.raw[span[0] + 1 : span[1]].decode("utf-8", "replace")

    @property
    def expiration(self) -> str | None:
        """Milliseconds, as text."""
        return self.text("expiration")

    @property
    def headers(self) -> dict[str, Any]:
        """The table of headers, decoded anew each time. Raises ``Refusal`` (502) for one that is none."""
        span = self._spans.get("headers")
        if span is None:
            return {}
        try:
            (table,), _ = loads("F", self.raw, span[0])
        except MALFORMED:
            raise Refusal(502, "cannot decode the headers of a message") from None
        return dict(table)

    def has_header(self, name: bytes) -> bool:
        """Whether a header of this name may be there; cheap, and right when it says no."""
        span = self._spans.get("headers")
        return span is not None and self.raw.find(bytes((len(name),)) + name, span[0], span[1]) >= 0

    def replaced(self, *, headers: dict[str, Any], without: str | None = None) -> Properties:
        """The same properties with other headers, ``without`` one of them."""
        (flags,) = _FLAGS.unpack_from(self.raw)
        flags |= _FLAG["headers"]
        parts = []
        for name, flag, _ in _PROPERTIES:
            if name == without:
                flags &= ~flag
            elif name == "headers":
                parts.append(bytes(dumps("F", (headers,))))
            elif name in self._spans:
                start, end = self._spans[name]
                parts.append(self.raw[start:end])
        return Properties(_FLAGS.pack(flags) + b"".join(parts))


def _spans(raw: bytes) -> dict[str, tuple[int, int]]:
    (flags,) = _FLAGS.unpack_from(raw)
    spans, offset = {}, 2
    for name, flag, kind in _PROPERTIES:
        if flags & flag:
            start = offset
            if kind == "s":
                offset += 1 + raw[offset]
            elif kind == "F":
                offset += 4 + _SIZE.unpack_from(raw, offset)[0]
            else:
                offset += 1 if kind == "o" else 8
            spans[name] = start, offset
    if offset > len(raw):
        raise ValueError("the properties end too early")
    return spans


@dataclass(slots=True, kw_only=True, eq=False)
class Message:
    """A message, shared by the queues that it was routed to."""

    exchange: str
    #: the key that it was published with, which is what a consumer is told
    routing_key: str
    properties: Properties
    body: bytes
    #: the keys that it is routed by: its own, and those of its headers ``CC`` and ``BCC``
    keys: tuple[str, ...]
    #: how it died so far, newest first (the tables of ``x-death``), where the server keeps it beside the headers
    deaths: list[dict[str, Any]] = field(default_factory=list)
    #: how often its delivery failed in the queues that it died in, where the server keeps that
    delivery_count: int = 0

    @property
    def persistent(self) -> bool:
        return self.properties.octet("delivery_mode") == 2

    @classmethod
    def published(cls, exchange: str, routing_key: str, raw: bytes, body: bytes) -> Self:
        """What a client publishes. Raises ``Refusal`` for properties that are none, and for what RabbitMQ refuses."""
        properties = Properties(raw)
        keys: tuple[str, ...] = (routing_key,)
        if properties.has_header(b"CC") or properties.has_header(b"BCC"):
            headers = properties.headers
            keys += tuple(key for name in ("CC", "BCC") for key in _addresses(name, headers.get(name)))
            if "BCC" in headers:
                del headers["BCC"]
                properties = properties.replaced(headers=headers)
        return cls(exchange=exchange, routing_key=routing_key, properties=properties, body=body, keys=keys)


def _addresses(name: str, value: Any) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(key, str) for key in value):
        raise Refusal(406, f'invalid message: {{unacceptable_type_in_header,"{name}",{type_name(value)}}}')
    return value


@dataclass(slots=True, kw_only=True, eq=False)
class Entry:
    """A message in one queue."""

    message: Message
    #: its place: messages of the same priority leave in this order
    number: int
    priority: int
    expires_ns: int | None
    redelivered: bool = False
    #: how often its delivery failed in a way that counts towards the delivery limit
    delivery_count: int = 0
    #: how often it was delivered
    acquired_count: int = 0
