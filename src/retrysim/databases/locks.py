"""Waits for the locks of a database server, in virtual time: a task that another one holds up lets that one go on.

A query is waited for as long as it really takes, and costs no virtual time. But a row that another simulated task has
locked will not be free before that task goes on. So when an answer is late, the server is asked who holds it up; if
that is a connection of this simulation, the end of that one's next query is waited for.
"""

from __future__ import annotations

import select
import weakref
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from retrysim.kernel import Condition, Environment, Process
from retrysim.undo import UndoStack

#: How long an answer is waited for before the server is asked why it does not come, in real seconds.
LATE = 0.05
_REAL: Any = {"poll": select.poll}  # in a container: a simulation replaces a saved global


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSession:
    """A connection as its server sees it. ``key`` tells it from all others; the rest asks by connections of its own."""

    key: Hashable
    server: str
    #: who holds it up, by their keys
    held_up_by: Callable[[], list[Hashable]]
    #: whether it may hold locks
    in_transaction: Callable[[], bool]
    #: how long its answers are waited for before the server is asked why they do not come, in real seconds
    late: float = LATE
    #: lets the server end it: its client may be in the middle of a query, and never go on
    end: Callable[[], object]


class Locks:
    """Who waits for whom, of the connections that have asked anything in one simulation."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._sessions: dict[Hashable, DatabaseSession] = {}
        self._users: dict[Hashable, Process | None] = {}
        self._held_up: dict[Hashable, list[Hashable]] = {}
        self._released: dict[str, Condition] = {}
        self._asking = False
        self._opened: weakref.WeakSet[Any] = weakref.WeakSet()

    def connect(self, undo: UndoStack) -> None:
        """A process that is killed loses its transactions; so do all when ``undo`` is unwound."""
        self._environment.listeners.add(undo, killed=self._end_those_of)
        undo.then(self._end_all)

    def opens(self, connection: Any) -> None:
        """Somebody opens a connection; one of the test is not lost with a process that uses it."""
        if not self._environment.over and self._environment.current is not None:
            self._opened.add(connection)

    def was_opened(self, connection: Any) -> bool:
        """Whether a process of this simulation has opened it."""
        return connection is not None and connection in self._opened

    def begins(self, session: DatabaseSession) -> None:
        """A query of this connection begins."""
        self._sessions[session.key] = session
        self._users[session.key] = self._environment.current

    def ended(self, session: DatabaseSession) -> None:
        """A query has ended: what it has released, others may have."""
        self.released(session.key)

    def released(self, key: Hashable) -> None:
        """This connection may hold less than before."""
        if any(key in holders for holders in self._held_up.values()):
            for released in self._released.values():
                released.notify_all()

    def gone(self, key: Hashable) -> None:
        """A connection is closed, or has ended its transaction: it holds nothing."""
        if key in self._sessions:
            del self._sessions[key], self._users[key]
            self.released(key)

    @property
    def may_wait(self) -> bool:
        """Whether whoever runs now can let others go on."""
        environment = self._environment
        if self._asking or environment.over or not environment.owns_thread:
            return False
        return environment.current is not None or environment.at_rest

    def wait_for(self, session: DatabaseSession | None, fileno: int, *, to_write: bool = False) -> None:
        """Wait until a file can be read (or written to), as long as it takes."""
        poll = _REAL["poll"]()
        poll.register(fileno, select.POLLOUT if to_write else select.POLLIN)
        while not poll.poll((LATE if session is None else session.late) * 1000):
            if session is not None and self.may_wait:
                self.let_the_holder_go_on(session)

    def let_the_holder_go_on(self, late: DatabaseSession) -> None:
        """Wait in virtual time if a connection of this simulation holds what this one waits for.

        Those that wait for each other really wait for the server to find that out. But it may have served one of them
        since that one asked, before those that came first: each looks again.
        """
        holders = [key for key in self._ask(late) if key in self._sessions]
        if not holders:
            return
        if late.key in self._all_behind(holders):
            for released in self._released.values():
                released.notify_all()
            self._environment.sleep(0)
            return
        self._held_up[late.key] = holders
        try:
            name = f"a lock in {late.server}, whose holder waits, too"
            self._environment.wait(self._released.setdefault(name, Condition(name)))
        finally:
            del self._held_up[late.key]

    def _all_behind(self, keys: list[Hashable]) -> set[Hashable]:
        """These, those for whom they wait, and so on."""
        found: set[Hashable] = set()
        left = list(keys)
        while left:
            key = left.pop()
            if key not in found:
                found.add(key)
                left += self._held_up.get(key, [])
        return found

    def _ask(self, late: DatabaseSession) -> list[Hashable]:
        self._asking = True
        try:
            return late.held_up_by()
        finally:
            self._asking = False

    def _end_those_of(self, process: Process) -> None:
        for key in [key for key, user in self._users.items() if user is process]:
            self._end(key)

    def _end_all(self) -> None:
        for key in [key for key, user in self._users.items() if user is not None]:
            self._end(key)
        self._sessions.clear()
        self._users.clear()

    def _end(self, key: Hashable) -> None:
        session = self._sessions[key]
        self._asking = True
        try:
            with suppress(Exception):  # closed already, or broken: it is over in any case
                if session.in_transaction():
                    session.end()
        finally:
            self._asking = False
        self.gone(key)
