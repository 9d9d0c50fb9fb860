"""The worker processes of a run: started, watched, ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from retrysim.clock import WallClock
from retrysim.errors import InputError, LiveError
from retrysim.live.order import WorkerOrder, dump
from retrysim.trace import Event, WorkerStopped

#: How a worker ended, by the signal that was sent to it.
_HOW = {signal.SIGTERM: "warm", signal.SIGINT: "warm", signal.SIGQUIT: "cold", signal.SIGKILL: "killed"}
_LAST_LINES = 12


class WorkerProcess:
    """One ``celery worker`` and its pool: a process group of its own, so that a kill reaches both."""

    def __init__(self, order: WorkerOrder, folder: str, tell: Callable[[Event], None]) -> None:
        self.name = order.name
        self._order = order
        self._tell = tell
        self._log = Path(folder) / f"{order.name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._how = "died"
        self.died = False

    def start(self) -> None:
        command = [sys.executable, "-m", "retrysim.live.worker", dump(self._order)]
        with self._log.open("ab") as log:
            self._process = self._spawn(command, log)
        self._how = "died"

    def _spawn(self, command: list[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    @property
    def pid(self) -> int:
        """Of its main process. Raises ``InputError`` when it has ended."""
        if self._process is None:
            raise InputError(f"{self.name} has stopped already")
        return self._process.pid

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def note_end(self) -> None:
        """Tell the trace of its end, once, when it has ended."""
        if self._process is not None and not self.runs:
            self._process = None
            self.died = self.died or self._how == "died"
            self._tell(WorkerStopped(at_ns=WallClock().now_ns(), worker=self.name, how=self._how))

    def ask_to_stop(self) -> None:
        """SIGTERM, once."""
        if self._how == "died":
            self.signal(signal.SIGTERM)

    def signal(self, number: signal.Signals, *, how: str | None = None) -> None:
        """Send a signal to its main process."""
        pid = self.pid
        self._how = how or _HOW.get(number, "died")
        os.kill(pid, number)

    def kill(self) -> None:
        """SIGKILL, to it and its pool."""
        pid = self.pid
        self._how = "killed"
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        self.wait()

    def wait(self, seconds: float | None = None) -> None:
        assert self._process is not None, "a worker is started before it is waited for"
        self._process.wait(seconds)

    def abandon(self) -> None:
        """End it, with nothing in the trace."""
        if self._process is not None:
            self.kill()
            self._process = None

    def last_lines(self) -> str:
        """The end of its log."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-_LAST_LINES:])


def wait_until_ready(workers: list[WorkerProcess], ready: Callable[[], set[str]], patience: float) -> None:
    """Wait until all of them consume; ``patience`` is in seconds of this process' clock. Raises ``LiveError``."""
    deadline = time.monotonic() + patience
    while missing := [worker for worker in workers if worker.name not in ready()]:
        gone = next((worker for worker in missing if not worker.runs), None)
        if gone is not None:
            raise LiveError(f"{gone.name} ended before it was ready. The end of its log:\n{gone.last_lines()}")
        if time.monotonic() > deadline:
            raise LiveError(f"{missing[0].name} was not ready in time. The end of its log:\n{missing[0].last_lines()}")
        time.sleep(patience / 1000)
