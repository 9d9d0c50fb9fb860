"""A slot whose pool process is one of the machine: forked when the worker starts it, with memory of its own.

What the parent does to a child, and what it makes of a child's end, is what every slot has. What a child does itself
(its handlers, Celery's ``process_initializer``, the trace, its farewell) runs in the forked process.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from os import _exit
from signal import SIGKILL, SIGSTOP
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import celery.app.log  # noqa: F401 - each child would import it, since its app asks for its log
from billiard.compat import mem_rss
from billiard.pool import EX_RECYCLE, MAXMEM_USED_FMT
from billiard.util import _run_after_forkers
from billiard.util import warning as say_warning
from celery.concurrency.prefork import process_initializer

from retrysim.celery.pools.results import sendable
from retrysim.celery.pools.slot import Job, Outcome, Slot
from retrysim.celery.signals import ChildSignals
from retrysim.kernel.forked.face import Face
from retrysim.kernel.host import Host

if TYPE_CHECKING:
    from retrysim.kernel.forked.inside import Link


class ForkedHost(Host):
    """What stands in the parent for a host that is a process of the machine."""

    face: Face

    def send(self, number: int) -> None:
        """The child's own handlers decide its end, except for signals that no process can catch."""
        self.on_signal(number)
        if number in (SIGKILL, SIGSTOP):
            self._default(number)
        else:
            self.face.signal(number)

    def ended(self) -> None:
        super().ended()
        self.face.end()


class IsolatedSlot(Slot):
    """One pool process of a worker with ``isolated=True``."""

    def __init__(self, pool: Any, pid: int, index: int) -> None:
        super().__init__(pool, pid, index)
        host = self.host
        host.__class__ = ForkedHost
        assert isinstance(host, ForkedHost)
        faces = self._environment.faces
        self.face = host.face = Face(faces, self._environment, self.process, host.end)
        self.given = self.face.news
        self._completed = 0

    # -- in the parent -------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self.face.fork(self._be_the_child)

    def _end_between_jobs(self, error: BaseException) -> NoReturn:
        """In the parent this is no signal of the child's."""
        raise error

    def _wait_for_work(self) -> None:
        self.face.idle()

    def _execute(self, job: Job) -> Outcome:
        outcome: Outcome = self.face.order("run", job.target, job.args, job.kwargs, self.process.time_limit_s)
        return outcome

    def _say_exit(self, exit_code: int) -> None:
        self.face.order("say_exit", exit_code)
        self.face.leave(exit_code)

    # -- in the child --------------------------------------------------------------------------------------------------

    def _be_the_child(self, link: Link) -> NoReturn:
        self.__class__ = _Child  # type: ignore[assignment]
        assert isinstance(self, _Child)
        self.live(link)


class _Child(Slot):
    """The same slot in the forked process, where it is what billiard's ``Worker`` is."""

    _completed: int
    pool: Any

    def live(self, link: Link) -> NoReturn:
        self._link = link
        try:
            self._begin_process()
            outcome: Any = None
            while True:
                what, *content = link.next_order(outcome)
                outcome = self._orders[what](self, *content)
        except BaseException as error:
            self._end_between_jobs(error)
        _exit(1)

    def _begin_process(self) -> None:
        pool = self.pool
        random.seed(f"{self._environment.faces.seed}/{self.host.name}")
        _run_after_forkers()
        app = pool.app
        app.log.setup = _log_is_the_tests
        process_initializer(app, pool.worker_name)
        self._signals = ChildSignals(self.host)  # after the initializer, as billiard.pool.Worker.after_fork

    def _run_one(self, target: Callable[..., Any], args: Any, kwargs: Any, time_limit_s: float | None) -> Outcome:
        self.process.begin_task()
        self.process.time_limit_s = time_limit_s
        outcome = self._call(target, args, kwargs)
        self.process.time_limit_s = None
        self.process.end_task()
        self._completed += 1
        succeeded, value, exit_code = outcome
        if exit_code is None:
            exit_code = self._retires()
        return (*sendable(succeeded, value), exit_code)

    def _retires(self) -> int | None:
        """What it exits with when it has run as many tasks as it may, or has become too large."""
        options = self.pool.options
        largest_kb = options.get("max_memory_per_child") or 0
        if largest_kb and (used_kb := mem_rss()) > largest_kb:
            say_warning(MAXMEM_USED_FMT.format(used_kb, largest_kb))
            return int(EX_RECYCLE)
        most = options.get("maxtasksperchild")
        return int(EX_RECYCLE) if most and self._completed >= most else None

    def _leave_now(self, exit_code: int) -> NoReturn:
        _exit(exit_code)

    _orders: ClassVar[dict[str, Callable[..., Any]]] = {
        "run": _run_one,
        "say_exit": Slot._say_exit,
        "leave": _leave_now,
    }


def _log_is_the_tests(*_args: object, **_options: object) -> bool:
    """Stands in for ``celery.app.log.Logging.setup``: log records and warnings go where those of the test go."""
    return False
