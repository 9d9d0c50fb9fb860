"""The world in which the workers of ``celery.contrib.testing`` run in virtual time: ``pytest --retrysim-worker``.

It is one for a whole pytest session, since a worker may live as long as that. Virtual is the time of those tests that
have to do with a worker; in between it stands still, and the real clocks are back.
"""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime
from types import TracebackType
from typing import Self

from retrysim.celery.embedded import Hosts, virtual_pools, virtual_worker_threads, wake_for_pending_operations
from retrysim.celery.hosting import draw_task_ids, serve_transport
from retrysim.celery.memory import MemoryBroker
from retrysim.celery.redis import RedisBroker
from retrysim.celery.result_weather import ResultWeather
from retrysim.celery.tracebacks import remember_code_positions
from retrysim.clock import VirtualClock
from retrysim.durations import MICROSECOND, MILLISECOND
from retrysim.faults import Rules
from retrysim.kernel import Environment, Limits, Streams
from retrysim.patches import virtual_clocks, virtual_condition_waits, virtual_threads_of_a_test
from retrysim.simulation.start import start_instant_ns
from retrysim.undo import UndoStack

#: What a command to Redis costs the test, and how long a message is on its way to a worker: a test that polls gets on
#: by the one, and what it does right after it has published comes before the task begins, by the other.
_ROUND_TRIP_NS = 50 * MICROSECOND
_DELIVERY_NS = 3 * MILLISECOND
#: A session is longer than a run; a test that never ends has its own time limit.
_LIMITS = Limits(events=10**12)


class EmbeddedWorld:
    """Simulated brokers and results under the URLs that the apps name, and virtual time when it is wanted."""

    def __init__(self, *, seed: int, start: datetime) -> None:
        self._streams = Streams(seed)
        self.environment = Environment(VirtualClock(start_instant_ns(start)), limits=_LIMITS)
        rules, weather = Rules(lambda _rule, _message: None), ResultWeather(self.environment)  # nothing goes wrong here
        self._memory = MemoryBroker(self.environment, rules, weather)
        self._redis = RedisBroker(self.environment, rules, weather)
        self._redis.server.round_trip_ns = _ROUND_TRIP_NS
        self._redis.server.delivery_ns = _DELIVERY_NS
        self._hosts = Hosts()
        self._undo = UndoStack()
        self._library = ExitStack()
        self.time_is_virtual = False

    def __enter__(self) -> Self:
        try:
            self._undo.callback(self.stop_time)
            self.environment.standpoint.on_host = self._hosts.enter
            self._undo.callback(self._abandon)
            remember_code_positions(self._undo)
            draw_task_ids(self._undo, self._streams["task ids"])
            self._serve_brokers()
            virtual_pools(self._undo, self.environment)
            virtual_worker_threads(self._undo, self.environment, self._wake_workers)
            wake_for_pending_operations(self._undo, self._wake_workers)
        except BaseException:
            self._undo.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._undo.close()

    @property
    def elapsed_ns(self) -> int:
        """Virtual time since the session began."""
        return self.environment.clock.ns - self.environment.clock.start_ns

    def start_time(self) -> None:
        """From here on, time is virtual."""
        if not self.time_is_virtual:
            undo = self._library.enter_context(UndoStack())
            starting = virtual_threads_of_a_test(undo, self.environment)
            virtual_condition_waits(undo, self.environment, starting)
            self._library.enter_context(virtual_clocks(self.environment, self._streams))
            self.time_is_virtual = True

    def stop_time(self) -> None:
        """From here on, time is real; the world stands still."""
        if self.time_is_virtual:
            self.time_is_virtual = False
            self._library.close()

    def _serve_brokers(self) -> None:
        for broker, names in ((self._memory, ("memory",)), (self._redis, ("redis", "rediss"))):
            broker.connect(self._undo)
            for name in names:
                serve_transport(self._undo, broker, name)
        self._redis.serve_every_client(self._undo)

    def _wake_workers(self) -> None:
        self._redis.changed.notify_all()
        self._memory.changed.notify_all()

    def _abandon(self) -> None:
        self.environment.abandon_all()
        self._hosts.enter(None)
