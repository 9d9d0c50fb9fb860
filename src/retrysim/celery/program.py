"""A program of the user's own beside the workers: a monitor that hears events, a consumer, a script that sends tasks.

It is a simulated process like a worker's, so that its waits are virtual and its queues, pools and connections its own.
Most such programs wait for ever, so like a beat it keeps no run alive.
"""

from __future__ import annotations

from collections.abc import Callable

from retrysim.celery.hosting import Broker
from retrysim.celery.process_globals import ProcessGlobals
from retrysim.errors import AppError
from retrysim.kernel import Environment


class Program:
    """One run of a function as a process of the simulation."""

    def __init__(
        self,
        function: Callable[[], object],
        environment: Environment,
        broker: Broker,
        globals_of: ProcessGlobals,
        *,
        name: str,
    ) -> None:
        self.name = name
        self._function = function
        self._environment = environment
        self._broker = broker
        self._globals = globals_of
        #: whether it has not ended yet
        self.running = False

    def __repr__(self) -> str:
        return f"<Program {self.name!r}, {'running' if self.running else 'ended'}>"

    def __str__(self) -> str:
        return self.name

    def start(self) -> None:
        """Start it, and let it come to its first wait: what is sent after that, it hears."""
        self._globals.start(self)
        self.running = True
        process = self._environment.spawn(self._run, name=self.name, daemon=True, host=self)
        self._environment.run(until=lambda: process.wait is not None or not self.running)

    def kill(self) -> None:
        """SIGKILL: no line of it runs any more, and its connections break."""
        if self.running:
            self.running = False
            self._environment.abandon_host(self)
            self._broker.drop(self)

    def _run(self) -> None:
        try:
            self._function()
        except SystemExit:
            pass  # as a process: it ends
        except Exception as error:
            raise AppError(f"the program {self.name!r} ended with {type(error).__name__}: {error}") from error
        finally:
            self.running = False
