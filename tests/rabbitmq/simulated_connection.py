"""py-amqp on a simulated server in memory, with a clock that stands where the test puts it."""

import amqp
from amqp.transport import TCPTransport

from retrysim.durations import MILLISECOND
from retrysim.rabbitmq.server import RabbitMQServer


class World:
    """A server and its time."""

    def __init__(self, version="4.3", **options):
        self.server = RabbitMQServer(version, **options)
        self.now_ns = 0

    def connect(self, vhost="/", **options):
        """A connection of py-amqp's, opened."""
        connection = _Connection("simulated:5672", virtual_host=vhost, **options)
        connection.world = self
        connection.connect()
        return connection

    def pass_ms(self, ms):
        self.now_ns += round(ms * MILLISECOND)
        self.server.advance(self.now_ns)

    def raw(self):
        """A socket to the server, for bytes that no client would send."""
        return _Socket(self)


class _Socket:
    """The client's end of a connection to the server; a read without data is a timeout."""

    def __init__(self, world):
        self._world = world
        self._connection = world.server.connect()
        self._connection.socket = self
        self._incoming = b""
        self._ended = False

    def sendall(self, data):
        if self._connection.over:
            raise BrokenPipeError
        self._connection.receive(bytes(data), self._world.now_ns)

    def recv(self, size, *_):
        self.collect()
        if not self._incoming:
            if self._ended:
                return b""
            raise TimeoutError
        data, self._incoming = self._incoming[:size], self._incoming[size:]
        return data

    def collect(self):
        for connection, data in self._world.server.flush():
            connection.socket._incoming += data
            connection.socket._ended = connection.over

    def everything(self):
        self.collect()
        data, self._incoming = self._incoming, b""
        return data

    @property
    def ended(self):
        self.collect()
        return self._ended

    def close(self):
        if not self._connection.over:
            self._connection.lost()

    def gettimeout(self):
        return None

    def settimeout(self, _seconds):
        pass

    def shutdown(self, _how):
        pass


class _Transport(TCPTransport):
    world = None

    def connect(self):
        self.sock = _Socket(self.world)
        self._setup_transport()
        self._write(b"AMQP\x00\x00\x09\x01")
        self.connected = True


class _Connection(amqp.Connection):
    def Transport(self, host, *args, **options):  # noqa: N802 - py-amqp's own name
        transport = _Transport(host)
        transport.world = self.world
        return transport


def drain(connection):
    """Take in all that has come."""
    while True:
        try:
            connection.drain_events(timeout=0.001)
        except TimeoutError:
            return
