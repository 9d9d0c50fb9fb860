"""The server's side of one HTTP/1.1 connection, without I/O: request bytes in, replies out."""

from __future__ import annotations

from http.client import responses as reasons

import h11

from retrysim.errors import FakeError
from retrysim.fakes.request import Request
from retrysim.fakes.response import Break, Response
from retrysim.wire.handler import Handler
from retrysim.wire.origin import Origin
from retrysim.wire.reply import Ending, WireReply

_ENDINGS = {Break.REFUSED: Ending.REFUSED, Break.RESET: Ending.RESET, Break.SILENCE: Ending.SILENT}
_BODILESS = {204, 304}


class Conversation:
    """Parses what a client sends, asks the handler when a request is complete, and words its answer."""

    __slots__ = ("_body", "_handler", "_head", "_longest_body", "_parser", "_taken", "origin")

    def __init__(self, origin: Origin, handler: Handler, *, longest_body: int | None = None) -> None:
        self.origin = origin
        self._longest_body = longest_body
        self._taken = 0
        self._handler = handler
        self._parser = h11.Connection(h11.SERVER)
        self._head: h11.Request | None = None
        self._body: list[bytes] = []

    def receive(self, data: bytes) -> list[WireReply]:
        """The replies that these bytes call for: none while a request is incomplete."""
        replies: list[WireReply] = []
        if not data:  # to h11 that would be the end of the connection
            return replies
        try:
            self._parser.receive_data(data)
            while (event := self._parser.next_event()) is not h11.NEED_DATA and event is not h11.PAUSED:
                if reply := self._reply_to(event):
                    replies.append(reply)
                    if reply.ending is Ending.CLOSED:
                        break
        except h11.RemoteProtocolError as error:
            replies.append(_bad_request(error))
        return replies

    def _reply_to(self, event: object) -> WireReply | None:
        if isinstance(event, h11.Request):
            self._head = event
            if self._parser.they_are_waiting_for_100_continue:
                return WireReply(data=_sent(self._parser, h11.InformationalResponse(status_code=100, headers=[])))
        elif isinstance(event, h11.Data):
            self._taken += len(event.data)
            if self._longest_body is not None and self._taken > self._longest_body:
                return _too_large(self._longest_body)
            self._body.append(bytes(event.data))
        elif isinstance(event, h11.EndOfMessage):
            return self._answer()
        return None

    def _answer(self) -> WireReply:
        head, body = self._head, b"".join(self._body)
        assert head is not None, "the end of a message comes after its head"
        self._head, self._body, self._taken = None, [], 0
        response = self._handler(_request(self.origin, head, body))
        if response.broken in _ENDINGS:
            return WireReply(latency_ns=response.latency_ns, ending=_ENDINGS[response.broken])
        if response.broken is Break.TRUNCATED:
            return WireReply(data=self._truncated(head, response), latency_ns=response.latency_ns, ending=Ending.CLOSED)
        data = self._head_bytes(head, response) + self._body_bytes(head, response)
        return WireReply(data=data, latency_ns=response.latency_ns, ending=self._next_cycle())

    def _head_bytes(self, head: h11.Request, response: Response) -> bytes:
        reason = reasons.get(response.status, "")
        headers = _framed(head, response)
        return _sent(self._parser, h11.Response(status_code=response.status, headers=headers, reason=reason))

    def _body_bytes(self, head: h11.Request, response: Response) -> bytes:
        data = b"" if _is_bodiless(head, response) else response.body
        sent = _sent(self._parser, h11.Data(data=data)) if data else b""
        return sent + _sent(self._parser, h11.EndOfMessage())

    def _truncated(self, head: h11.Request, response: Response) -> bytes:
        """The head, which announces the whole body, and half of it; without a body, no answer at all."""
        if _is_bodiless(head, response) or not response.body:
            return b""
        return self._head_bytes(head, response) + response.body[: len(response.body) // 2]

    def _next_cycle(self) -> Ending:
        if self._parser.our_state is h11.DONE and self._parser.their_state is h11.DONE:
            self._parser.start_next_cycle()
            return Ending.OPEN
        return Ending.CLOSED


def _request(origin: Origin, head: h11.Request, body: bytes) -> Request:
    target = head.target.decode("latin-1")
    if not target.startswith("/"):
        target = _path_of(target)
    path, _, query = target.partition("?")
    return Request(
        method=head.method.decode("ascii"),
        scheme=origin.scheme,
        host=origin.host,
        path=path,
        query_string=query,
        headers=tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers.raw_items()),
        body=body,
    )


def _path_of(target: str) -> str:
    """The path and query of an absolute-form target, as it is sent to a proxy; ``*`` stays."""
    _, found, rest = target.partition("://")
    if not found:
        return target
    start = min((place for mark in "/?" if (place := rest.find(mark)) >= 0), default=len(rest))
    tail = rest[start:]
    return tail if tail.startswith("/") else f"/{tail}"


def _framed(head: h11.Request, response: Response) -> list[tuple[bytes, bytes]]:
    """The response's headers as bytes, with a length where the handler gave no framing of its own."""
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in response.headers]
    names = {name.lower() for name, _ in headers}
    if not names & {b"content-length", b"transfer-encoding"} and response.status not in _BODILESS:
        headers.append((b"Content-Length", b"%d" % len(response.body)))
    return headers


def _is_bodiless(head: h11.Request, response: Response) -> bool:
    return head.method == b"HEAD" or response.status in _BODILESS


def _sent(parser: h11.Connection, event: h11.Event) -> bytes:
    """The bytes of an event; what the handler answered may break HTTP/1.1, and then the message says how."""
    try:
        return parser.send(event) or b""
    except h11.LocalProtocolError as error:
        raise FakeError(
            f"a handler's answer is no HTTP/1.1 response: {error}; "
            "check its headers, and leave Content-Length out: it is computed"
        ) from error


def _too_large(longest: int) -> WireReply:
    """What a client hears whose request is larger than this server takes; the connection is closed."""
    return _refusal(413, "Content Too Large", f"at most {longest} bytes")


def _bad_request(error: h11.RemoteProtocolError) -> WireReply:
    """What a server says to a client that breaks HTTP/1.1; the connection is closed, as h11 advises."""
    return _refusal(400, "Bad Request", str(error))


def _refusal(status: int, reason: str, why: str) -> WireReply:
    text = f"{reason}: {why}"
    head = f"HTTP/1.1 {status} {reason}\r\nContent-Length: {len(text.encode())}\r\nConnection: close\r\n\r\n"
    without_what_was_sent = text.partition(": bytearray(")[0]  # which may be a secret
    return WireReply(data=(head + text).encode(), ending=Ending.CLOSED, refusal=f"{status} {without_what_was_sent}")
