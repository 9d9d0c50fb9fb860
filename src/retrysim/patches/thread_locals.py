"""``threading.local`` of each simulated thread: all of them, also those that were made before the simulation.

A ``threading.local`` keeps its contents under something that the interpreter holds for each operating system thread:
until Python 3.12 a dict, from 3.13 on a key. Processes of a simulation share one such thread, so what it holds is
exchanged whenever control goes from one to another.
"""

from __future__ import annotations

import ctypes
import gc
import threading
import weakref
from typing import Any, Protocol

_POINTER = ctypes.sizeof(ctypes.c_void_p)
#: How much of the interpreter's record of a thread is searched, in pointers; it is some 40 long.
_SEARCHED = 48


class ThreadLocals(Protocol):
    """What threads keep in their ``threading.local``s, put aside while they do not run."""

    def keep(self) -> Any:
        """A place for what a new thread will keep; with its last reference that is given up."""
        ...

    def exchange(self, ours: Any, theirs: Any) -> None:
        """Put what the running thread holds into its place, and let it hold what is in another's."""
        ...


def thread_locals() -> ThreadLocals:
    """The way of this interpreter, for the calling thread."""
    probe = threading.local()
    probe.filled = True
    contents = next(iter(_dicts_of(probe)))
    key = next(iter(contents))
    return LocalsByDict() if isinstance(key, weakref.ref) else LocalsByKey(key, _sentinel_of(probe))


class LocalsByDict:
    """Python 3.11 and 3.12: a dict of the thread, from a name with the local's address to what stands for it there.

    A local that ends takes its entries out of the dicts of all threads, but not of those that are put aside here, and
    the next local may get its address: so its end is watched.
    """

    def __init__(self) -> None:
        get_dict = ctypes.pythonapi.PyThreadState_GetDict
        get_dict.restype = ctypes.c_void_p  # borrowed: as an object, it would be given back once too often
        self._held: dict[Any, Any] = ctypes.cast(get_dict(), ctypes.py_object).value
        self._watched: dict[str, Any] = {}
        self._ended: list[_Watch] = []
        self._aside: weakref.WeakSet[_Aside] = weakref.WeakSet()

    def keep(self) -> _Aside:
        aside = _Aside()
        self._aside.add(aside)
        return aside

    def exchange(self, ours: _Aside, theirs: _Aside) -> None:
        collects = gc.isenabled()
        gc.disable()  # it could end a local between two of these lines
        try:
            self._exchange(ours, theirs)
        finally:
            if collects:
                gc.enable()

    def _exchange(self, ours: _Aside, theirs: _Aside) -> None:
        held = self._held
        while self._ended:
            self._forget(self._ended.pop())
        if not held.keys() <= self._watched.keys():
            self._watch(held.keys() - self._watched.keys())
        ours.contents = held.copy()
        held.clear()
        held.update(theirs.contents)
        theirs.contents = {}

    def _watch(self, names: set[Any]) -> None:
        for name in names:
            self._watched[name] = None
            if isinstance(name, str) and name.startswith("thread.local.0x"):
                local = ctypes.cast(int(name.removeprefix("thread.local."), 16), ctypes.py_object).value
                # Called while CPython deallocates a local that it still tracks: what could start a collection, an
                # allocation, would deallocate it twice.
                self._watched[name] = watch = _Watch(local, self._ended.append)
                watch.name = name

    def _forget(self, watch: _Watch) -> None:
        del self._watched[watch.name]
        for aside in self._aside:
            aside.contents.pop(watch.name, None)


class _Watch(weakref.ref[Any]):
    """Refers to a local, and knows its name."""

    __slots__ = ("name",)
    name: str


class _Aside:
    """The contents of the dict of a thread that does not run."""

    __slots__ = ("__weakref__", "contents")

    def __init__(self) -> None:
        self.contents: dict[str, Any] = {}


class LocalsByKey:
    """Python 3.13: a key of the thread, and a sentinel whose end takes out what was kept under the key."""

    def __init__(self, key: Any, sentinel: Any) -> None:
        get_state = ctypes.pythonapi.PyThreadState_Get
        get_state.restype = ctypes.c_void_p
        record = (ctypes.c_void_p * _SEARCHED).from_address(get_state())
        self._key_at = ctypes.addressof(record) + list(record).index(id(key)) * _POINTER
        self._sentinel_at = ctypes.addressof(record) + list(record).index(id(sentinel)) * _POINTER
        self._first: tuple[Any, Any] | None = (key, sentinel)

    def keep(self) -> tuple[Any, Any]:
        """The first thread that asks is the one that runs."""
        first, self._first = self._first, None
        return first or (object(), _Sentinel())

    def exchange(self, ours: tuple[Any, Any], theirs: tuple[Any, Any]) -> None:
        key, sentinel = theirs
        ctypes.c_void_p.from_address(self._key_at).value = id(key)
        ctypes.c_void_p.from_address(self._sentinel_at).value = id(sentinel)


class _Sentinel:
    """What is referred to weakly, and no more."""


def _dicts_of(local: object) -> list[dict[Any, Any]]:
    return [held for held in gc.get_referents(local) if isinstance(held, dict)]


def _sentinel_of(local: object) -> Any:
    watchdogs = next(held for held in gc.get_referents(local) if isinstance(held, set))
    return next(iter(watchdogs))()
