"""One client's connection: the handshake, its channels, heartbeats, and how it ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from retrysim.durations import SECOND
from retrysim.rabbitmq import framing
from retrysim.rabbitmq.channel import Channel, release
from retrysim.rabbitmq.framing import BODY, HEADER, HEARTBEAT, METHOD, PROTOCOL_HEADER, Frame, FrameReader
from retrysim.rabbitmq.methods import Method, encode, parse
from retrysim.rabbitmq.refusal import Refusal
from retrysim.rabbitmq.virtual_host import VirtualHost

if TYPE_CHECKING:
    from retrysim.rabbitmq.queues import Queue
    from retrysim.rabbitmq.server import RabbitMQServer

#: What the server proposes in ``Connection.Tune``: channels, bytes of a frame, seconds between heartbeats.
CHANNEL_MAX, FRAME_MAX, HEARTBEAT_S = 2047, 131_072, 60
#: What the process that reads the connection finds out, and not that of a channel.
_FOUND_BY_READER = (501, 502, 505)
#: No frame may be negotiated to be smaller.
_FRAME_MIN = 4096
_CAPABILITIES = (
    "publisher_confirms",
    "exchange_exchange_bindings",
    "basic.nack",
    "consumer_cancel_notify",
    "connection.blocked",
    "consumer_priorities",
    "authentication_failure_close",
    "per_consumer_qos",
)


class Connection:
    """A connection. ``receive`` takes what the client sends; what the server sends is in ``Server.flush()``."""

    def __init__(self, server: RabbitMQServer) -> None:
        self.server = server
        self.client_properties: dict[str, Any] = {}
        self.user = "guest"
        self.vhost: VirtualHost | None = None
        self.channels: dict[int, Channel] = {}
        self.frame_max = FRAME_MAX
        self.heartbeat_ns = 0
        #: whether nothing will be sent or taken any more
        self.over = False
        #: whether it is not read from: it publishes, and there is an alarm
        self.blocked = False
        self.has_published = False
        self._outgoing: list[bytes] = []
        self._reader = FrameReader()
        self._header = b""
        self._withheld: list[bytes] = []
        #: the methods of the connection that may come now
        self._expected: tuple[str, ...] = ("protocol header",)
        self._closing = self._mute = False
        self._began_ns = self._received_ns = self._sent_ns = server.now_ns

    # -- bytes ---------------------------------------------------------------------------------------------------------

    def receive(self, data: bytes, now_ns: int) -> None:
        """Bytes from the client, whole frames or parts of them."""
        self.server.advance(now_ns)
        self._received_ns = self.server.now_ns
        if self.over:
            return
        if self.blocked:
            self._withheld.append(data)
            return
        if self._expected == ("protocol header",):
            data = self._take_header(data)
        self._take_frames(data)

    def _take_header(self, data: bytes) -> bytes:
        data = self._header + data
        self._header = data[: len(PROTOCOL_HEADER)]
        if not PROTOCOL_HEADER.startswith(self._header):
            self._write(PROTOCOL_HEADER)  # what this server speaks
            self._end()
        elif self._header == PROTOCOL_HEADER:
            self._expected = ("connection.start_ok",)
            self._send("connection.start", 0, 9, self._properties(), "PLAIN AMQPLAIN", "en_US")
        return data[len(PROTOCOL_HEADER) :]

    def _properties(self) -> dict[str, Any]:
        return {
            "capabilities": dict.fromkeys(_CAPABILITIES, True),
            "cluster_name": "rabbit@retrysim",
            "platform": "retrysim",
            "product": "RabbitMQ",
            "version": self.server.version.release,
        }

    def _take_frames(self, data: bytes) -> None:
        try:
            for frame in self._reader.feed(data):
                if self.blocked:
                    self._withheld.append(framing.frame(*frame))
                elif not self.over:
                    self._take(frame)
                    self.server.dead_letters.arrive()
        except Refusal as refusal:
            self._refuse(refusal, (0, 0))

    def take(self) -> bytes:
        """What has to be sent."""
        data = b"".join(self._outgoing)
        self._outgoing.clear()
        return data

    def _write(self, data: bytes) -> None:
        if not (self.over or self._mute):
            self._sent_ns = self.server.now_ns
            self._outgoing.append(data)
            self.server.wrote(self)

    def send(self, channel: int, name: str, *values: Any) -> None:
        """A method of the server's on a channel."""
        self._write(framing.frame(METHOD, channel, encode(name, *values)))

    def send_content(self, channel: int, method: bytes, properties: bytes, body: bytes) -> None:
        self._write(framing.content(channel, method, properties, body, self.frame_max))

    def _send(self, name: str, *values: Any) -> None:
        self.send(0, name, *values)

    # -- frames --------------------------------------------------------------------------------------------------------

    def _take(self, frame: Frame) -> None:
        kind, number, payload = frame
        if kind == HEARTBEAT:
            return
        if kind not in (METHOD, HEADER, BODY):
            raise Refusal(501, f"type {kind} is no frame")
        if self._closing:
            self._wait_for_close_ok(kind, payload)
        elif number == 0:
            self._take_own(kind, payload)
        elif self._expected:
            raise Refusal(503, f"a frame on channel {number} before connection.open")
        else:
            self._take_for_channel(kind, number, payload)

    def _wait_for_close_ok(self, kind: int, payload: bytes) -> None:
        if kind == METHOD and payload[:4] in (b"\x00\x0a\x00\x33", b"\x00\x0a\x00\x32"):
            self._end()

    def _take_own(self, kind: int, payload: bytes) -> None:
        if kind != METHOD:
            raise Refusal(505, "expected a method frame on channel 0")
        method, arguments = parse(payload)
        try:
            self._handle(method, arguments)
        except Refusal as refusal:
            self._refuse(refusal, method.signature)

    def _handle(self, method: Method, arguments: dict[str, Any]) -> None:
        allowed = (*self._expected, "connection.close") if self._expected else _RUNNING
        if method.name not in allowed:
            raise Refusal(503, f"unexpected method {method.name}")
        _HANDLERS[method.name](self, **arguments)

    def _take_for_channel(self, kind: int, number: int, payload: bytes) -> None:
        channel = self.channels.get(number)
        method, arguments = parse(payload) if kind == METHOD else (None, {})
        if channel is None:
            self._open_channel(number, method)
            return
        try:
            if method is None:
                channel.take_content(kind, payload)
            elif method.name == "channel.open" and not channel.closing:
                raise Refusal(504, "second 'channel.open' seen")
            else:
                channel.handle(method, arguments)
        except Refusal as refusal:
            signature = channel.last_signature if method is None else method.signature
            if refusal.closes_connection:
                if refusal.code not in _FOUND_BY_READER:
                    channel.fail()
                self._refuse(refusal, signature)
            else:
                channel.refuse(refusal, signature)

    def _open_channel(self, number: int, method: Method | None) -> None:
        if method is None or method.name != "channel.open":
            signature = (0, 0) if method is None else method.signature
            self._refuse(Refusal(504, "expected 'channel.open'"), signature)
        elif number > CHANNEL_MAX:
            self._refuse(Refusal(530, f"number of channels opened ({CHANNEL_MAX}) has reached the negotiated "
                                      f"channel_max ({CHANNEL_MAX})"), method.signature)  # fmt: skip
        else:
            self.channels[number] = Channel(self, number)
            self.send(number, "channel.open_ok", "")

    # -- the handshake -------------------------------------------------------------------------------------------------

    def _start_ok(self, client_properties: dict[str, Any], mechanism: str, response: str, locale: str) -> None:
        self.client_properties = client_properties
        if mechanism == "PLAIN":
            self.user = response.split("\0")[1] if response.count("\0") >= 2 else "guest"
        self._expected = ("connection.tune_ok",)
        self._send("connection.tune", CHANNEL_MAX, FRAME_MAX, HEARTBEAT_S)

    def _tune_ok(self, channel_max: int, frame_max: int, heartbeat: int) -> None:
        if 0 < frame_max < _FRAME_MIN:
            raise Refusal(
                530, f"negotiated frame_max = {frame_max} is lower than the minimum allowed value ({_FRAME_MIN})"
            )
        if frame_max > FRAME_MAX:
            raise Refusal(
                530, f"negotiated frame_max = {frame_max} is higher than the maximum allowed value ({FRAME_MAX})"
            )
        self.frame_max = self._reader.frame_max = frame_max or FRAME_MAX
        self.heartbeat_ns = heartbeat * SECOND
        self._expected = ("connection.open",)
        if self.heartbeat_ns:
            self._began_ns = self.server.now_ns
            self._beat_later()
            self._listen_later()

    def _open(self, virtual_host: str) -> None:
        self.vhost = self.server.host(virtual_host)
        self._expected = ()
        self._send("connection.open_ok", "")

    def notifies(self, capability: str) -> bool:
        """Whether the client wants to be told of something: ``consumer_cancel_notify``, ``connection.blocked``."""
        capabilities = self.client_properties.get("capabilities")
        return isinstance(capabilities, dict) and capabilities.get(capability) is True

    # -- heartbeats ----------------------------------------------------------------------------------------------------

    def _beat_later(self) -> None:
        self.server.call_at(self.server.now_ns + self.heartbeat_ns // 2, self._beat, background=True)

    def _beat(self) -> None:
        if not self.over:
            if self.server.now_ns - self._sent_ns >= self.heartbeat_ns // 2:
                self._write(framing.frame(HEARTBEAT, 0, b""))
            self._beat_later()

    def _listen_later(self) -> None:
        """The server looks once per interval, and gives up when it has heard nothing at two looks in a row."""
        intervals = -(-(self._received_ns - self._began_ns) // self.heartbeat_ns)
        self.server.call_at(self._began_ns + (intervals + 2) * self.heartbeat_ns, self._listen, background=True)

    def _listen(self) -> None:
        if not self.over:
            if self.server.now_ns - self._received_ns >= 2 * self.heartbeat_ns:
                self.lost()
            else:
                self._listen_later()

    # -- alarms --------------------------------------------------------------------------------------------------------

    def published(self) -> None:
        """It has published something."""
        self.has_published = True
        if self.server.alarm is not None:
            self.look_at_alarm()

    def look_at_alarm(self) -> None:
        """Block it, or let it go on."""
        reason = self.server.alarm
        if reason is not None and self.has_published and not self.blocked:
            self.blocked = True
            if self.notifies("connection.blocked"):
                self._send("connection.blocked", reason)
        elif reason is None and self.blocked:
            self.blocked = False
            if self.notifies("connection.blocked"):
                self._send("connection.unblocked")
            withheld, self._withheld = self._withheld, []
            for data in withheld:
                self.receive(data, self.server.now_ns)

    # -- the end -------------------------------------------------------------------------------------------------------

    def _refuse(self, refusal: Refusal, signature: tuple[int, int]) -> None:
        """Close it with an error, and wait for the client's word."""
        self._release()
        if self._closing:
            return
        self._closing = True
        self._send("connection.close", refusal.code, refusal.reply_text[:255], *signature)
        if self._expected:  # a client that is not in yet is not waited for
            self._end()

    def force_close(self, code: int, text: str) -> None:
        """Close it from this end, as an operator does."""
        self._refuse(Refusal(code, text), (0, 0))

    def _close(self) -> None:
        self._release()
        self._send("connection.close_ok")
        self._end()

    def _end(self) -> None:
        self.server.wrote(self)
        self.over = True
        if self in self.server.connections:
            self.server.connections.remove(self)

    def lost(self) -> None:
        """The client is gone, or nothing is heard of it."""
        self._release()
        self._end()

    def _release(self) -> None:
        """Give back what it had: unacknowledged messages, consumers, its exclusive queues."""
        channels, self.channels = self.channels, {}
        self._mute = True  # whatever its consumers still get, the processes of its channels do not send it
        release(list(channels.values()))
        for queue in self._exclusive_queues():
            queue.delete("its connection is gone")
        self._mute = False

    def _exclusive_queues(self) -> list[Queue]:
        if self.vhost is None:
            return []
        return [queue for queue in self.vhost.queues.values() if queue.declaration.owner is self]

    def _update_secret(self) -> None:
        self._send("connection.update_secret_ok")


_HANDLERS: dict[str, Callable[..., None]] = {
    "connection.start_ok": Connection._start_ok,
    "connection.tune_ok": Connection._tune_ok,
    "connection.open": Connection._open,
    "connection.close": Connection._close,
    "connection.update_secret": Connection._update_secret,
}
#: What may come once the connection is open.
_RUNNING = ("connection.close", "connection.update_secret")
