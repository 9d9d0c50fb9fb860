"""Frames of AMQP 0-9-1: bytes in, frames out, and back."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from retrysim.rabbitmq.refusal import Refusal

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
_END = 0xCE
_HEAD = struct.Struct(">BHI")
_CONTENT = struct.Struct(">HHQ")
_CONTENT_HEAD = 12
#: What a frame has beside its payload: type, channel, size, and the octet at its end.
OVERHEAD = 8
BASIC = 60
PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"

#: A frame: its type, its channel and its payload.
Frame = tuple[int, int, bytes]


class FrameReader:
    """Takes bytes as they come; gives the frames that are complete."""

    def __init__(self) -> None:
        self._pending = b""
        #: the size that was negotiated; a longer frame is an error
        self.frame_max = 131_072

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that these bytes complete. Raises ``Refusal`` (501) for bytes that are no frame."""
        buffer = self._pending + data if self._pending else data
        offset, length = 0, len(buffer)
        try:
            while length - offset >= OVERHEAD:
                kind, channel, size = _HEAD.unpack_from(buffer, offset)
                if size > self.frame_max - OVERHEAD:
                    raise Refusal(501, f"type {kind}, a frame of {size} bytes where {self.frame_max} are the most")
                end = offset + 7 + size
                if end >= length:
                    break
                if buffer[end] != _END:
                    raise Refusal(501, f"type {kind}, channel {channel}: the frame does not end with 0xCE")
                payload, offset = buffer[offset + 7 : end], end + 1
                yield kind, channel, payload
        finally:
            self._pending = buffer[offset:]


def frame(kind: int, channel: int, payload: bytes) -> bytes:
    """A frame as bytes."""
    return b"%b%b\xce" % (_HEAD.pack(kind, channel, len(payload)), payload)


def content(channel: int, method: bytes, properties: bytes, body: bytes, frame_max: int) -> bytes:
    """A method that carries a message: its frame, the header, and as many frames of the body as it takes."""
    size, length = frame_max - OVERHEAD, len(body)
    head = _HEAD.pack(HEADER, channel, _CONTENT_HEAD + len(properties)) + _CONTENT.pack(BASIC, 0, length)
    begin = b"%b%b\xce%b%b\xce" % (_HEAD.pack(METHOD, channel, len(method)), method, head, properties)
    if 0 < length <= size:
        return b"%b%b%b\xce" % (begin, _HEAD.pack(BODY, channel, length), body)
    return begin + b"".join(frame(BODY, channel, body[i : i + size]) for i in range(0, length, size))


def content_header(payload: bytes) -> tuple[int, bytes]:
    """The size of the body that follows, and the properties. Raises ``Refusal`` (502)."""
    if len(payload) < _CONTENT_HEAD + 2:
        raise Refusal(502, "a content header that ends too early")
    _class, _weight, size = _CONTENT.unpack_from(payload)
    return size, payload[_CONTENT_HEAD:]
