"""The world in which the workers of ``celery.contrib.testing`` run in virtual time: ``pytest --retrysim-worker``.

It is one for a whole pytest session, since a worker may live as long as that. Virtual is the time of those tests that
have to do with a worker; in between it stands still, and the real clocks are back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from retrysim.celery.embedded import (
    EmbeddedState,
    let_work_take_time,
    virtual_pools,
    virtual_worker_threads,
    wake_for_pending_operations,
)
from retrysim.celery.expired import expire_at_the_instant
from retrysim.celery.hosting import draw_task_ids, forget_new_pools, serve_transport
from retrysim.celery.library_warnings import warnings_of_a_worker
from retrysim.celery.memory import MemoryBroker
from retrysim.celery.pools.current_process import own_current_process
from retrysim.celery.rabbitmq import RabbitMQBroker
from retrysim.celery.redis import RedisBroker
from retrysim.celery.result_conditions import ResultConditions
from retrysim.celery.tracebacks import leave_our_frames_out, remember_code_positions
from retrysim.clock import VirtualClock
from retrysim.durations import MICROSECOND, MILLISECOND
from retrysim.faults import Rules
from retrysim.kernel import Environment, Host, Limits, Role, Streams
from retrysim.network import Network
from retrysim.outside import SERVERS, TEST_DATABASE, Barrier, allow_in_the_project, stand_between
from retrysim.patches import (
    Companions,
    keep_the_process_of_a_suite,
    programs_live_in_real_time,
    threads_of_a_suite,
    virtual_clocks,
    virtual_condition_waits,
    virtual_event_loops_of_a_suite,
    virtual_threads_of_a_test,
)
from retrysim.rabbitmq import RabbitMQ
from retrysim.simulation.start import start_instant_ns
from retrysim.undo import UndoStack

#: What a command to Redis costs the test, and how long a message is on its way to a worker (each packet to or from
#: RabbitMQ): a test that polls gets on by the one, and what it does right after it has published comes before the task
#: begins, by the other.
_ROUND_TRIP_NS = 50 * MICROSECOND
_DELIVERY_NS = 3 * MILLISECOND
#: What is virtual of a thread: it is looked at when the thread starts.
_VIRTUAL_THREADS = (
    "start it after the first fixture of Celery's (celery_app, celery_worker), "
    "with a function of your own that waits for no socket and no process"
)
#: A session is longer than a run, and no trace says what happens in it; a test that never ends has its own time limit.
_LIMITS = Limits(events=10**12, task_steps=10**12, connections=10**12)


class EmbeddedWorld:
    """Simulated brokers and results under the URLs that the apps name, and virtual time when it is wanted."""

    def __init__(self, *, seed: int, start: datetime, allow: Iterable[str] = ()) -> None:
        self._allow = frozenset((*allow, TEST_DATABASE))
        self._streams = Streams(seed)
        self.environment = Environment(VirtualClock(start_instant_ns(start)), limits=_LIMITS)
        self.environment.instead_of_a_thread = _VIRTUAL_THREADS
        rules = Rules(lambda _rule, _message: None)
        conditions = ResultConditions(self.environment)
        self._memory = MemoryBroker(self.environment, rules, conditions)
        self._memory.poll()
        network = self._network = Network(self.environment)
        self._rabbitmq = RabbitMQBroker(network, rules, conditions, RabbitMQ())
        self._rabbitmq.network.slow_down(_DELIVERY_NS, self._has_virtual_time)
        self._redis = RedisBroker(network, rules, conditions)
        self._redis.server.round_trip_ns = _ROUND_TRIP_NS
        self._redis.server.delivery_ns = _DELIVERY_NS
        self._state = EmbeddedState(self.environment)
        self._undo = UndoStack()
        self._library = ExitStack()
        self._companions = Companions()
        #: a test has ended: what its tasks have changed of the process (limits, directory, variables) is as it was
        self.put_settings_back: Callable[[], object] = bool
        self.time_is_virtual = False

    def __enter__(self) -> Self:
        try:
            self._undo.callback(self.stop_time)
            self._state.connect(self._undo)
            self._identities = threads_of_a_suite(self._undo, self.environment)
            own_current_process(self._undo, self.environment)
            self.environment.listeners.add(self._undo, around_run=warnings_of_a_worker)
            self._undo.callback(self._network.end)
            forget_new_pools(self._undo)
            self._undo.callback(self.environment.abandon_all)
            remember_code_positions(self._undo)
            leave_our_frames_out(self._undo)
            draw_task_ids(self._undo, self._streams["task ids"])
            expire_at_the_instant(self._undo)
            self._serve_brokers()
            self.put_settings_back = keep_the_process_of_a_suite(self._undo, self.environment)
            stand_between(self._undo, Barrier(self._allow, self._who, allow_in_the_project), SERVERS)
            virtual_pools(self._undo, self.environment)
            virtual_worker_threads(self._undo, self.environment, self._state, self._identities, self._wake_workers)
            wake_for_pending_operations(self._undo, self._wake_workers)
            let_work_take_time(self._undo, self.environment)
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
            starting = virtual_threads_of_a_test(undo, self.environment, self._companions, self._identities)
            virtual_condition_waits(undo, self.environment, starting)
            programs_live_in_real_time(undo, self.environment, self._companions)
            virtual_event_loops_of_a_suite(undo, self.environment, self._companions)
            self._library.enter_context(virtual_clocks(self.environment, self._streams, self._companions))
            self.time_is_virtual = True

    def stop_time(self) -> None:
        """From here on, time is real; the world stands still."""
        if self.time_is_virtual:
            self.time_is_virtual = False
            self._library.close()

    def _serve_brokers(self) -> None:
        served: tuple[tuple[Any, tuple[str, ...]], ...] = (
            (self._memory, ("memory",)),
            (self._rabbitmq, ("amqp", "amqps", "pyamqp")),
            (self._redis, ("redis", "rediss")),  # the last: its hubs also look for what Redis has to restore
        )
        for broker, names in served:
            broker.connect(self._undo)
            for name in names:
                serve_transport(self._undo, broker, name)
        self._redis.serve_every_client(self._undo)

    def _has_virtual_time(self, host: Host) -> bool:
        """Whether it can wait for a packet; a thread of the test's own, which runs in real time, cannot."""
        return host.role is not Role.TEST or self.environment.owns_thread

    def _who(self) -> str:
        return "the test" if self.environment.current is None else "a task"

    def _wake_workers(self) -> None:
        self._redis.changed.notify_all()
        self._rabbitmq.changed.notify_all()
        self._memory.changed.notify_all()
