"""Puts a RabbitMQ server without I/O on the simulated network, and calls it when something is due."""

from __future__ import annotations

import errno
import os
from _thread import RLock
from collections.abc import Callable
from functools import partial
from typing import Any

from retrysim.kernel import Host
from retrysim.network import Connection, Network
from retrysim.rabbitmq import RabbitMQ
from retrysim.rabbitmq.connection import Connection as AmqpConnection


class Node:
    """One node: ``network.Server`` for the network, which carries bytes, and ``rabbitmq.Server`` inside."""

    name = "RabbitMQ"

    def __init__(self, network: Network, options: RabbitMQ) -> None:
        self._environment = network.environment
        self.route = network.route_to(self)
        self.server = options.make_server(network.environment.clock.ns)
        self._clients: dict[AmqpConnection, Connection] = {}
        self._failed: AmqpConnection | None = None
        #: a test's own threads publish beside each other: each gets its answer before the next one asks
        self.lock = RLock()
        #: what wakes the server: for what a client may wait for, and for what keeps no run alive
        self._alarms: dict[bool, Any] = {False: None, True: None}

    def accept(self, connection: Connection, now_ns: int) -> ClientSession:
        """A client has connected."""
        self.server.advance(now_ns)
        client = self.server.connect()
        self._clients[client] = connection
        return ClientSession(self, client, connection)

    def lost(self, client: AmqpConnection) -> None:
        """The client is not there any more."""
        self._clients.pop(client, None)
        if not client.over:
            client.lost()
        self.flush()

    def fail(self, client: AmqpConnection) -> None:
        """Break a client's connection; if it is just sending, that fails."""
        client.lost()
        self._failed = client

    def has_failed(self, client: AmqpConnection) -> bool:
        """Whether that has happened since it was asked last."""
        failed, self._failed = self._failed is client, None
        return failed

    def force_close(self, of: Callable[[Host], bool]) -> None:
        """Close the connections of the hosts that ``of`` chooses, as an operator does."""
        for client, connection in list(self._clients.items()):
            if of(connection.host):
                client.force_close(320, "Closed via management plugin")
        self.flush()

    def flush(self) -> None:
        """Send what the server has to say, and wake it when something is due. Call after whatever concerned it."""
        while written := self.server.flush():
            for client, data in written:
                self._send(client, data)
        for background in (False, True):
            self._set_alarm(background)

    def _send(self, client: AmqpConnection, data: bytes) -> None:
        connection = self._clients.get(client)
        if connection is not None:
            if data:
                connection.send(data)
            if client.over:
                self._clients.pop(client, None)
                connection.hang_up()

    def _set_alarm(self, background: bool) -> None:
        due_ns, alarm = self.server.next_ns(background=background), self._alarms[background]
        if alarm is not None and alarm.ns == due_ns:
            return
        if alarm is not None:
            alarm.cancel()
        wake = partial(self._wake, background)
        self._alarms[background] = None if due_ns is None else self.route.call_at(due_ns, wake, daemon=background)

    def _wake(self, background: bool) -> None:
        self._alarms[background] = None
        self.server.advance(self._environment.clock.ns)
        self.flush()


class ClientSession:
    """One client, for the network."""

    def __init__(self, node: Node, client: AmqpConnection, connection: Connection) -> None:
        self._node = node
        self._client = client
        self._connection = connection

    def data_received(self, data: bytes, now_ns: int) -> None:
        with self._node.lock:
            self._client.receive(data, now_ns)
            self._node.flush()
        if self._node.has_failed(self._client) and not self._connection.route.delay_ns(self._connection.host):
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))

    def connection_lost(self, now_ns: int) -> None:
        self._node.server.advance(now_ns)
        self._node.lost(self._client)
