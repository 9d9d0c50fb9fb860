"""The default result store of a simulation: Celery's key-value backend over a dict, with TTLs in virtual time.

Not ``cache+memory://``: that one is a module-global LRU of 5000 results without TTL.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from celery import states
from celery.backends.base import KeyValueStoreBackend
from celery.exceptions import TimeoutError as ResultTimeout
from celery.result import ResultSet

from retrysim.celery.result_conditions import ConditionedBackend, ResultConditions
from retrysim.clock import grid_ns
from retrysim.durations import SECOND
from retrysim.kernel import Condition, Environment


class ResultStore(ConditionedBackend, KeyValueStoreBackend):  # type: ignore[misc]
    """Results of one simulation; ``get()`` waits in virtual time and polls nothing."""

    supports_native_join = True
    implements_incr = True
    thread_safe = True
    persistent = True

    def __init__(self, app: Any, environment: Environment, conditions: ResultConditions, *, in_place_of: Any) -> None:
        #: as the app's own backend: where results do not expire by themselves, beat sends ``celery.backend_cleanup``
        self.supports_autoexpire = in_place_of.supports_autoexpire
        #: whether the error of a chord names the task that failed; of the backends that count in the store, Redis' does
        self._names_who_failed = any(kind.__module__ == "celery.backends.redis" for kind in type(in_place_of).__mro__)
        self._environment = environment
        self.conditions = conditions
        self.changed = Condition("a result")
        self._values: dict[bytes, tuple[bytes | int, int | None]] = {}  # key -> value, when it expires
        super().__init__(app)

    def as_uri(self, include_password: bool = False) -> str:
        return "simulated://"

    # -- the store -----------------------------------------------------------------------------------------------------

    def get(self, key: bytes) -> Any:
        value, expires_ns = self._values.get(key, (None, None))
        if self.supports_autoexpire and self._is_old(expires_ns):
            del self._values[key]
            return None
        return value

    def mget(self, keys: Iterable[bytes]) -> list[Any]:
        return [self.get(key) for key in keys]

    def set(self, key: bytes, value: bytes) -> None:
        self._values[key] = (value, self._expires_ns(self.expires))
        self.changed.notify_all()

    def delete(self, key: bytes) -> None:
        self._values.pop(key, None)

    def incr(self, key: bytes) -> int:
        value = int(self.get(key) or 0) + 1
        self._values[key] = (value, self._values.get(key, (None, None))[1])
        return value

    def expire(self, key: bytes, value: float) -> None:
        if key in self._values:
            self._values[key] = (self._values[key][0], self._expires_ns(value))

    def cleanup(self) -> None:
        """What beat has a worker do at four in the morning, where results do not expire by themselves."""
        for key in [key for key, (_, expires_ns) in self._values.items() if self._is_old(expires_ns)]:
            del self._values[key]

    def _is_old(self, expires_ns: int | None) -> bool:
        return expires_ns is not None and expires_ns <= self._environment.clock.ns

    def _expires_ns(self, seconds: float | None) -> int | None:
        return self._environment.clock.ns + int(seconds * SECOND) if seconds else None

    # -- chords --------------------------------------------------------------------------------------------------------

    def is_cached(self, task_id: str) -> bool:
        """What Celery asks of the parts of a chord before it names the one that failed."""
        return self._names_who_failed or bool(super().is_cached(task_id))

    def iter_native(self, result: Any, **options: Any) -> Iterator[tuple[str, Any]]:
        """As the base class, in the order of the group: the first that failed is the one whose error is raised."""
        self._ensure_not_eager()
        parts = result.results
        yield from ((part.id, part.results) for part in parts if isinstance(part, ResultSet))
        ids = [part.id for part in parts if not isinstance(part, ResultSet)]
        if ids:
            yield from self.get_many(ids, **options)

    # -- waiting -------------------------------------------------------------------------------------------------------

    def wait_for(
        self,
        task_id: str,
        timeout: float | None = None,
        interval: float = 0.5,
        no_ack: bool = True,
        on_interval: Callable[[], None] | None = None,
    ) -> Any:
        """Wait until the task is ready: from a test this drives the simulation."""
        self._ensure_not_eager()
        deadline_ns = self._deadline_ns(timeout)
        while True:
            meta = self.get_task_meta(task_id)
            if meta["status"] in states.READY_STATES:
                return meta
            self._wait_for_a_change(f"the result of task {task_id}", deadline_ns, on_interval)

    def get_many(
        self,
        task_ids: Iterable[str],
        timeout: float | None = None,
        interval: float = 0.5,
        no_ack: bool = True,
        on_message: Callable[[Any], None] | None = None,
        on_interval: Callable[[], None] | None = None,
        max_iterations: int | None = None,
        **_options: Any,
    ) -> Iterator[tuple[str, Any]]:
        """The results of several tasks as they come, each at its instant."""
        waiting = sorted(task_ids) if isinstance(task_ids, set) else list(dict.fromkeys(task_ids))
        deadline_ns = self._deadline_ns(timeout)
        for iteration in itertools.count(1):
            for task_id in list(waiting):
                meta = self.get_task_meta(task_id)
                if meta["status"] in states.READY_STATES:
                    waiting.remove(task_id)
                    if on_message is not None:
                        on_message(meta)
                    yield task_id, meta
            if not waiting or iteration == max_iterations:
                return
            self._wait_for_a_change(f"the results of {len(waiting)} tasks", deadline_ns, on_interval)

    def _deadline_ns(self, timeout: float | None) -> int | None:
        return None if timeout is None else self._environment.clock.ns + grid_ns(timeout)

    def _wait_for_a_change(self, of_what: str, deadline_ns: int | None, on_interval: Callable[[], None] | None) -> None:
        if on_interval:
            on_interval()
        left_ns = None if deadline_ns is None else deadline_ns - self._environment.clock.ns
        if left_ns is not None and left_ns <= 0:
            raise ResultTimeout("The operation timed out.")
        self.changed.name = of_what
        self._environment.wait(self.changed, timeout_ns=left_ns)
