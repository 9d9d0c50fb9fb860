"""Lets no task of a worker that a test suite starts end, replace or change the process in which the tests run.

Everything else that such a task does is real. A pool process ends as a simulated one; a worker, whose thread the test
has, and a thread of its pool cannot end without the tests, so that such a call is refused.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from retrysim.kernel import Environment, Host, Role
from retrysim.patches.exits import end_simulated_processes_only
from retrysim.patches.interpreter_settings import keep_interpreter_settings
from retrysim.patches.loaded import unnoticed
from retrysim.patches.process_settings import keep_the_settings_of_this_process
from retrysim.patches.real_programs import replace_simulated_processes_only
from retrysim.patches.reality import Reality
from retrysim.patches.signals import signals_of_simulated_processes
from retrysim.patches.stand_ins import StandIns
from retrysim.undo import UndoStack


class RealityOfASuite(Reality):
    """Allows everything; ``inside`` are the workers, and not the test or a thread of its own."""

    instead_of_ending_the_test = 'Let a pool process run it, which is simulated: start_worker(app, pool="prefork")'

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment, strict=False)
        self._pid = os.getpid()

    @property
    def inside(self) -> bool:
        """A process that a task has really forked is none of the simulation."""
        return super().inside and self._environment.host.role is not Role.TEST and os.getpid() == self._pid

    @property
    def host(self) -> Host | None:
        """A thread of a pool has no signals of its own: they are its worker's."""
        host = super().host
        while (
            host is not None and host.role is Role.WORKER and host.parent is not None and host.parent.role is host.role
        ):
            host = host.parent
        return host


def keep_the_process_of_a_suite(undo: UndoStack, environment: Environment) -> Callable[[], None]:
    """Until ``undo`` is unwound. Returns what puts the settings back that tasks have changed, after each test."""
    settings = UndoStack()
    undo.then(settings.close)
    put_back_interpreters = keep_interpreter_settings(undo, environment)
    reality = RealityOfASuite(environment)
    with unnoticed(undo):
        stand_ins = StandIns(undo)
        end_simulated_processes_only(stand_ins, environment, reality)
        replace_simulated_processes_only(stand_ins, reality)
        signals_of_simulated_processes(stand_ins, environment, reality)
        keep_the_settings_of_this_process(stand_ins, reality, settings)
        stand_ins.spread()

    def put_back() -> None:
        settings.close()
        put_back_interpreters()

    return put_back
