"""The children of one simulation that are processes of the machine, and what all of them may ask of their parent."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from retrysim.errors import Unsupported
from retrysim.kernel.condition import Condition

if TYPE_CHECKING:
    from retrysim.kernel.forked.face import Face
    from retrysim.kernel.forked.inside import Link


class Faces:
    """The children of one simulation, and what they may ask of their parent.

    ``services`` make, for each face, an object whose methods the child calls by name; ``shared`` are conditions that
    a child may wait for though others notify them. ``in_child`` is called in each new child, with its ``Link``.
    """

    def __init__(self) -> None:
        #: what each child seeds its module ``random`` from, with its own name
        self.seed = 0
        #: raises an error where that process must not be forked
        self.must_be_able_to_fork: Callable[[], None] = _nothing_hinders
        #: forks the process that plays the simulation: by default, as the operating system does
        self.fork: Callable[[], int] = getattr(os, "fork", _cannot_fork)
        self.services: dict[str, Callable[[Face], Any]] = {}
        self.shared: dict[str, Condition] = {}
        self.in_child: list[Callable[[Link], object]] = []
        self.alive: list[Face] = []

    def share(self, key: str, condition: Condition) -> None:
        """Let children wait for this condition, and notify it."""
        self.shared[key] = condition

    def end(self) -> None:
        """Kill every child that is left."""
        for face in tuple(self.alive):
            face.end()


def _nothing_hinders() -> None:
    pass


def _cannot_fork() -> int:
    raise Unsupported("this platform cannot fork a process: start the worker without isolated=True")
