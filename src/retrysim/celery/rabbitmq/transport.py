"""kombu's own pyamqp transport and py-amqp's own connection; their socket leads to the simulated server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from amqp.transport import TCPTransport
from celery.worker import state as worker_state
from kombu.asynchronous import get_event_loop
from kombu.transport import pyamqp

from retrysim.network import Poller, Socket

if TYPE_CHECKING:
    from retrysim.celery.rabbitmq.broker import RabbitMQBroker


class _TCPTransport(TCPTransport):  # type: ignore[misc]
    """py-amqp's transport; all it does with a socket it does with ours."""

    broker: RabbitMQBroker

    def _connect(self, host: str, port: int, timeout: float | None) -> None:
        self.sock = Socket(self.broker.network)
        self.sock.settimeout(timeout)
        self.sock.connect((host, port))


class _Connection(pyamqp.Connection):  # type: ignore[misc]
    """kombu's connection. Without an event loop (gevent), an idle consumer waits until something comes."""

    broker: RabbitMQBroker
    tcp_transport: type[_TCPTransport]
    #: whether an event loop watches it; kombu forgets the loop itself when its worker reconnects
    in_event_loop = False

    def Transport(self, host: str, connect_timeout: float | None, *_: Any, **options: Any) -> _TCPTransport:  # noqa: N802
        options.pop("ssl", None)  # nobody listens in
        return self.tcp_transport(host, connect_timeout=connect_timeout, **options)

    def drain_events(self, timeout: float | None = None) -> None:
        if timeout and not self.in_event_loop and _is_idle_consumer(self.broker.environment.current):
            self._wait_for_something()
        super().drain_events(timeout)

    def _wait_for_something(self) -> None:
        """Raises ``TimeoutError`` for the loop to look around, as a real one does every two seconds."""
        connection = self.broker.network.network.find(self.transport.sock)
        if connection is None or connection.readable or self.transport._read_buffer:
            return
        idle = _IdleConsumer(self.broker)
        idle.register(self.transport.sock)
        idle.wait()
        if not connection.readable:
            raise TimeoutError


class _Transport(pyamqp.Transport):  # type: ignore[misc]
    """kombu's transport; ``simulated`` tells it from others."""

    simulated = True

    def register_with_event_loop(self, connection: _Connection, loop: Any) -> None:
        connection.in_event_loop = True
        super().register_with_event_loop(connection, loop)


class _IdleConsumer(Poller):
    """Waits for one connection, and keeps no run alive."""

    def __init__(self, broker: RabbitMQBroker) -> None:
        super().__init__(broker.network.network)
        self._parked = broker.changed.parked

    def wait(self) -> None:
        """Wait until something has come, or a flag was set for the loop."""
        self._parked.append(self)
        try:
            self._environment.wait(self._awake, daemon=True)
        finally:
            self._parked.remove(self)
            self.close()

    def nudge(self) -> None:
        self.wake()


def _is_idle_consumer(process: Any) -> bool:
    """Whether ``synloop`` asks, which runs no hub; one that shuts down drains once more, with its timeout."""
    is_loop = process is not None and process.awaits_work
    return is_loop and get_event_loop() is None and worker_state.should_stop is None


def transport_class(broker: RabbitMQBroker) -> Any:
    """The transport of one simulation: kombu makes the instances, so what they need is on the classes."""
    tcp = type("TCPTransport", (_TCPTransport,), {"broker": broker})
    connection = type("Connection", (_Connection,), {"broker": broker, "tcp_transport": tcp})
    return type("Transport", (_Transport,), {"Connection": connection})
