"""Stands in for ``datetime.date`` and ``datetime.datetime``: only ``now``, ``utcnow`` and ``today`` are ours.

Everything else is the C library's, so that a naive ``fromtimestamp`` follows ``TZ`` as it does in production
(freezegun's own class computes it as if local time were UTC). The classes call themselves what they stand in for, so
a pickle made in a simulation can be read outside of one.

A class that derives from one of them stays after the simulation in which it was made. So ours read no clock of their
own: each simulation lends its readings to all subclasses that there are, and takes them back.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime, tzinfo
from typing import Any, cast

from retrysim.clock import VirtualClock, to_datetime
from retrysim.durations import SECOND
from retrysim.undo import UndoStack


class _Virtual(type):
    """Real dates are instances of a virtual class too, and their classes its subclasses."""

    def __instancecheck__(cls, instance: object) -> bool:
        real = _real(cls)
        return super().__instancecheck__(instance) if real is None else isinstance(instance, real)

    def __subclasscheck__(cls, subclass: type) -> bool:
        real = _real(cls)
        return super().__subclasscheck__(subclass) if real is None else issubclass(subclass, real)


def _real(virtual: type) -> type | None:
    """What one of ours stands in for; ``None`` for what a project has derived from it."""
    return next((real for real in (datetime, date) if virtual.__base__ is real), None)


def virtual_dates() -> tuple[type[date], type[datetime]]:
    """The classes that stand in for ``datetime.date`` and ``datetime.datetime``."""

    class VirtualDate(date, metaclass=_Virtual):
        def __repr__(self) -> str:
            return _qualified(super().__repr__(), type(self))

    class VirtualDatetime(datetime, metaclass=_Virtual):
        def __repr__(self) -> str:
            return _qualified(super().__repr__(), type(self))

    return cast(type[date], _named(VirtualDate, date)), cast(type[datetime], _named(VirtualDatetime, datetime))


def lend_readings(undo: UndoStack, clock: VirtualClock) -> None:
    """Let the classes that derive from a real one read this clock, unless they read one themselves."""

    def today(cls: Any) -> Any:
        return cls.fromtimestamp(clock.read_wall() // SECOND)

    def now(cls: Any, tz: tzinfo | None = None) -> Any:
        utc = to_datetime(clock.read_wall())
        return _as(cls, utc.astimezone(tz) if tz is not None else utc.astimezone().replace(tzinfo=None))

    def utcnow(cls: Any) -> Any:
        return _as(cls, to_datetime(clock.read_wall()).replace(tzinfo=None))

    _lend(undo, date, {"today": today})
    _lend(undo, datetime, {"now": now, "utcnow": utcnow, "today": lambda cls: cls.now()})


def _lend(undo: UndoStack, real: Any, readings: dict[str, Any]) -> None:
    for kind in real.__subclasses__():
        for name in readings.keys() - vars(kind).keys():
            with suppress(TypeError):  # a class in C, such as datetime itself
                undo.set_attribute(kind, name, classmethod(readings[name]))


def _named(virtual: type, real: type) -> type:
    virtual.__name__ = virtual.__qualname__ = real.__name__
    virtual.__module__ = real.__module__
    return virtual


def _qualified(text: str, kind: type) -> str:
    return "datetime." + text if _real(kind) else text


def _as(cls: Any, moment: datetime) -> Any:
    made = cls(
        moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second, moment.microsecond,
        moment.tzinfo,
    )  # fmt: skip
    return made.replace(fold=1) if moment.fold else made
