"""The line from a worker's processes to the stage: it carries events, and requests to the fakes.

One connection for each process, made anew after a fork. Each message is answered, so what a process tells is in the
stage's trace before the process goes on, and is not lost when it is killed a moment later.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from multiprocessing.connection import Client, Connection
from typing import Any

from retrysim.fakes.request import Request
from retrysim.trace import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """An event of the trace. Answered with the number of the attempt, if one began."""

    event: Event
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """What a task returned."""

    task_id: str
    result: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """A request to a served host. Answered with the response."""

    host: str
    request: Request
    task_id: str | None
    attempt: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something that no run can go on after."""

    text: str


Message = Happened | Returned | Called | Trouble


class StageClient:
    """The worker's end; ``address`` and ``key`` are the stage's."""

    def __init__(self, address: str, key: bytes) -> None:
        self._address = address
        self._key = key
        self._lock = threading.RLock()
        self._connection: Connection | None = None
        self._pid = 0

    def ask(self, message: Message) -> Any:
        """Send a message and wait for its answer. Raises ``OSError`` or ``EOFError`` when the stage is gone."""
        if self._pid != os.getpid():  # a fork has copies of its parent's connection and lock
            self._lock, self._connection, self._pid = threading.RLock(), None, os.getpid()
        with self._lock:
            if self._connection is None:
                self._connection = Client(self._address, authkey=self._key)
            try:
                self._connection.send(message)
                return self._connection.recv()
            except BaseException:  # a time limit may strike between question and answer: the next asks on a new line
                self._connection.close()
                self._connection = None
                raise
