"""A limit that is enforced in shorter windows than it shows: 60 per minute, of which one each second.

So do OpenAI, Anthropic and Azure: the headers tell the minute, and a burst is refused though the minute has room.
"""

from __future__ import annotations

from typing import Literal

from retrysim.durations import format_duration
from retrysim.errors import LimitError
from retrysim.ratelimit.all_of import AllOf, Part
from retrysim.ratelimit.fixed_window import FixedWindow
from retrysim.ratelimit.rate import Rate


def enforced_in(sub_window_ns: int, rate: Rate, *, opened_by: Literal["first_call", "clock"] = "first_call") -> AllOf:
    """A fixed window of ``rate`` of which each ``sub_window_ns`` serves its share and no more.

    Raises ``LimitError`` if the window, or the amount, does not divide into whole sub-windows.
    """
    count, rest = divmod(rate.window_ns, sub_window_ns) if sub_window_ns > 0 else (0, 0)
    if count < 1 or rest or rate.amount % count:
        raise LimitError(_uneven(sub_window_ns, rate))
    share = Rate(amount=rate.amount // count, window_ns=sub_window_ns)
    return AllOf(
        Part(limiter=FixedWindow(rate, opened_by=opened_by)),
        Part(limiter=FixedWindow(share, opened_by=opened_by), hidden=True),
    )


def _uneven(sub_window_ns: int, rate: Rate) -> str:
    share = _finest_even(sub_window_ns, rate)
    return (
        f"{rate} cannot be enforced in windows of {format_duration(sub_window_ns)}: expected windows that divide "
        f"both evenly, such as {share}"
    )


def _finest_even(sub_window_ns: int, rate: Rate) -> Rate:
    """The share of the finest division that comes out even, but is not finer than was asked for."""
    most = min(rate.amount, rate.window_ns // max(1, sub_window_ns))
    count = next((n for n in range(most, 1, -1) if rate.amount % n == rate.window_ns % n == 0), 1)
    return Rate(amount=rate.amount // count, window_ns=rate.window_ns // count)
