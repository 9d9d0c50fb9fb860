"""Signals from outside (Ctrl-C, pytest-timeout) belong to the driver, whichever process runs when they arrive.

Python calls a signal's handler on the stack that happens to run. Raised inside a task's greenlet, KeyboardInterrupt
would be caught by Celery and become a WorkerLostError.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Any

#: The real ones, whatever stands in for them in a simulation.
_get_handler, _set_handler = signal.getsignal, signal.signal
_ROUTED = ("SIGINT", "SIGTERM", "SIGALRM")
#: How many signals wait.
_PATIENCE = 2


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
    before = {number: _get_handler(number) for number in map(_number, _ROUTED) if number is not None}
    routed: dict[int, Any] = {}
    try:
        with suppress(ValueError):  # not the main thread, on which alone handlers run
            for each, handler in before.items():
                if callable(handler):
                    routed[each] = handler
                    _set_handler(each, _router(handler, deliver))
        yield
    finally:
        _restore(list(routed.items()))


def _restore(handlers: Sequence[tuple[int, Any]]) -> None:
    """Set each of them, also when one that is set already raises meanwhile."""
    if handlers:
        try:
            _set_handler(*handlers[0])
        finally:
            _restore(handlers[1:])


@contextmanager
def deferred_interrupts() -> Iterator[None]:
    """While inside, a signal with a Python handler waits for the end: nothing is done by halves.

    Two of them wait; a third is handled at once, for whoever wants out of something that does not end.
    """
    kept: list[Interrupt] = []

    def keep(interrupt: Interrupt) -> None:
        kept.append(interrupt)
        if len(kept) > _PATIENCE:
            kept.pop().serve()

    try:
        with routed_interrupts(keep):
            yield
    finally:
        if kept:
            kept[0].serve()


def close_at_once(stack: ExitStack) -> None:
    """Close it, all of it, whatever raises and whenever a signal comes."""
    try:
        with deferred_interrupts():
            stack.close()
    finally:
        stack.close()  # what is left, where a signal came before it was made to wait


def _number(name: str) -> signal.Signals | None:
    return getattr(signal, name, None)


def _router(
    handler: Callable[[int, FrameType | None], Any], deliver: Callable[[Interrupt], None]
) -> Callable[[int, FrameType | None], None]:
    def route(number: int, frame: FrameType | None) -> None:
        deliver(Interrupt(handler, number, frame))

    return route
