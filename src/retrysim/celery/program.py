"""A program of the user's own alongside the workers: a monitor of events, a consumer, a script that sends tasks.

It is a simulated process like a worker's, so that its waits are virtual and its queues, pools and connections its own.
Most such programs never return, so like a beat it keeps no run alive.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from celery import _state

from retrysim.errors import AppError, RetrysimError
from retrysim.kernel import Environment, Host, Role


class Program:
    """One run of a function as a process of the simulation."""

    def __init__(self, function: Callable[[], object], environment: Environment, *, name: str) -> None:
        self.name = name
        self._function = function
        self._environment = environment
        #: whether it has not ended yet
        self.running = False

    def __repr__(self) -> str:
        return f"<Program {self.name!r}, {'running' if self.running else 'ended'}>"

    def __str__(self) -> str:
        return self.name

    def start(self) -> None:
        """Start it, and let it come to its first wait: what is sent after that, it hears."""
        app = _state._tls.current_app or _state.default_app
        self.running = True
        name = f"the program {self.name!r}"
        self._host = Host(self._environment, name, role=Role.PROGRAM, end=self._end, machine=self.name)
        run = partial(self._run, app)
        process = self._host.main = self._environment.spawn(run, name=self.name, daemon=True, host=self._host)
        self._environment.run(until=lambda: process.wait is not None or not self.running)

    def kill(self) -> None:
        """SIGKILL: no line of it runs any more, and its connections break."""
        if self.running:
            self.running = False
            self._environment.kill(self._host)

    def _end(self, _status: int) -> None:
        self._environment.intervene(self.kill)

    def _run(self, app: Any) -> None:
        """In a process of its own, which has imported what the test has: the app of shared tasks is the same."""
        _state._tls.current_app = app
        try:
            self._function()
        except SystemExit:
            pass  # as a process: it ends
        except RetrysimError:
            raise  # says already what happened, and where
        except (Exception, KeyboardInterrupt) as error:
            raise AppError(f"the program {self.name!r} ended with {type(error).__name__}: {error}") from error
        finally:
            self.running = False
            self._host.exit()
            self._host.ended()
