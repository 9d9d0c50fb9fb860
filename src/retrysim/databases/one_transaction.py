"""The transaction that pytest-django's ``db`` (Django's ``TestCase``) opens around a test, shared with its tasks.

It is rolled back at the end, so only on its connection can tasks see what the test made, and the test what they did.
A block of ``atomic()`` in a task is a savepoint of it there, and its end is the task's commit: what the task gave to
``on_commit`` runs then. What no production has would be another task inside of that block, so a task that waits in
one is an error. ``close()`` of a task closes nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import celery.fixups.django

from retrysim.errors import SharedTransaction
from retrysim.kernel import Environment, Process
from retrysim.patches import call_site
from retrysim.undo import UndoStack

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """A block of ``atomic()`` that a task is in, and how many functions waited for the commit before it."""

    atomic: Any
    connection: Any
    hooks_before: int
    place: str


class OneTransaction:
    """Leads the tasks of a simulation to the test's connections while these are in the test's transaction."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._of_test: dict[str, Any] = {}
        self._lent: set[int] = set()
        self._blocks: dict[Process, list[_Block]] = {}
        self._exit: Callable[..., None] = _nothing

    def connect(self, undo: UndoStack) -> None:
        """From here on, until ``undo`` is unwound; called by the test."""
        from django.db import connections
        from django.db.transaction import Atomic

        self._undo = undo
        self._connections = connections
        self._exit = Atomic.__exit__
        for connection in connections.all(initialized_only=True):
            self._of_test[connection.alias] = connection
        handler = type(connections)
        undo.set_attribute(handler, "__getitem__", self._get(handler.__getitem__))
        undo.then(self._leave_what_died_inside)
        undo.set_attribute(Atomic, "__enter__", self._enter(Atomic.__enter__))
        undo.set_attribute(Atomic, "__exit__", self._leave(Atomic.__exit__))
        self._environment.listeners.add(undo, before_wait=self._refuse_to_wait)
        # A pool process that begins closes the file of each connection that it has inherited: here, of none.
        undo.set_attribute(celery.fixups.django, "_maybe_close_fd", _nothing)

    def awaiting_commit(self) -> list[str]:
        """The functions that wait for the commit of the test's transaction, in words."""
        shared = [connection for connection in self._of_test.values() if is_in_test(connection)]
        return [_name(function) for connection in shared for _, function, *_ in connection.run_on_commit]

    # -- whose connection ----------------------------------------------------------------------------------------------

    def _get(self, real: Callable[..., Any]) -> Callable[..., Any]:
        environment = self._environment

        def get(handler: Any, alias: str) -> Any:
            if handler is not self._connections or environment.over or not environment.owns_thread:
                return real(handler, alias)
            own = real(handler, alias) if environment.context.is_main_thread else None
            if own is not None:
                self._of_test[alias] = own
            shared = self._of_test.get(alias)
            if shared is None or not is_in_test(shared):
                return own or real(handler, alias)
            self._lend(shared)
            return shared

        return get

    def _lend(self, connection: Any) -> None:
        """Let tasks have a connection of the test that is in the test's transaction."""
        if id(connection) in self._lent:
            return
        self._lent.add(id(connection))
        for name in ("close", "close_pool"):
            if hasattr(connection, name):
                self._undo.set_attribute(connection, name, self._only_by_the_test(getattr(connection, name)))
        self._undo.set_attribute(connection, "on_commit", partial(self._on_commit, connection.on_commit))

    def _only_by_the_test(self, real: Callable[[], None]) -> Callable[[], None]:
        def close() -> None:
            if self._environment.current is None and self._environment.context.is_main_thread:
                real()

        return close

    # -- a task's own transactions -------------------------------------------------------------------------------------

    def _on_commit(self, real: Callable[..., None], func: Callable[[], None], robust: bool = False) -> None:
        """Outside of all blocks of its own a task is in no transaction: what it gives runs at once."""
        process = self._environment.current
        if process is None or self._blocks.get(process):
            real(func, robust=robust)
        else:
            _run(func, robust)

    def _enter(self, real: Callable[[Any], None]) -> Callable[[Any], None]:
        def enter(atomic: Any) -> None:
            process = self._environment.current
            connection = None if process is None else self._lent_by_test(atomic)
            if process is None or connection is None:
                return real(atomic)
            blocks = self._blocks.setdefault(process, [])
            hooks_before = len(connection.run_on_commit)
            asked = atomic.savepoint
            atomic.savepoint = asked or not blocks  # the outermost is a transaction, whatever it asks for
            try:
                real(atomic)
            finally:
                atomic.savepoint = asked
            block = _Block(atomic=atomic, connection=connection, hooks_before=hooks_before, place=call_site())
            blocks.append(block)
            return None

        return enter

    def _lent_by_test(self, atomic: Any) -> Any:
        """The test's connection, if this block of a task is one of its transaction."""
        from django.db.transaction import get_connection

        connection = get_connection(atomic.using)
        is_the_tests = any(connection is other for other in self._of_test.values())
        return connection if is_the_tests and is_in_test(connection) else None

    def _leave(self, real: Callable[..., None]) -> Callable[..., None]:
        def leave(atomic: Any, kind: Any, error: Any, where: Any) -> None:
            process = self._environment.current
            blocks = self._blocks.get(process, []) if process is not None else []
            block = blocks.pop() if blocks and blocks[-1].atomic is atomic else None
            real(atomic, kind, error, where)
            if block is not None and not blocks:
                _commit(block)

        return leave

    def _refuse_to_wait(self, process: Process) -> None:
        blocks = self._blocks.get(process)
        if blocks:
            raise SharedTransaction(
                f"a task waits inside transaction.atomic(), which it entered at {blocks[-1].place}\n"
                f"  at {call_site()}\n"
                "  Under the fixture `db` a test and its tasks share one connection, so whatever runs meanwhile would "
                "be inside that transaction.\n"
                "  Give each its own: the fixture transactional_db, or @pytest.mark.django_db(transaction=True)"
            )

    def _leave_what_died_inside(self) -> None:
        """The blocks of tasks that never went on: their transactions are rolled back, as a server does."""
        for blocks in self._blocks.values():
            for block in reversed(blocks):
                self._exit(block.atomic, RuntimeError, RuntimeError("its process ended"), None)


def _commit(block: _Block) -> None:
    """Run what was to run when the block is committed; what was rolled back, Django has taken out."""
    hooks = block.connection.run_on_commit
    block.connection.run_on_commit, own = hooks[: block.hooks_before], hooks[block.hooks_before :]
    for _, function, *robust in own:
        _run(function, robust=bool(robust and robust[0]))


def _run(function: Callable[[], None], robust: bool) -> None:
    try:
        function()
    except Exception:
        if not robust:
            raise
        _logger.exception("Error calling %s in on_commit()", _name(function))  # as Django does


def is_in_test(connection: Any) -> bool:
    """Whether it is in the transaction that Django's ``TestCase`` opens."""
    return any(getattr(block, "_from_testcase", False) for block in connection.atomic_blocks)


def _name(function: Any) -> str:
    """``shop.tasks.push.delay``, ``view.<locals>.<lambda>``: what was given to ``on_commit``."""
    if isinstance(function, partial):
        return _name(function.func)
    task = getattr(function, "__self__", None)
    if task is not None and hasattr(task, "name"):
        return f"{task.name}.{function.__name__}"
    return getattr(function, "__qualname__", repr(function))


def _nothing(*_args: Any) -> None:
    pass
