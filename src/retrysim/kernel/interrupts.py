"""Signals from outside (Ctrl-C, pytest-timeout) belong to the driver, whichever process runs when they arrive.

Python calls a signal's handler on the stack that happens to run. Raised inside a task's greenlet, KeyboardInterrupt
would be caught by Celery and become a WorkerLostError.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

_ROUTED = ("SIGINT", "SIGTERM", "SIGALRM")


@dataclass(frozen=True, slots=True)
class Interrupt:
    """A signal that arrived, with the handler that was installed for it."""

    handler: Callable[[int, FrameType | None], Any]
    number: int
    frame: FrameType | None

    def serve(self) -> None:
        self.handler(self.number, self.frame)


@contextmanager
def routed_interrupts(deliver: Callable[[Interrupt], None]) -> Iterator[None]:
    """While inside, every signal with a Python handler goes through ``deliver``; undone at the end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in map(_number, _ROUTED) if number is not None}
    routed = {number: handler for number, handler in before.items() if callable(handler)}
    for number, handler in routed.items():
        signal.signal(number, _router(handler, deliver))
    try:
        yield
    finally:
        for number, handler in routed.items():
            signal.signal(number, handler)


def _number(name: str) -> signal.Signals | None:
    return getattr(signal, name, None)


def _router(
    handler: Callable[[int, FrameType | None], Any], deliver: Callable[[Interrupt], None]
) -> Callable[[int, FrameType | None], None]:
    def route(number: int, frame: FrameType | None) -> None:
        deliver(Interrupt(handler, number, frame))

    return route
