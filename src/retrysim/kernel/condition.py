"""A condition: processes wait for it, somebody notifies them, first come first served."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retrysim.kernel.process import Wait


class Condition:
    """What a process waits for; ``name`` is what a person reads when nothing can end the wait."""

    __slots__ = ("_waits", "name", "notified")

    def __init__(self, name: str) -> None:
        self.name = name
        #: how often all were woken
        self.notified = 0
        self._waits: deque[Wait] = deque()

    def __repr__(self) -> str:
        return f"<Condition {self.name!r}, {len(self._waits)} waiting>"

    @property
    def is_waited_for(self) -> bool:
        """Whether anybody waits."""
        return bool(self._waits)

    def forget_all(self) -> None:
        """Nobody waits any more, and nobody is woken: they are in another process of the machine."""
        self._waits.clear()

    def enter(self, wait: Wait) -> None:
        self._waits.append(wait)

    def leave(self, wait: Wait) -> None:
        """Stop waiting; who was notified already has left."""
        if wait in self._waits:
            self._waits.remove(wait)

    def notify(self) -> bool:
        """Wake the one that waits longest; says whether there was one."""
        if not self._waits:
            return False
        self._waits.popleft().wake()
        return True

    def notify_all(self) -> None:
        """Wake all that wait now."""
        self.notified += 1
        while self._waits:
            self._waits.popleft().wake()

    def suggest_all(self) -> None:
        """Wake all that wait now; whoever has nothing to do when its turn comes goes on waiting, behind all others."""
        while self._waits:
            self._waits.popleft().suggest()
