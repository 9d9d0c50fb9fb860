"""Signals that end a command."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def sigterm_is_ctrl_c() -> Iterator[None]:
    """In the block SIGTERM, with which a CI job or ``timeout`` ends a command, does what Ctrl-C does."""
    try:
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    except ValueError:  # not the main thread, on which alone handlers run
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
