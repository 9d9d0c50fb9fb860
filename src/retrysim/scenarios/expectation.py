"""What a scenario expects: each key is one claim about a run, judged when the run has ended."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, JsonValue

from retrysim.scenarios.block import Block
from retrysim.scenarios.claims import (
    Attempts,
    Calls,
    ExceptionText,
    Invariant,
    RetriedAt,
    Stories,
    Timelines,
)
from retrysim.scenarios.kinds import CeleryMode, CountOrRange, DurationNs, DurationOrRange, IfGiven, State


class Retried(Block):
    """The tasks that were retried."""

    tasks: CountOrRange = Field(description="How many tasks were retried at least once.", examples=[20])
    at_ns: IfGiven[RetriedAt] = Field(
        default=None,
        alias="at",
        description=(
            "When retried attempts begin: `reset` (each at the reset of the limit that refused it), "
            "or the durations from the start at which they do."
        ),
        examples=["reset", ["2s", "4s", "6s"]],
    )


class Expect(Block):
    """The expectations of one item: what is not given is not judged, apart from the default invariants."""

    states: IfGiven[dict[State, CountOrRange]] = Field(
        default=None,
        description="How many tasks end in each of Celery's states; a state that is not named has none.",
        examples=[{"SUCCESS": 200}, {"SUCCESS": "180..200", "FAILURE": "0..20"}],
    )
    retried: IfGiven[Retried] = Field(default=None, description="How many tasks were retried, and when.")
    attempts: IfGiven[Attempts] = Field(
        default=None,
        description="How often the bodies of all tasks were executed together, or how often those of each task name.",
        examples=[220, {"fetch_tweets": 220}],
    )
    elapsed_ns: IfGiven[DurationOrRange] = Field(
        default=None,
        alias="elapsed",
        description="Virtual time from the start to the end of the run, or a range of it.",
        examples=["15 minutes", "15m..16m"],
    )
    timelines: IfGiven[Timelines] = Field(
        default=None,
        description="How many tasks have each timeline: Celery's states in order, and the durations between them.",
        examples=[{"RETRY 2s RETRY 2s RETRY 2s FAILURE": 1}],
    )
    attempts_at_ns: IfGiven[Annotated[tuple[DurationNs, ...], Field(min_length=1)]] = Field(
        default=None,
        alias="attempts_at",
        description="When each attempt of the one task begins, as durations from the start.",
        examples=[["0s", "2s", "4s", "6s"]],
    )
    story: IfGiven[Stories] = Field(
        default=None,
        description="By endpoint, or by fake and endpoint: the answers in order, and the durations between them.",
        examples=[{"GET /1.1/statuses/user_timeline.json": "180x200 20x429 15m 20x200"}],
    )
    calls: IfGiven[Calls] = Field(
        default=None,
        description="By endpoint, or by fake and endpoint: how many calls were answered with each status.",
        examples=[{"GET /1.1/statuses/user_timeline.json": {"200": 200, "429": 20}}],
    )
    results: JsonValue = Field(
        default=None,
        description="What the tasks return: one value for all of them, or a list with one for each submitted task.",
        examples=[7, [7, 8]],
    )
    exception: IfGiven[ExceptionText] = Field(
        default=None,
        description="What the failed tasks raised last: the exception's name, or its name and message.",
        examples=["TwitterHTTPError", "ValueError: no such user"],
    )
    invariants: IfGiven[tuple[Invariant, ...]] = Field(
        default=None,
        description="Invariants that must hold besides the default ones, by name, with arguments if they take any.",
        examples=[["every_task_settles", {"quota_is_respected": {"fake": "twitter"}}]],
    )
    violates: IfGiven[Annotated[tuple[Invariant, ...], Field(min_length=1)]] = Field(
        default=None,
        description="Invariants that do not hold, by name, with arguments where they take some: that is the finding.",
        examples=[["no_task_is_lost"], [{"retries_follow_policy": {"countdown": "1 hour"}}]],
    )
    differs_from: IfGiven[CeleryMode] = Field(
        default=None,
        description="The way of running Celery in which the same tasks do not do the same: that is the finding.",
    )

    def overridden_by(self, other: Expect) -> Expect:
        """These expectations, with each key that the other gives in place of this one's."""
        return self.model_copy(update={name: getattr(other, name) for name in other.model_fields_set})
