"""What a scenario breaks on purpose: one verb with its target, and the instant or the event at which it happens."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, Strict, WithJsonSchema

from retrysim.durations import SECOND
from retrysim.scenarios.block import Block
from retrysim.scenarios.claims import Endpoint
from retrysim.scenarios.kinds import Count, DurationNs, IfGiven, Positive, SkewNs, Text, When

#: The events that a fault can wait for: those of a trace.
EventKind = Literal[
    "worker-ready", "worker-stopped", "task-sent", "task-received", "task-started", "task-retried", "task-succeeded",
    "task-failed", "task-revoked", "task-rejected", "task-ignored", "api-called", "fault",
]  # fmt: skip

#: Verbs of workers, and those that need a connection to break.
WORKER_VERBS = ("kill", "kill_child", "soft_stop", "quit", "deploy", "partition", "skew_clock")
#: Verbs of the way between workers and a server: the broker, or with `from` a fake.
SERVER_VERBS = ("partition", "cut_connections", "cut_in_mid_answer", "slow_down")
#: Verbs that only a RabbitMQ knows.
RABBITMQ_VERBS = ("close_connections", "raise_alarm")
MESSAGE_VERBS = ("drop", "duplicate", "delay", "fail")
VERBS = (
    "kill", "kill_child", "stop", "soft_stop", "quit", "deploy", "restart", "partition", "cut_connections",
    "cut_in_mid_answer", "slow_down", "close_connections", "raise_alarm", "slow_results", "skew_clock",
)  # fmt: skip
#: Verbs that choose what they strike by themselves, and need no moment.
CHOOSING_VERBS = (*MESSAGE_VERBS, "trouble")

#: A task's name, or one of the tasks of that name by its number.
TaskText = Annotated[str, Field(min_length=1, pattern=r"^[^#]+(#[1-9][0-9]*)?$")]
TroubleKind = Literal[
    "refused", "reset", "silence", "over_capacity", "internal_error", "rate_limited", "answer_lost", "truncated",
    "malformed", "slow",
]  # fmt: skip


def _answer(given: object) -> object:
    return str(given) if isinstance(given, int) and not isinstance(given, bool) else given


class FaultMoment(Block):
    """An event of the run: which kind, whose, and the how-manieth of those."""

    event: EventKind = Field(description="The kind of event, as the trace names it.", examples=["task-started"])
    task: IfGiven[TaskText] = Field(
        default=None,
        description="Only events of tasks of this name, or one task: `push_contact#3` is the third that was sent.",
        examples=["push_contact", "push_contact#3"],
    )
    worker: IfGiven[Text] = Field(default=None, description="Only events on this worker.")
    endpoint: IfGiven[Endpoint] = Field(default=None, description="Only calls of this endpoint of a fake.")
    answer: Annotated[IfGiven[Text], BeforeValidator(_answer), WithJsonSchema({"type": ["string", "integer"]})] = Field(
        default=None, description="Only calls that were answered so: a status, or how the connection broke."
    )
    attempt: IfGiven[Positive] = Field(default=None, description="Only events of this attempt of a task.")
    nth: Positive = Field(default=1, description="Which of these events it is. Default: the first.")
    after_ns: DurationNs = Field(default=0, alias="after", description="How long after that event. Default: at once.")


class CallTrouble(Block):
    """Which calls of fakes meet trouble, and which."""

    kind: TroubleKind = Field(description="What goes wrong, as `trouble` of a fake has it; or `slow`.")
    task: IfGiven[TaskText] = Field(
        default=None, description="Only calls of tasks of this name, or of one of them (`push_contact#3`)."
    )
    attempt: IfGiven[Positive] = Field(default=None, description="Only calls of this attempt of a task.")
    endpoint: IfGiven[Endpoint] = Field(default=None, description="Only calls of this endpoint of a fake.")
    nth: Positive = Field(default=1, description="The first of these calls that is struck. Default: the first.")
    times: Positive = Field(default=1, description="How many are struck, from there on. Default: 1.")
    by_ns: DurationNs = Field(default=0, alias="by", description="With `slow`: how much later the answer comes.")


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
        default=None,
        description="Warm shutdown of this worker; or stop the `broker`, a fake, or the storing of `results`.",
    )
    soft_stop: IfGiven[Text] = Field(default=None, description="Soft shutdown of this worker (Celery 5.5 and later).")
    quit: IfGiven[Text] = Field(default=None, description="Cold shutdown of this worker.")
    deploy: IfGiven[Text] = Field(
        default=None,
        description="A deployment: SIGTERM to this worker, SIGKILL after `grace`, and a new one when it is gone.",
    )
    grace_ns: DurationNs = Field(
        default=30 * SECOND, alias="grace", description="With `deploy`: the time before SIGKILL. Default: 30 seconds."
    )
    restart: IfGiven[Text] = Field(
        default=None,
        description="Start this worker anew (a running one is stopped warm first), or the `broker`, or a fake.",
    )
    partition: IfGiven[Text] = Field(default=None, description="Silence between this worker and the server.")
    cut_connections: IfGiven[Text] = Field(
        default=None, description="Break the connections to the server of this worker, or of `all`."
    )
    cut_in_mid_answer: IfGiven[Text] = Field(
        default=None,
        description="Break the next connection of this worker, or of `all`, halfway through an answer of the server.",
    )
    slow_down: IfGiven[Text] = Field(
        default=None,
        description="Data between the server and this worker, or `all`, takes longer in each direction, by `by`.",
    )
    server: IfGiven[Text] = Field(
        default=None,
        alias="from",
        description="With these four: a fake, by its name in `fakes`. Default: the broker.",
        examples=["crm"],
    )
    close_connections: IfGiven[Text] = Field(
        default=None,
        description="RabbitMQ closes the connections of this worker, or of `all`, with 320 CONNECTION_FORCED.",
    )
    raise_alarm: IfGiven[Literal["broker"]] = Field(
        default=None, description="RabbitMQ blocks whoever publishes (`connection.blocked`): memory or disk run low."
    )
    slow_results_ns: IfGiven[DurationNs] = Field(
        default=None, alias="slow_results", description="Storing a result takes that much longer from then on."
    )
    skew_clock: IfGiven[Text] = Field(
        default=None,
        description="Set the clock of this worker, or of the `sender` of the tasks, ahead or behind, by `by`.",
    )
    by_ns: IfGiven[SkewNs] = Field(
        default=None,
        alias="by",
        description="With `skew_clock`: how far the clock is ahead from then on; negative: behind. With `slow_down`: "
        "how much longer data takes.",
    )
    drop: IfGiven[MessageChoice] = Field(default=None, description="Messages that are lost on their way.")
    duplicate: IfGiven[DuplicatedMessages] = Field(default=None, description="Messages that arrive more than once.")
    delay: IfGiven[DelayedMessages] = Field(default=None, description="Messages that arrive late.")
    fail: IfGiven[MessageChoice] = Field(default=None, description="Messages whose publishing fails.")
    trouble: IfGiven[CallTrouble] = Field(
        default=None,
        description="Calls of fakes that meet trouble.",
        examples=[{"kind": "answer_lost", "task": "push_contact#3", "endpoint": "POST /contacts"}],
    )
    at: IfGiven[When] = Field(default=None, description="When: a duration from the start, or an instant.")
    when: IfGiven[FaultMoment] = Field(
        default=None, description="At which event of the run.", examples=[{"event": "task-started", "nth": 2}]
    )
    for_ns: IfGiven[DurationNs] = Field(
        default=None,
        alias="for",
        description="After how long it is undone: restarted, repaired, fast again, set right.",
    )
    lose_data: Annotated[bool, Strict()] = Field(
        default=False, description="Whether the broker forgets all when it stops."
    )

    @property
    def verb(self) -> str:
        """The one verb that was given."""
        return next(key for key in self.given if key in (*VERBS, *CHOOSING_VERBS))

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
        server = f" from {self.server}" if self.server is not None else ""
        return f"{self.verb}{target}{server}"
