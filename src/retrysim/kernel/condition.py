"""A condition: processes wait for it, somebody notifies them, first come first served."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retrysim.kernel.process import Wait


class Condition:
    """What a process waits for; ``name`` is what a person reads when it waits in vain."""

    __slots__ = ("_waits", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._waits: deque[Wait] = deque()

    def __repr__(self) -> str:
        return f"<Condition {self.name!r}, {len(self._waits)} waiting>"

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
        while self.notify():
            pass
