"""What one decision of each limit costs, with 1 000 and with 100 000 units of history.

Run it from anywhere: ``python benchmarks/ratelimit_decisions.py``. For each algorithm one key is given its history,
then 100 000 calls follow: of a limit that has room for all of them, or of one that is used up and refuses each.
Every figure is the best of three runs.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from time import perf_counter

from retrysim.durations import MINUTE, SECOND
from retrysim.ratelimit.calendar_quota import CalendarQuota
from retrysim.ratelimit.concurrency import ConcurrencyCap
from retrysim.ratelimit.fixed_window import FixedWindow
from retrysim.ratelimit.gcra import Gcra
from retrysim.ratelimit.limiter import Limiter
from retrysim.ratelimit.rate import Rate
from retrysim.ratelimit.sliding_counter import SlidingCounter
from retrysim.ratelimit.sliding_log import SlidingLog

DECISIONS = 100_000
HISTORIES = (1_000, 100_000)
RUNS = 3
START_NS = 1_438_603_200 * SECOND
WINDOW_NS = 15 * MINUTE

LIMITS: dict[str, Callable[[Rate], Limiter]] = {
    "fixed window, first call": FixedWindow,
    "fixed window, clock": lambda rate: FixedWindow(rate, opened_by="clock"),
    "sliding log": SlidingLog,
    "sliding counter": SlidingCounter,
    "GCRA (token, leaky bucket)": Gcra,
    "concurrency cap": lambda rate: ConcurrencyCap(rate.amount),
    "calendar quota": lambda rate: CalendarQuota(rate.amount, zone="America/New_York"),
}


def microseconds(make: Callable[[Rate], Limiter], history: int, *, served: bool) -> float:
    """The time of one ``take``, with ``history`` units taken in the last window."""
    limiter = make(Rate(amount=history + DECISIONS, window_ns=WINDOW_NS))
    step_ns = WINDOW_NS // history
    for number in range(history):
        limiter.take("token", START_NS + number * step_ns)
    now_ns = START_NS + (history - 1) * step_ns
    if not served:
        limiter.charge("token", now_ns, limiter.check("token", now_ns).remaining)
        step_ns = 0
    began = perf_counter()
    for number in range(DECISIONS):
        decision = limiter.take("token", now_ns + number * step_ns)
    elapsed = perf_counter() - began
    assert decision.allowed == served, "the limit is not in the state that is measured"
    return elapsed * 1e6 / DECISIONS


def best(make: Callable[[Rate], Limiter], history: int, *, served: bool) -> float:
    return min(microseconds(make, history, served=served) for _ in range(RUNS))


def main() -> None:
    columns = [(history, served) for served in (True, False) for history in HISTORIES]
    titles = [f"{history:,} {'served' if served else 'refused'}" for history, served in columns]
    print(f"{'µs per decision, history of':<34}" + "".join(f"{title:>18}" for title in titles))
    gc.disable()
    for name, make in LIMITS.items():
        figures = [best(make, history, served=served) for history, served in columns]
        print(f"{name:<34}" + "".join(f"{figure:>18.2f}" for figure in figures))


if __name__ == "__main__":
    main()
