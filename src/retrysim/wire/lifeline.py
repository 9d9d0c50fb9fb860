"""Tells in-memory connections whether what they lead to still stands, and lends them file descriptors to be polled.

A connection pool asks the operating system whether an idle connection was dropped: it polls its descriptor, and a
readable one is dead. So there are two descriptors, one that is never readable and one that always is.
"""

from __future__ import annotations

import os
from functools import cache


class Lifeline:
    """Alive from installation to uninstallation."""

    __slots__ = ("alive",)

    def __init__(self) -> None:
        self.alive = True

    def cut(self) -> None:
        """Every connection on this line is dropped from now on."""
        self.alive = False

    def descriptor(self, *, readable: bool) -> int:
        """A descriptor for ``poll`` and ``select``: one that reads at once, or one that never does."""
        return _descriptors()[readable]


@cache
def _descriptors() -> tuple[int, int]:
    """The two that all connections of the process share, open from when one is first polled to its end."""
    quiet, _writer = os.pipe()
    at_its_end, writer = os.pipe()
    os.close(writer)
    return quiet, at_its_end
