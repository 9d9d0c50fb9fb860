"""Puts back what workers, tasks and programs have changed of the interpreter that plays the simulation.

In production such a change ends with its process. The settings are noted when a run begins, and compared when it ends:
what is different then, simulated processes have changed, and the test has not. What a module sets while it is first
imported stays, because it is imported only once.
"""

from __future__ import annotations

import decimal
import gc
import locale
import logging
import multiprocessing
import os
import socket
import sys
import tempfile
import threading
import time
from asyncio import events
from collections.abc import Callable
from functools import partial
from importlib import _bootstrap
from typing import Any, NamedTuple

from retrysim.kernel import Environment
from retrysim.undo import UndoStack

_VARIABLES, _DECIMALS = os.environ, decimal.DefaultContext
#: Variables of the environment, as the interpreter keeps them.
Variables = dict[Any, Any]


class _Setting(NamedTuple):
    """How to read a setting, as a value that nobody changes, and how to write it."""

    read: Callable[[], Any]
    write: Callable[[Any], object]


def _attribute(owner: Any, name: str) -> _Setting:
    return _Setting(partial(getattr, owner, name), partial(setattr, owner, name))


def _items(owner: Any, name: str) -> _Setting:
    """Those of a list that others hold, too."""

    def write(items: list[Any]) -> None:
        getattr(owner, name)[:] = items

    return _Setting(lambda: list(getattr(owner, name)), write)


def _write_variables(variables: Variables) -> None:
    kept = {os.fsdecode(name): os.fsdecode(value) for name, value in variables.items()}
    for name in _VARIABLES.keys() - kept.keys():
        del _VARIABLES[name]
    _VARIABLES.update(kept)


#: Name -> how to read and write it, in the order in which they are written.
_SETTINGS = {
    "os.environ": _Setting(lambda: dict(_VARIABLES._data), _write_variables),  # type: ignore[attr-defined]
    "locale": _Setting(partial(locale.setlocale, locale.LC_ALL), partial(locale.setlocale, locale.LC_ALL)),
    "recursion limit": _Setting(sys.getrecursionlimit, sys.setrecursionlimit),
    "digits of an int": _Setting(sys.get_int_max_str_digits, sys.set_int_max_str_digits),
    "switch interval": _Setting(sys.getswitchinterval, sys.setswitchinterval),
    "garbage collector": _Setting(gc.isenabled, lambda is_enabled: gc.enable() if is_enabled else gc.disable()),
    "its callbacks": _items(gc, "callbacks"),
    "its thresholds": _Setting(gc.get_threshold, lambda thresholds: gc.set_threshold(*thresholds)),
    "sys.path": _items(sys, "path"),
    "sys.argv": _items(sys, "argv"),
    "sys.meta_path": _items(sys, "meta_path"),
    "sys.stdin": _attribute(sys, "stdin"),
    "sys.stdout": _attribute(sys, "stdout"),
    "sys.stderr": _attribute(sys, "stderr"),
    "sys.excepthook": _attribute(sys, "excepthook"),
    "sys.unraisablehook": _attribute(sys, "unraisablehook"),
    "sys.displayhook": _attribute(sys, "displayhook"),
    "sys.breakpointhook": _attribute(sys, "breakpointhook"),
    "sys.dont_write_bytecode": _attribute(sys, "dont_write_bytecode"),
    "threading.excepthook": _attribute(threading, "excepthook"),
    "tempfile.tempdir": _attribute(tempfile, "tempdir"),
    "timeout of sockets": _Setting(socket.getdefaulttimeout, socket.setdefaulttimeout),
    "start method": _Setting(
        partial(multiprocessing.get_start_method, allow_none=True),
        partial(multiprocessing.set_start_method, force=True),
    ),
    "policy of asyncio": _attribute(events, "_event_loop_policy"),
    "decimal precision": _attribute(_DECIMALS, "prec"),
    "decimal rounding": _attribute(_DECIMALS, "rounding"),
    "logging.disable": _attribute(logging.root.manager, "disable"),
    "level of the root logger": _Setting(lambda: logging.root.level, logging.root.setLevel),
    "handlers of the root logger": _items(logging.root, "handlers"),
    "capture of warnings": _attribute(logging, "_warnings_showwarning"),
    "class of loggers": _Setting(logging.getLoggerClass, logging.setLoggerClass),
    "factory of log records": _Setting(logging.getLogRecordFactory, logging.setLogRecordFactory),
}
if hasattr(time, "tzset"):  # it reads the variable TZ, which is as before by then
    _SETTINGS["time zone"] = _Setting(lambda: (time.tzname, time.timezone, time.altzone), lambda _: time.tzset())
_READ = [setting.read for setting in _SETTINGS.values()]


def _read_all() -> list[Any]:
    return [read() for read in _READ]


def keep_interpreter_settings(undo: UndoStack, environment: Environment) -> Callable[[], None]:
    """Put the settings back when ``undo`` is unwound, or when what is returned is called."""
    changes, find_and_load = _Changes(), _bootstrap._find_and_load  # type: ignore[attr-defined]
    undo.then(changes.put_back)
    undo.set_attribute(_bootstrap, "_find_and_load", partial(changes.importing, find_and_load))
    environment.listeners.add(undo, around_run=lambda: changes)
    return changes.put_back


class _Changes:
    """What simulated processes have changed of the settings so far, and what there was before."""

    def __init__(self) -> None:
        self._noted: list[Any] = []
        self._changed: dict[str, tuple[Any, Any]] = {}
        self._runs = self._imports = False

    def __enter__(self) -> None:
        """A run begins: what changes from here on is a simulated process's doing."""
        self._noted = _read_all()
        self._runs = True

    def __exit__(self, *_error: object) -> None:
        self._runs = False
        self._compare()

    def _compare(self) -> None:
        now = _read_all()
        if now != self._noted:
            for name, noted, left in zip(_SETTINGS, self._noted, now, strict=True):
                if noted != left:
                    self._changed[name] = self._without_change(name, noted), left

    def _without_change(self, name: str, now: Any) -> Any:
        return _without(*self._changed[name], now) if name in self._changed else now

    def importing(self, find_and_load: Callable[..., Any], *args: Any) -> Any:
        """Import a module that was not imported before: what it changes stays."""
        if not self._runs or self._imports:
            return find_and_load(*args)
        self._compare()
        self._imports = True
        try:
            return find_and_load(*args)
        finally:
            self._imports = False
            self._noted = _read_all()

    def put_back(self) -> None:
        """Let each be as it was, except for what the test has changed since."""
        for name, setting in _SETTINGS.items():
            now = setting.read()
            before = self._without_change(name, now)
            if before != now:
                setting.write(before)
        self._changed.clear()


def _without(before: Any, left: Any, now: Any) -> Any:
    """What is there ``now``, without the change that led from ``before`` to ``left``."""
    if now == left:
        return before
    if isinstance(now, dict):
        return _variables_without(before, left, now)
    return _items_without(before, left, now) if isinstance(now, list) else now


def _variables_without(before: Variables, left: Variables, now: Variables) -> Variables:
    undone = {key for key in before.keys() | left.keys() if before.get(key) != left.get(key) == now.get(key)}
    kept = {key: value for key, value in now.items() if key not in undone}
    return kept | {key: before[key] for key in undone & before.keys()}


def _items_without(before: list[Any], left: list[Any], now: list[Any]) -> list[Any]:
    kept = [item for item in now if item in before or item not in left]
    for index, item in enumerate(before):
        if item not in left and item not in kept:
            kept.insert(index, item)
    return kept
