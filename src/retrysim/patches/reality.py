"""What a task may do in real time: hosts, threads, subprocesses. Any other real wait is a named error.

So it is for all of the simulated world. The test itself is left unchanged; what runs on its own outside of the
simulation is noted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from signal import Signals
from typing import Any

from greenlet import getcurrent

from retrysim.errors import RealWait, Unsupported
from retrysim.kernel import Environment, Host, Role
from retrysim.patches.companions import Companions
from retrysim.patches.locks import Locks
from retrysim.patches.places import call_site, is_importing

#: What can be allowed besides hosts.
THREADS, SUBPROCESS, SELECT = "threads", "subprocess", "select"
#: Packages whose connections are allowed or refused by the room ``outside``, before a socket is opened.
DATABASE_DRIVERS = frozenset({"psycopg", "pymysql", "aiomysql", "asyncmy", "asyncpg", "pg8000", "mysql"})
#: Under which a greenlet keeps the names of the signals whose receivers run on it.
_RECEIVING = "retrysim_receiving"


class Reality:
    """The permits of one simulation, and the list of what it left unchanged."""

    #: what to do instead of ending the test's own process
    instead_of_ending_the_test = "Let a worker run it, whose process is simulated: sim.start_worker(app)"

    def __init__(self, environment: Environment, *allowed: str, strict: bool = True) -> None:
        self._environment = environment
        self.allowed = set(allowed)
        self._strict = strict
        self.notes: list[str] = []
        self.locks = Locks(environment)
        #: what the test has started that lives in real time
        self.companions = Companions()
        #: where the hosts that are allowed were found to be
        self.addresses: set[Any] = set()
        #: the address that a name has in the simulation, and the name that an address has, if any
        self.address_of: Callable[[str], str | None] = _unknown
        self.host_at: Callable[[str], str | None] = _unknown
        #: whether the test itself runs a task just now, by Celery's own eager mode
        self.runs_a_task: Callable[[], bool] = bool
        environment.test.on_end = self._refuse_to_end_the_test

    def allow(self, what: str) -> None:
        self.allowed.add(what)

    def permits(self, *names: str) -> bool:
        """Whether one of these may be reached or done in real time."""
        return not self._strict or not self.allowed.isdisjoint(names)

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    @property
    def inside(self) -> bool:
        """Whether the caller is inside of the simulated world: a task, a thread of one, a receiver of a signal of
        Celery's, a program, a beat. Outside is the test itself, and what is none of Celery's.
        """
        environment = self._environment
        if environment.over or not environment.owns_thread:
            return environment.frees and environment.owns_thread
        return environment.current is not None or self._received is not None or self.runs_a_task()

    @contextmanager
    def receiving(self, signal: str) -> Iterator[None]:
        """While receivers of a signal of Celery's are called: they are the app's code, also where the test sends it."""
        signals = vars(getcurrent()).setdefault(_RECEIVING, [])
        signals.append(signal)
        try:
            yield
        finally:
            signals.pop()

    @property
    def _received(self) -> str | None:
        """The signal that is received on the caller's stack, if any."""
        signals = vars(getcurrent()).get(_RECEIVING)
        return signals[-1] if signals else None

    def refusal(self, error: Exception) -> Exception:
        """The error, which ends the run, too, where it is raised into what only logs it."""
        if self._received is not None:
            self._environment.fail(error)
        return error

    @property
    def is_importing(self) -> bool:
        """Whether the caller is a module that is being imported: it may do what an import does."""
        return is_importing()

    @property
    def is_in_a_real_process(self) -> bool:
        """Whether the simulated process is one of the machine: what it changes of itself ends with it."""
        return self._environment.is_forked

    @property
    def host(self) -> Host | None:
        """The simulated process that the caller is in; ``None`` for the test itself, and for real threads.

        What a test runs eagerly, or in a thread, is in the test's own process: that one is not to end. Raises
        ``Unsupported`` in a finalizer of a process that has ended, which a real one would not run.
        """
        if self._environment.frees and self.inside:
            raise Unsupported("a finalizer does what only a process can do, and its process has ended")
        return self._environment.host if self.inside else None

    def instead_of(self, real: Callable[..., Any], ours: Callable[..., Any]) -> Callable[..., Any]:
        """``ours``, called with the simulated process, wherever there is one; ``real`` elsewhere."""

        def stand_in(*args: Any, **kwargs: Any) -> Any:
            process = self.host
            return real(*args, **kwargs) if process is None else ours(process, *args, **kwargs)

        return named_as(real, stand_in)

    def _refuse_to_end_the_test(self, status: int) -> None:
        how = f"exits with code {status}" if status >= 0 else f"is ended by {Signals(-status).name}"
        raise Unsupported(
            f"a task {how}, and with it the test: it runs in the test's own process\n  at {call_site()}\n"
            f"  {self.instead_of_ending_the_test}"
        )

    @property
    def who(self) -> str:
        """Who asks, for a person to read."""
        if self._received is not None:
            return f"a receiver of {self._received}"
        current = self._environment.current
        if current is None:
            return "a task" if self.runs_a_task() else "the test"
        return "a task" if current.in_task or current.host.role is Role.TEST else current.host.name

    def check(self, what: str, permit: str) -> None:
        """Raise ``RealWait`` when a simulated process does ``what`` without the permit for it."""
        if self.inside and not self.permits(permit) and not self.is_importing:
            raise self.refusal(
                RealWait(
                    f"{self.who} {what}, which takes real time, and virtual time stands still meanwhile\n"
                    f'  at {call_site()}\n  If that is meant: sim.allow("{permit}")'
                )
            )

    def guarded(self, real: Callable[..., Any], what: str, permit: str) -> Callable[..., Any]:
        """``real``, with a check before it."""

        def guarded(*args: Any, **kwargs: Any) -> Any:
            self.check(what, permit)
            return real(*args, **kwargs)

        return named_as(real, guarded)


def _unknown(_name: str) -> None:
    return None


def named_as(real: Any, stand_in: Callable[..., Any]) -> Callable[..., Any]:
    """The stand-in under the name of what it stands for: by it, it is pickled, and read."""
    for name in ("__name__", "__qualname__", "__module__", "__doc__"):
        setattr(stand_in, name, getattr(real, name, None))
    return stand_in
