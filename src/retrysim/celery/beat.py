"""A simulated beat: Celery's own ``Service`` and scheduler in a process whose waits keep no run alive.

A beat always has something to do, so a run must not wait for it: ``run()`` ends when everything else is idle, and
what would be due later is not sent. ``run_for("30 days")`` and ``run(until=...)`` let it tick that long.
"""

from __future__ import annotations

import inspect
from signal import SIGINT, SIGTERM
from types import FrameType
from typing import Any

from celery import beat
from celery.utils.imports import symbol_by_name

from retrysim.errors import InputError
from retrysim.kernel import Environment, Host, Role

#: The least that a wait can be, in seconds: one step of the clock.
_STEP = 1e-6


class Beat:
    """One beat of the simulation. What it remembers of each entry's last run survives ``restart()``, as in its file."""

    #: that of its host, and so of its machine
    name = "beat"

    def __init__(self, app: Any, environment: Environment) -> None:
        self.app = app
        self._environment = environment
        self._file: dict[str, Any] = {}
        self._host: Host | None = None
        self.service: Any = None

    def __repr__(self) -> str:
        return f"<Beat of {self.app.main!r}, {'stopped' if self.stopped else 'running'}>"

    @property
    def stopped(self) -> bool:
        """Whether it ticks no more."""
        return self._host is None

    def start(self) -> None:
        """Start it; it ticks from the next run on."""
        if not self.stopped:
            raise InputError("this beat is running: stop() or kill() it before restart()")
        host = Host(self._environment, self.name, role=Role.BEAT, end=self._end)
        host.handlers.update(dict.fromkeys((SIGTERM, SIGINT), _exit))  # celery.apps.beat, which then syncs
        thread = self._environment.new_thread("beat")
        with self._environment.context.on(thread, host):
            self.service = self._make_service()
            self.service.scheduler  # noqa: B018 - made now: an entry that is wrong is an error here
        host.main = self._environment.spawn(self._run, name="beat", daemon=True, host=host, thread=thread)
        self._host = host

    restart = start

    def stop(self) -> None:
        """SIGTERM: it writes down when each entry last ran, and ends."""
        if self._host is not None:
            assert self._host.main is not None
            self._environment.interrupt(self._host.main, SystemExit())
            self._environment.run(until=lambda: self.stopped)

    def kill(self) -> None:
        """SIGKILL: what it has not written down since the last time, three minutes ago at most, is forgotten."""
        if self._host is not None:
            self._environment.kill(self._host)
            self._host = None

    def _end(self, _status: int) -> None:
        self._environment.intervene(self.kill)

    def _run(self) -> None:
        try:
            self.service.start()
        finally:
            self._host = None

    def _make_service(self) -> Any:
        # `inspect ping` is answered by a thread of beat's own, which has no place here.
        silent = {"remote_control": False} if "remote_control" in inspect.signature(beat.Service).parameters else {}
        return beat.Service(self.app, scheduler_cls=self._scheduler_class(), **silent)

    def _scheduler_class(self) -> Any:
        own = symbol_by_name(self.app.conf.beat_scheduler)
        bases: tuple[Any, ...] = (_OnTheKernel, own)
        if own.schedules_equal is beat.Scheduler.schedules_equal:
            bases = (_ComparesOnce, *bases)
        entry = type(own.Entry.__name__, (_Ordered, own.Entry), {})
        return type(own.__name__, bases, {"Entry": entry, "persistence": _Disk(self._file)})


def _exit(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit


class _OnTheKernel(beat.Scheduler):  # type: ignore[misc]
    """A scheduler that sleeps where Celery's spins, and that has an order.

    Celery wakes 10 ms before an entry is due, and then asks in a circle until it is.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        self._asked: tuple[str, float] | None = None
        self._spinning: dict[str, float] = {}
        self._sent = False
        super().__init__(*args, **options)

    def merge_inplace(self, b: Any) -> None:
        super().merge_inplace(b)  # in the order of a set of names
        ordered = sorted(self.schedule.items())
        self.schedule.clear()
        self.schedule.update(ordered)

    def tick(self, *args: Any, **options: Any) -> Any:
        self._sent, self._asked = False, None
        interval = super().tick(*args, **options)
        if self._sent or interval > 0:
            self._spinning.clear()
            return interval
        return self._spun()

    def _spun(self) -> float:
        """How long to wait: no time, until each entry that is nearly due was asked; then until the first one is due."""
        if self._asked is not None and self._asked[0] not in self._spinning:
            self._spinning[self._asked[0]] = self._asked[1]
            return 0
        wait = min(self._spinning.values(), default=_STEP)
        self._spinning.clear()
        return max(wait, _STEP)

    def is_due(self, entry: Any) -> Any:
        due, next_time_to_run = super().is_due(entry)
        self._asked = (entry.name, next_time_to_run)
        return due, next_time_to_run

    def apply_entry(self, entry: Any, producer: Any = None) -> None:
        self._sent = True
        super().apply_entry(entry, producer=producer)


class _ComparesOnce(beat.Scheduler):  # type: ignore[misc]
    """At each tick Celery compares every field of every entry with what it was; here, only of entries that are new."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._same: dict[str, Any] = {}
        super().__init__(*args, **options)

    def schedules_equal(self, old_schedules: Any, new_schedules: Any) -> bool:
        if old_schedules is None or len(old_schedules) != len(new_schedules):
            self._same.clear()
            return False
        for name, entry in new_schedules.items():
            if self._same.get(name) is not entry:
                if old_schedules.get(name) != entry:
                    self._same.clear()
                    return False
                self._same[name] = entry
        return True


class _Ordered(beat.ScheduleEntry):  # type: ignore[misc]
    """An entry; of two that are due at one instant the one whose name comes first is first."""

    def __lt__(self, other: Any) -> bool:
        return bool(self.name < other.name)


class _Disk:
    """Stands in for ``shelve``, and the file of beat: what was written last is there at the next start."""

    def __init__(self, content: dict[str, Any]) -> None:
        self._content = content

    def open(self, _filename: str, **_options: Any) -> _Shelf:
        return _Shelf(self._content)


class _Shelf(dict[str, Any]):
    """An open file of beat: a copy, written back by ``sync()``. Celery replaces entries, and changes none."""

    def __init__(self, content: dict[str, Any]) -> None:
        super().__init__(_copied(content))
        self._content = content

    def sync(self) -> None:
        self._content.clear()
        self._content.update(_copied(self))

    close = sync


def _copied(content: dict[str, Any]) -> dict[str, Any]:
    return {key: dict(value) if isinstance(value, dict) else value for key, value in content.items()}
