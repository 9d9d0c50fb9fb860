"""What a scenario breaks on purpose: one verb with its target, and the instant or the event at which it happens."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, Strict, WithJsonSchema

from retrysim.scenarios.block import Block
from retrysim.scenarios.claims import Endpoint
from retrysim.scenarios.kinds import Count, DurationNs, IfGiven, Positive, Text, When

#: The events that a fault can wait for: those of a trace.
EventKind = Literal[
    "worker-ready", "worker-stopped", "task-sent", "task-received", "task-started", "task-retried", "task-succeeded",
    "task-failed", "task-revoked", "task-rejected", "task-ignored", "api-called", "fault",
]  # fmt: skip

#: Verbs of workers, and those that need a connection to break.
WORKER_VERBS = ("kill", "kill_child", "soft_stop", "quit", "partition")
SERVER_VERBS = ("partition", "cut_connections")
MESSAGE_VERBS = ("drop", "duplicate", "delay", "fail")
VERBS = ("kill", "kill_child", "stop", "soft_stop", "quit", "restart", "partition", "cut_connections", "slow_results")
#: What ``stop`` and ``restart`` know beside workers.
BROKER, RESULTS, EVERYBODY = "broker", "results", "all"


def _answer(given: object) -> object:
    return str(given) if isinstance(given, int) and not isinstance(given, bool) else given


class FaultMoment(Block):
    """An event of the run: which kind, whose, and the how-manieth of those."""

    event: EventKind = Field(description="The kind of event, as the trace names it.", examples=["task-started"])
    task: IfGiven[Text] = Field(default=None, description="Only events of tasks of this name.")
    worker: IfGiven[Text] = Field(default=None, description="Only events on this worker.")
    endpoint: IfGiven[Endpoint] = Field(default=None, description="Only calls of this endpoint of a fake.")
    answer: Annotated[IfGiven[Text], BeforeValidator(_answer), WithJsonSchema({"type": ["string", "integer"]})] = Field(
        default=None, description="Only calls that were answered so: a status, or how the connection broke."
    )
    attempt: IfGiven[Positive] = Field(default=None, description="Only events of this attempt of a task.")
    nth: Positive = Field(default=1, description="Which of these events it is. Default: the first.")


class MessageChoice(Block):
    """Which task messages a fault strikes when they are published."""

    task: IfGiven[Text] = Field(default=None, description="Only messages of this task.")
    queue: IfGiven[Text] = Field(default=None, description="Only messages to this queue.")
    retries: IfGiven[Count] = Field(
        default=None, description="Only messages of this attempt: 0 is the first, 1 is the first retry."
    )
    nth: Positive = Field(default=1, description="The first of these messages that is struck. Default: the first.")
    times: Positive = Field(default=1, description="How many are struck, from there on. Default: 1.")


class DelayedMessages(MessageChoice):
    """Which messages come late, and how late."""

    by_ns: DurationNs = Field(alias="by", description="How much later they arrive.")


class DuplicatedMessages(MessageChoice):
    """Which messages come more than once."""

    copies: Annotated[Positive, Field(ge=2)] = Field(default=2, description="How often they arrive. Default: 2.")


class Fault(Block):
    """One thing that breaks: exactly one verb, and for all but messages the instant or the event at which it does."""

    name: IfGiven[Text] = Field(default=None, description="What the fault is called in reports.")
    kill: IfGiven[Text] = Field(default=None, description="SIGKILL to this worker and its pool.")
    kill_child: IfGiven[Text] = Field(
        default=None,
        description="SIGKILL to the pool process of this worker that runs the task (of the event, if one).",
    )
    stop: IfGiven[Text] = Field(
        default=None, description="Warm shutdown of this worker; or stop the `broker`, or the storing of `results`."
    )
    soft_stop: IfGiven[Text] = Field(default=None, description="Soft shutdown of this worker (Celery 5.5 and later).")
    quit: IfGiven[Text] = Field(default=None, description="Cold shutdown of this worker.")
    restart: IfGiven[Text] = Field(
        default=None, description="Start this worker anew (a running one is stopped warm first), or the `broker`."
    )
    partition: IfGiven[Text] = Field(default=None, description="Silence between this worker and the broker.")
    cut_connections: IfGiven[Text] = Field(
        default=None, description="Break the connections to the broker of this worker, or of `all`."
    )
    slow_results_ns: IfGiven[DurationNs] = Field(
        default=None, alias="slow_results", description="Storing a result takes that much longer from then on."
    )
    drop: IfGiven[MessageChoice] = Field(default=None, description="Messages that are lost on their way.")
    duplicate: IfGiven[DuplicatedMessages] = Field(default=None, description="Messages that arrive more than once.")
    delay: IfGiven[DelayedMessages] = Field(default=None, description="Messages that arrive late.")
    fail: IfGiven[MessageChoice] = Field(default=None, description="Messages whose publishing fails.")
    at: IfGiven[When] = Field(default=None, description="When: a duration from the start, or an instant.")
    when: IfGiven[FaultMoment] = Field(
        default=None, description="At which event of the run.", examples=[{"event": "task-started", "nth": 2}]
    )
    for_ns: IfGiven[DurationNs] = Field(
        default=None, alias="for", description="After how long it is undone: restarted, repaired, fast again."
    )
    lose_data: Annotated[bool, Strict()] = Field(
        default=False, description="Whether the broker forgets all when it stops."
    )

    @property
    def verb(self) -> str:
        """The one verb that was given."""
        return next(key for key in self.given if key in (*VERBS, *MESSAGE_VERBS))

    @property
    def target(self) -> Any:
        """What the verb was given."""
        return getattr(self, self.keys()[self.verb])

    @property
    def label(self) -> str:
        """The fault's name, or its verb and target."""
        if self.name is not None:
            return self.name
        target = f" {self.target}" if isinstance(self.target, str) else ""
        return f"{self.verb}{target}"
