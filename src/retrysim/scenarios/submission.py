"""The submissions of a scenario file: which task, how often, when, and with which arguments."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from itertools import product
from math import prod
from typing import Annotated, TypeAlias

from pydantic import Field, JsonValue, PlainValidator, WithJsonSchema

from retrysim.clock import GRID_NS
from retrysim.errors import LimitError
from retrysim.ratelimit.rate import Rate
from retrysim.scenarios.block import Block
from retrysim.scenarios.bounds import MAX_TASKS
from retrysim.scenarios.kinds import (
    DurationNs,
    IfGiven,
    InstantNs,
    OneOrMany,
    PointInTime,
    Text,
    Times,
    When,
    expected,
)
from retrysim.scenarios.options import PublishOptions


def _rate(given: object) -> Rate:
    try:
        return Rate.parse(str(given))
    except LimitError:
        raise expected("a number and a window, such as 100 per minute") from None


RateOf: TypeAlias = Annotated[Rate, PlainValidator(_rate), WithJsonSchema({"type": "string"})]


class Submission(Block):
    """One call of `apply_async`, or several that are alike."""

    task: Text = Field(description="The task's name, or the end of it where that is clear.", examples=["fetch_tweets"])
    times: Times = Field(
        default=1,
        description=f"How often it is submitted. Default: 1. All submissions together: at most {MAX_TASKS} tasks.",
    )
    args: tuple[JsonValue, ...] = Field(default=(), description="The task's positional arguments.")
    kwargs: dict[str, JsonValue] = Field(default={}, description="The task's keyword arguments.")
    for_each: dict[Text, Annotated[tuple[JsonValue, ...], Field(min_length=1)]] = Field(
        default={},
        description="Keyword arguments of which each value is submitted so often: one user's token after the other.",
        examples=[{"token": ["alice", "bob"]}],
    )
    at: OneOrMany[When] = Field(
        default_factory=lambda: (PointInTime(ns=0, is_instant=False),),
        description=(
            "When it is first submitted: a duration from the start, or an instant; or several of them, "
            "each of which is a burst. Default: the start."
        ),
        examples=["5m", ["0s", "15m", "2015-08-03T13:00:00Z"]],
    )
    every_ns: DurationNs = Field(
        default=0,
        alias="every",
        description="The time between one submission and the next; without it all come at once.",
    )
    rate: IfGiven[RateOf] = Field(
        default=None,
        description="How many are submitted in how long, evenly spread, in place of `every`.",
        examples=["100 per minute"],
    )
    countdown_ns: IfGiven[DurationNs] = Field(
        default=None, alias="countdown", description="How long after its submission the task may start."
    )
    eta_ns: IfGiven[InstantNs] = Field(
        default=None, alias="eta", description="The instant from which on the task may start."
    )
    expires: IfGiven[When] = Field(
        default=None, description="When the task expires: a duration from its submission, or an instant."
    )
    queue: IfGiven[Text] = Field(default=None, description="The queue it is sent to; else where the app routes it.")
    options: PublishOptions = Field(
        default={}, description="Other options of `apply_async`.", examples=[{"priority": 3}]
    )

    @property
    def count(self) -> int:
        """How many tasks it submits."""
        return self.times * len(self.at) * prod(map(len, self.for_each.values()))

    def calls(self, start_ns: int) -> Iterator[tuple[int, dict[str, JsonValue]]]:
        """When each submission happens, in nanoseconds since the epoch, and its keyword arguments; in order of time.

        They are made one by one, as they are asked for.
        """
        bursts = (self._burst(first.after(start_ns)) for first in self.at)
        return merge(*bursts, key=lambda call: call[0])

    def _burst(self, first_ns: int) -> Iterator[tuple[int, dict[str, JsonValue]]]:
        for index in range(self.times):
            for values in product(*self.for_each.values()):
                own = dict(zip(self.for_each, values, strict=True))
                yield first_ns + self._after_ns(index), {**self.kwargs, **own}

    def last_ns(self, start_ns: int) -> int:
        """When the last of the submissions happens."""
        return max(first.after(start_ns) for first in self.at) + self._after_ns(max(0, self.times - 1))

    def instants_ns(self, start_ns: int) -> Iterator[int]:
        """When each of the submissions happens, in nanoseconds since the epoch."""
        return (at_ns for at_ns, _ in self.calls(start_ns))

    def _after_ns(self, index: int) -> int:
        if self.rate is None:
            return index * self.every_ns
        return index * self.rate.window_ns // self.rate.amount // GRID_NS * GRID_NS
