"""The retry policies that people use against a limit: each says how long a refused task waits."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Any

from celery.utils.time import get_exponential_backoff_interval

from retrysim.audit.contest.workload import RefusedCall, Workload
from retrysim.errors import InputError

#: Seconds that a refused task waits.
Wait = Callable[[RefusedCall, Workload], float]
#: What Celery waits unless told (``Task.default_retry_delay``), and the longest of its backoffs.
_FIXED = 180
_LONGEST = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A named policy. ``why`` completes "advice: NAME, because it ..."; a gated one asks before it calls."""

    name: str
    wait: Wait
    why: str = ""
    gated: bool = False


def _exponential(refusal: RefusedCall, _workload: Workload) -> float:
    return float(get_exponential_backoff_interval(1, refusal.retries, _LONGEST, full_jitter=False))


def _full_jitter(refusal: RefusedCall, _workload: Workload) -> float:
    return float(get_exponential_backoff_interval(1, refusal.retries, _LONGEST, full_jitter=True))


def _equal_jitter(refusal: RefusedCall, workload: Workload) -> float:
    half = _exponential(refusal, workload) / 2
    return half + random.uniform(0, half)


def _at_reset(refusal: RefusedCall, _workload: Workload) -> float:
    return refusal.reset_in


def _at_reset_with_jitter(refusal: RefusedCall, workload: Workload) -> float:
    return refusal.reset_in + random.uniform(0, workload.limit.window_ns / 1e9)


def _in_slots(refusal: RefusedCall, workload: Workload) -> float:
    """The n-th refused call takes the n-th place after the reset: a counter that all workers share (Redis INCR)."""
    return refusal.reset_in + place(refusal.refused_before, workload)


def place(number: int, workload: Workload) -> float:
    """Seconds after a reset at which place ``number`` is: so many in a window, evenly in it."""
    window, rest = divmod(number, workload.limit.amount)
    seconds = workload.limit.window_ns / 1e9
    return window * seconds + rest * seconds / workload.limit.amount


ALL: Mapping[str, Waiting] = MappingProxyType(
    {
        waiting.name: waiting
        for waiting in (
            Waiting(name="fixed 180s", wait=lambda _refusal, _workload: _FIXED),
            Waiting(name="exponential", wait=_exponential),
            Waiting(name="full jitter", wait=_full_jitter),
            Waiting(name="equal jitter", wait=_equal_jitter),
            Waiting(name="at reset", wait=_at_reset, why="waits until the API opens, and no longer"),
            Waiting(
                name="at reset + jitter",
                wait=_at_reset_with_jitter,
                why="waits until the API opens, and does not come back all at once",
            ),
            Waiting(
                name="slots",
                wait=_in_slots,
                why="gives each refused task a place of its own after the reset (a shared counter), so that no place "
                "is taken twice and one retry is enough",
            ),
            Waiting(
                name="shared gate",
                wait=_in_slots,
                why="takes a place before it calls (a shared counter), so that nothing is ever refused",
                gated=True,
            ),
        )
    }
)


def named(name: str) -> Waiting:
    """The policy of that name, or the function that ``module:function`` names: ``wait(retries, reset_in)``, seconds."""
    if name in ALL:
        return ALL[name]
    module, colon, function = name.partition(":")
    if not colon:
        raise InputError(f"--policy {name!r}: expected module:function, a function of (retries, reset_in) in seconds")
    try:
        found = getattr(import_module(module), function)
    except Exception as error:
        raise InputError(f"--policy {name!r} cannot be imported: {type(error).__name__}: {error}") from error
    return Waiting(name=name, wait=lambda refusal, _workload: _seconds(name, found, refusal), why="is your own")


def _seconds(name: str, function: Any, refusal: RefusedCall) -> float:
    """What a function of the user's says to this refusal."""
    asked = f"--policy {name!r}: ({refusal.retries}, {refusal.reset_in:g})"
    try:
        waits_s = function(refusal.retries, refusal.reset_in)
    except Exception as error:
        raise InputError(f"{asked} raised {type(error).__name__}: {error}") from error
    if isinstance(waits_s, bool) or not isinstance(waits_s, int | float) or not 0 <= waits_s < float("inf"):
        raise InputError(f"{asked} gave {waits_s!r}: expected seconds, a number of at least 0")
    return float(waits_s)
