"""Stands in for the pollers of ``kombu.utils.eventio``: waits in virtual time until a simulated socket is readable.

What keeps a run alive. A worker's hub comes back to its poller for ever: to look at the connection, to refresh a
binding, to send the next BRPOP. None of that is a reason to go on, so the hub's waits are daemon waits. They are
foreground only while the hub has something to do later that nobody else will remind it of:

* a timer entry that fires once is pending: a task's ETA, a rate limit's next token (``call_repeatedly`` makes
  entries that do not count: heartbeats, sweeps, health checks);
* Redis holds an unacked message that no living worker has, and this hub's sweep will make it visible again.

An unacked message that a living worker has needs no such care: its ack is due when its task ends, which is an event of
its own. That the sweep delivers it a second time meanwhile is seen only as long as something else keeps the run alive.
"""

from __future__ import annotations

from collections.abc import Callable

from celery.worker import state as worker_state
from kombu.utils.eventio import READ

from retrysim.celery.redis.server import Server
from retrysim.celery.redis.sockets import Socket
from retrysim.clock import grid_ns
from retrysim.kernel import Condition, Environment

#: What a hub is told of readable sockets: (file number, event).
Events = list[tuple[int, int]]


class Poller:
    """For those who drain a connection without a hub. They wait for it, so it keeps the run alive."""

    def __init__(self, environment: Environment, server: Server) -> None:
        self._environment = environment
        self._server = server
        self._registered: dict[int, Socket] = {}
        #: what may be readable, in the order in which it became so, as epoll tells it
        self._ready: dict[int, Socket] = {}
        self._awake = Condition("a message from Redis")
        #: whether a worker's hub waits here just now
        self.parked = False

    def register(self, fd: int | Socket, _events: int = READ) -> int | Socket:
        """Watch a socket; file numbers of anything else are let be, nothing can happen to them."""
        socket = self._server.find_socket(fd) if isinstance(fd, int) else fd
        if socket is not None:
            self._registered[socket.fileno()] = socket
            socket.pollers.add(self)
            if socket.readable:
                self._ready[socket.fileno()] = socket
        return fd

    def unregister(self, fd: int | Socket | None) -> None:
        """Watch it no more; who is not watched is let be, as by epoll."""
        number = fd.fileno() if isinstance(fd, Socket) else fd
        socket = self._registered.pop(number, None) if number is not None else None
        if socket is not None:
            socket.pollers.discard(self)
            self._ready.pop(socket.fileno(), None)

    def poll(self, timeout: float | None) -> Events:
        """Wait ``timeout`` seconds at most, ``None`` for as long as it takes; what is readable then."""
        ready = self._readable()
        if not ready and timeout != 0:
            self._environment.wait(self._awake, timeout_ns=None if timeout is None else grid_ns(timeout))
            ready = self._readable()
        return ready

    def nudge(self) -> None:
        """A flag was set that only the loop of a worker looks at."""

    def arrived(self, socket: Socket) -> None:
        """Something came that can be read; what is ready already keeps its place."""
        self._ready.setdefault(socket.fileno(), socket)
        self.wake()

    def wake(self) -> None:
        """Let the one who waits look again."""
        self._awake.notify_all()

    def close(self) -> None:
        for number in tuple(self._registered):
            self.unregister(number)

    def _readable(self) -> Events:
        for number, socket in list(self._ready.items()):
            del self._ready[number]
            if socket.readable:
                self._ready[number] = socket  # whoever was told of it is the last to be told again
        return [(number, READ) for number in self._ready]


class ConsumerPoller(Poller):
    """The poller of ``synloop``, under gevent: idle, it waits until something comes, or a flag was set.

    A real one comes back from an empty BRPOP each second, and goes on. One whose prefetch is full waits for the
    timeout, since only who comes back without an answer looks for what can be restored.
    """

    def __init__(self, environment: Environment, server: Server, parked: list[Poller]) -> None:
        super().__init__(environment, server)
        self._parked = parked

    def poll(self, timeout: float | None) -> Events:
        if timeout == 0 or self._readable() or not self._is_idle_consumer():
            return super().poll(timeout)
        timeout_ns = None if timeout is None or self._will_be_answered() else grid_ns(timeout)
        self.parked = True
        self._parked.append(self)
        try:
            notified = self._environment.wait(self._awake, timeout_ns=timeout_ns, daemon=True)
        finally:
            self._parked.remove(self)
            self.parked = False
        if notified and not self._readable():
            raise TimeoutError
        return self._readable()

    def _is_idle_consumer(self) -> bool:
        """Whether a loop of a worker asks; one that shuts down drains once more, with its timeout."""
        process = self._environment.current
        return process is not None and process.service and not process.daemon and worker_state.should_stop is None

    def _will_be_answered(self) -> bool:
        """Whether a BRPOP is out, or all that is listened to are broadcasts."""
        sockets = self._registered.values()
        return all(s.is_subscriber for s in sockets) or any(self._server.is_blocked(s) for s in sockets)

    def nudge(self) -> None:
        self.wake()


class HubPoller(Poller):
    """The poller of a worker's hub; ``until_ns`` and ``keeps_alive`` ask the hub, and a call to it ends the wait."""

    def __init__(
        self,
        environment: Environment,
        server: Server,
        *,
        has_work: Callable[[], bool],
        until_next_ns: Callable[[], int | None],
        keeps_alive: Callable[[], bool],
    ) -> None:
        super().__init__(environment, server)
        self._has_work = has_work
        self._until_next_ns = until_next_ns
        self._keeps_alive = keeps_alive
        self._nudged = False
        self._let_be: dict[int, tuple[int, int]] = {}

    def poll(self, timeout: float | None) -> Events:
        self._environment.sleep(0)  # others run meanwhile, as on a machine with several processors
        if self._news() or self._nudged or self._has_work():
            self._nudged = False
            return self._readable()
        # kombu fires ten timers and then polls for a second, whatever is due: its pool wakes a real hub before.
        waits = (None if timeout is None else grid_ns(timeout), self._until_next_ns())
        timeout_ns = min((ns for ns in waits if ns is not None), default=None)
        if timeout_ns is None or timeout_ns > 0:
            self._park(timeout_ns)
        self._nudged = False
        return self._readable()

    def _news(self) -> bool:
        """Whether something is readable that was not let be in the last round.

        Before 5.7 kombu does not read the answer to a BRPOP while its prefetch is full: a real worker then polls in a
        circle, which takes no time here, so that nothing would ever change.
        """
        readable = {number: socket.state for number, socket in self._registered.items() if socket.readable}
        news, self._let_be = readable != self._let_be, readable
        return bool(readable) and news

    def _park(self, timeout_ns: int | None) -> None:
        process = self._environment.current
        starts = process is not None and not process.service  # it asks its neighbours, and waits a second for answers
        self.parked = True
        try:
            daemon = not starts and not self._keeps_alive()
            self._environment.wait(self._awake, timeout_ns=timeout_ns, daemon=daemon)
        finally:
            self.parked = False

    def nudge(self) -> None:
        """Let the loop go round once, for a flag that it looks at: now, or when it comes here next."""
        self._nudged = True
        self.wake()
