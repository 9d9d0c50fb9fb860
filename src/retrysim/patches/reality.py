"""What a task may do in real time: hosts, threads, subprocesses. All else that waits for reality is a named error.

Outside of tasks everything is let be; what runs on its own beside the simulation is noted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from retrysim.errors import RealWait
from retrysim.kernel import Environment
from retrysim.patches.locks import Locks
from retrysim.patches.places import call_site

#: What can be allowed besides hosts.
THREADS, SUBPROCESS, SELECT = "threads", "subprocess", "select"
#: Packages that talk to databases, which are real, by a library in C (libpq), whose sockets are not seen here anyhow.
DATABASE_DRIVERS = frozenset({"psycopg"})


class Reality:
    """The permits of one simulation, and the list of what it let be."""

    def __init__(self, environment: Environment, *allowed: str, strict: bool = True) -> None:
        self._environment = environment
        self.allowed = set(allowed)
        self._strict = strict
        self.notes: list[str] = []
        self.locks = Locks(environment)
        #: where the hosts that are allowed were found to be
        self.addresses: set[Any] = set()

    def allow(self, what: str) -> None:
        self.allowed.add(what)

    def permits(self, *names: str) -> bool:
        """Whether one of these may be reached or done in real time."""
        return not self._strict or not self.allowed.isdisjoint(names)

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    @property
    def inside_task(self) -> bool:
        """Whether the caller is a task, or a thread that one has started."""
        environment = self._environment
        process = environment.current if environment.owns_thread else None
        return process is not None and (not process.service or process.owner is not None)

    def check(self, what: str, permit: str) -> None:
        """Raise ``RealWait`` when a task does ``what`` without the permit for it."""
        if self.inside_task and not self.permits(permit):
            raise RealWait(
                f"a task {what}, which takes real time, and virtual time stands still meanwhile\n"
                f'  at {call_site()}\n  If that is meant: sim.allow("{permit}")'
            )

    def guarded(self, real: Callable[..., Any], what: str, permit: str) -> Callable[..., Any]:
        """``real``, with a check before it."""

        def guarded(*args: Any, **kwargs: Any) -> Any:
            self.check(what, permit)
            return real(*args, **kwargs)

        return guarded
