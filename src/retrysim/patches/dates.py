"""Stands in for ``datetime.date`` and ``datetime.datetime``: only ``now``, ``utcnow`` and ``today`` are ours.

Everything else is the C library's, so that a naive ``fromtimestamp`` follows ``TZ`` as it does in production
(freezegun's own class computes it as if local time were UTC). The classes call themselves what they stand in for, so
a pickle made in a simulation can be read outside of one.
"""

from __future__ import annotations

from datetime import date, datetime, tzinfo
from typing import Any, cast

from retrysim.clock import VirtualClock, to_datetime
from retrysim.durations import SECOND


class _DateMeta(type):
    """Real dates are instances of the virtual class too, and their classes its subclasses."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, date)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, date)


class _DatetimeMeta(_DateMeta):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, datetime)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, datetime)


def virtual_dates(clock: VirtualClock) -> tuple[type[date], type[datetime]]:
    """The classes that stand in for ``datetime.date`` and ``datetime.datetime``."""

    class VirtualDate(date, metaclass=_DateMeta):
        @classmethod
        def today(cls) -> Any:
            return cls.fromtimestamp(clock.read_wall() // SECOND)

        def __repr__(self) -> str:
            return "datetime." + super().__repr__()

    class VirtualDatetime(datetime, metaclass=_DatetimeMeta):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            utc = to_datetime(clock.read_wall())
            local = utc.astimezone(tz) if tz is not None else utc.astimezone().replace(tzinfo=None)
            return _as(cls, local)

        @classmethod
        def utcnow(cls) -> Any:
            return _as(cls, to_datetime(clock.read_wall()).replace(tzinfo=None))

        @classmethod
        def today(cls) -> Any:
            return cls.now()

        def __repr__(self) -> str:
            return "datetime." + super().__repr__()

    return cast(type[date], _named(VirtualDate, date)), cast(type[datetime], _named(VirtualDatetime, datetime))


def _named(virtual: type, real: type) -> type:
    virtual.__name__ = virtual.__qualname__ = real.__name__
    virtual.__module__ = real.__module__
    return virtual


def _as(cls: Any, moment: datetime) -> Any:
    return cls(
        moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second, moment.microsecond,
        moment.tzinfo, fold=moment.fold,
    )  # fmt: skip
