"""A made-up client that calls a limiter at awkward moments, and compares all it says with the oracle."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import limit_oracles as oracles
from hypothesis import strategies as st
from limit_cases import Case
from limit_oracles import Event, History

from retrysim.ratelimit.limiter import Decision
from retrysim.ratelimit.rate import Rate


@dataclass(frozen=True)
class Step:
    """One move of a made-up client: wait, then do something. ``wait`` is a name or a part of the window."""

    wait: str | int
    key: str
    act: str
    units: int


WAITS = st.sampled_from(["none", "1 ns", "window", "share", "retry", "retry - 1", "retry + 1", "reset"])
STEP = st.builds(
    Step,
    wait=st.one_of(WAITS, st.integers(0, 150)),
    key=st.sampled_from("aab"),
    act=st.sampled_from(["take"] * 7 + ["charge", "give_back"]),
    units=st.one_of(st.just(1), st.integers(0, 8)),
)
STEPS = st.lists(STEP, max_size=25)


class Player:
    """Plays steps against a limiter and its oracle, and compares everything that the limiter says."""

    def __init__(self, case: Case, rate: Rate, start: int, *, try_every_instant: bool) -> None:
        self.case, self.rate, self.now = case, rate, start
        self.limiter = case.make(rate)
        self.allows = case.oracle(rate)
        self.histories: dict[str, History] = defaultdict(list)
        self.last: Decision | None = None
        self.try_every_instant = try_every_instant

    def play(self, step: Step) -> None:
        self.now = max(self.now, self.instant(step.wait))
        if step.act == "take":
            self.take(step.key, step.units)
        elif step.act == "charge":
            self.limiter.charge(step.key, self.now, step.units)
            self.histories[step.key].append(Event(self.now, "charged", step.units))
        else:
            self.limiter.give_back(step.key, self.now, step.units)
            self.histories[step.key].append(Event(self.now, "returned", step.units))

    def instant(self, wait: str | int) -> int:
        window = self.rate.window_ns
        if isinstance(wait, int):
            return self.now + window * wait // 100
        retry = self.last.retry_at_ns or self.now if self.last else self.now
        return {
            "none": self.now,
            "1 ns": self.now + 1,
            "window": self.now + window,
            "share": self.now + window // self.rate.amount,
            "retry": retry,
            "retry - 1": retry - 1,
            "retry + 1": retry + 1,
            "reset": self.last.reset_ns if self.last else self.now,
        }[wait]

    def take(self, key: str, cost: int) -> None:
        history = self.histories[key]
        expected = self.allows(history, self.now, cost)
        foreseen = self.limiter.check(key, self.now, cost)
        decision = self.last = self.limiter.take(key, self.now, cost)
        assert (foreseen.allowed, decision.allowed) == (expected, expected)
        self.compare_what_is_told(history, foreseen)
        history.append(Event(self.now, "served" if expected else "refused", cost))
        self.compare_what_is_told(history, decision)
        if expected:
            assert decision.retry_at_ns == self.now
        else:
            self.compare_retry(key, decision, cost)

    def compare_what_is_told(self, history: History, decision: Decision) -> None:
        if self.case.tells_remaining:
            expected = oracles.remaining(self.allows, history, self.now, decision.limit)
            assert decision.remaining == expected
        if self.case.reset_is_all_back:
            self.compare_first_instant(history, decision.reset_ns, decision.limit)

    def compare_retry(self, key: str, decision: Decision, cost: int) -> None:
        retry = decision.retry_at_ns
        self.compare_first_instant(self.histories[key], retry, cost)
        if retry is not None:
            assert self.limiter.check(key, retry, cost).allowed
            assert not self.limiter.check(key, retry - 1, cost).allowed

    def compare_first_instant(self, history: History, instant: int | None, cost: int) -> None:
        if self.try_every_instant:
            horizon = 60 * self.rate.window_ns if instant is None else instant - self.now + 1
            assert instant == oracles.first_instant(self.allows, history, self.now, cost, horizon)
        elif instant is None:
            assert not self.allows(history, self.now + 100 * self.rate.window_ns, cost)
        else:
            assert self.allows(history, instant, cost)
            assert instant == self.now or not self.allows(history, instant - 1, cost)
