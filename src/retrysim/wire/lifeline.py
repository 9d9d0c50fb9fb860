"""Tells in-memory connections whether what they lead to still stands, and lends them file descriptors to be polled.

A connection pool asks the operating system whether an idle connection was dropped: it polls its descriptor, and a
readable one is dead. So there are two descriptors, one that is never readable and one that always is.
"""

from __future__ import annotations

import os
import weakref


class Lifeline:
    """Alive from installation to uninstallation; its descriptors live as long as a connection refers to it."""

    __slots__ = ("__weakref__", "_quiet", "_readable", "alive")

    def __init__(self) -> None:
        self.alive = True
        self._quiet, writer = os.pipe()
        self._readable, ended = os.pipe()
        os.close(ended)
        weakref.finalize(self, _close_all, self._quiet, writer, self._readable)

    def cut(self) -> None:
        """Every connection on this line is dropped from now on."""
        self.alive = False

    def descriptor(self, *, readable: bool) -> int:
        """A descriptor for ``poll`` and ``select``: one that reads at once, or one that never does."""
        return self._readable if readable else self._quiet


def _close_all(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
