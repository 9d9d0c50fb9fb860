"""What a limit remembers of each key, without the keys that have nothing left to remember."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from copy import deepcopy
from typing import Any, Generic, TypeVar

S = TypeVar("S")

_FEW = 1024


class States(Generic[S]):
    """One state per key; stale ones are dropped each time there are twice as many keys.

    A state is stale when a key that was never seen would be answered the same.
    """

    __slots__ = ("_by_key", "_is_stale", "_room", "find")

    def __init__(self, is_stale: Callable[[S, int], bool]) -> None:
        self._is_stale = is_stale
        self._by_key: dict[Hashable, S] = {}
        self._room = _FEW
        #: The state of a key, or ``None``.
        self.find: Callable[[Hashable], S | None] = self._by_key.get

    def __deepcopy__(self, memo: dict[int, Any]) -> States[S]:
        copied: States[S] = States(deepcopy(self._is_stale, memo))
        for key, state in self._by_key.items():  # into the dict that the copy's ``find`` looks in
            copied._by_key[key] = deepcopy(state, memo)
        copied._room = self._room
        return copied

    def __len__(self) -> int:
        return len(self._by_key)

    def put(self, key: Hashable, state: S, now_ns: int) -> None:
        """Remember the state of a key; may drop stale states of others."""
        self._by_key[key] = state
        if len(self._by_key) > self._room:
            self._prune(now_ns)

    def _prune(self, now_ns: int) -> None:
        stale = [key for key, state in self._by_key.items() if self._is_stale(state, now_ns)]
        for key in stale:
            del self._by_key[key]
        self._room = max(_FEW, 2 * len(self._by_key))
