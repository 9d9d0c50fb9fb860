"""The models of a scenario file: every key that one may have, with its kind, its default and its meaning.

The published JSON Schema is made from these models.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    JsonValue,
    Strict,
    WithJsonSchema,
)
from pydantic_core import core_schema

from retrysim.scenarios.accept import Accepted, Idempotency
from retrysim.scenarios.block import Block
from retrysim.scenarios.bounds import MAX_BYTES, MAX_ITEMS, MAX_VALUES
from retrysim.scenarios.expectation import Expect
from retrysim.scenarios.fault import Fault
from retrysim.scenarios.kinds import (
    DURATION_SCHEMA,
    Brokers,
    CeleryMode,
    Count,
    Database,
    DurationNs,
    Files,
    IfGiven,
    InstantNs,
    OneOrMany,
    Positive,
    Seeds,
    Text,
    When,
    expected,
    rule,
)
from retrysim.scenarios.order import OrderDecision
from retrysim.scenarios.requirement import RequirementText
from retrysim.scenarios.submission import Submission
from retrysim.scenarios.tag import Tag
from retrysim.scenarios.worker_groups import Workers

#: In ``cost``: every task that is not named.
OTHERS = "*"
#: 2020-01-01T00:00:00Z.
DEFAULT_START_NS = 1_577_836_800_000_000_000


def _cost(given: object) -> object:
    return given if isinstance(given, dict) else {OTHERS: given}


def _variable(given: str) -> str:
    if "\0" in given:
        raise expected("text without NUL characters, which no environment variable can hold")
    return given


_COSTS_SCHEMA = {"type": "object", "additionalProperties": DURATION_SCHEMA}
Cost = Annotated[
    dict[Text, DurationNs], BeforeValidator(_cost), WithJsonSchema({"anyOf": [DURATION_SCHEMA, _COSTS_SCHEMA]})
]
VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
Variable = Annotated[str, AfterValidator(_variable)]
FakeOptions = Annotated[
    dict[str, JsonValue],
    BeforeValidator(lambda given: {} if given is None else given),
    WithJsonSchema({"type": ["object", "null"]}),
]


def _regular_expression(given: str) -> str:
    try:
        re.compile(given)
    except re.error as error:
        raise rule(f"{given!r} is not a regular expression: {error}") from None
    return given


RegularExpression = Annotated[Text, AfterValidator(_regular_expression)]


class OrListOf:
    """Lets a list stand for a mapping that has it under one key."""

    def __init__(self, key: str) -> None:
        self.key = key

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(
            lambda given: {self.key: given} if isinstance(given, list) else given, handler(source)
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        mapping = handler(schema)
        return {"anyOf": [mapping, handler.resolve_ref_schema(mapping)["properties"][self.key]]}


class RunLimits(Block):
    """What a run must not exceed; crossing one is a runaway, which names the busiest task."""

    events: IfGiven[Positive] = Field(default=None, description="Events of the simulation.")
    virtual_time_ns: IfGiven[DurationNs] = Field(
        default=None, alias="virtual_time", description="Virtual time from the start."
    )
    attempts_per_task: IfGiven[Positive] = Field(default=None, description="Executions of one task's body.")
    task_steps: IfGiven[Positive] = Field(
        default=None, description="How often tasks may wait, and go on, while nothing else happens."
    )
    real_seconds: IfGiven[Positive] = Field(
        default=None, description="Real seconds for which a task may compute without waiting."
    )


class ScenarioSpec(Block):
    __doc__ = (
        "A retrysim scenario: an app, the fakes around it, what is submitted, and what must come of it.\n\n"
        'Where a key says "one or a list", each value of the list is an item of its own; '
        f"the lists of a file make at most {MAX_ITEMS} items. "
        f"A file has at most {MAX_BYTES} bytes and {MAX_VALUES} values."
    )

    name: Text = Field(
        description="What the scenario shows, as a sentence.", examples=["a 200-call user loses nothing"]
    )
    app: Text = Field(description="The Celery app, as `celery -A` takes it.", examples=["proj.celery:app"])
    description: IfGiven[str] = Field(default=None, description="More about it, for people.")
    tags: OneOrMany[Tag] = Field(
        default=(),
        description="Words to select scenarios by (`pytest -m`): marks of pytest that take no arguments.",
        examples=["slow", ["slow", "crm"]],
    )
    xfail: IfGiven[Text] = Field(default=None, description="Why it is known to fail; passing is then a failure.")
    requires: OneOrMany[RequirementText] = Field(
        default=(),
        description="Packages and the versions of them that it is about; with others it is skipped.",
        examples=["celery>=5.7"],
    )
    env: dict[VariableName, Variable] = Field(
        default={}, description="Environment variables, set before the app is imported.", examples=[{"TOKEN": "fake"}]
    )
    conf: dict[Text, JsonValue] = Field(
        default={},
        description=(
            "Celery settings that replace the app's own for the run, by any name that Celery accepts. "
            "A task that sets such an option itself keeps its own."
        ),
        examples=[{"task_acks_late": True, "worker_prefetch_multiplier": 1}],
    )
    start_ns: InstantNs = Field(
        default=DEFAULT_START_NS,
        alias="start",
        description="The instant at which virtual time starts. Default: 2020-01-01T00:00:00Z.",
    )
    seed: Count = Field(
        default=0, description="The seed that task ids, jitter and shuffles are drawn from. Default: 0."
    )
    seeds: IfGiven[Seeds] = Field(
        default=None,
        description="Several seeds, each an item of its own: a list, or a range with both its ends.",
        examples=[[1, 2, 3], "0..19"],
    )
    celery: OneOrMany[CeleryMode] = Field(
        default=("worker",),
        description=(
            "How tasks are run, one or a list: by a `worker`, the default; `eager`, where they are submitted, with "
            "retries on the virtual clock; or `always_eager`, which is Celery's own task_always_eager."
        ),
        examples=["worker", ["worker", "eager"]],
    )
    broker: IfGiven[Brokers] = Field(
        default=None,
        description=(
            "The kind of broker, one or a list; RabbitMQ in the newest version that is modelled, or in others, each an "
            "item of its own. Default: that of the app's own URL."
        ),
        examples=["redis", "rabbitmq", "rabbitmq:4.0", {"rabbitmq": {"version": ["3.13", "4.0", "4.3"]}}],
    )
    allow: OneOrMany[Text] = Field(
        default=(),
        description="Hosts that tasks may really call, though no fake serves them; or other things that are real.",
        examples=["localhost:5432", ["localhost:5432", "subprocess"]],
    )
    strict: Annotated[bool, Strict()] = Field(
        default=True, description="Whether it is an error to call any other host that no fake serves. Default: true."
    )
    redact: OneOrMany[RegularExpression] = Field(
        default=(),
        description="Regular expressions: text that they match is redacted, besides what looks like a secret.",
        examples=["acme-[0-9]+"],
    )
    redis: bool = Field(
        default=False,
        description=(
            "Whether the simulated Redis, the broker's own if that is one, answers the app's own clients of redis-py "
            "(locks, caches), too, and on memory keeps its Redis results. Default: false."
        ),
    )
    database: IfGiven[Database] = Field(
        default=None,
        description=(
            "Which databases are used: `test`, Django's test databases, migrated and empty at the start of each item; "
            "or `real`, those that the app's settings name. Default: none, so a connection to a database is an error; "
            "with the tag `django_db`: `test`."
        ),
    )
    files: Files = Field(
        default="real",
        description=(
            "Which files and folders tasks may change: `real`, any; or `scratch`, only those that the run itself has "
            "made in the temporary folder, so that another change is an error. Default: real."
        ),
    )
    setup: IfGiven[Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]] = Field(
        default=None,
        description="A function, `module:function`, called before the tasks are submitted: it fills the database.",
        examples=["shop.fixtures:two_orders"],
    )
    workers: Annotated[Workers, OrListOf("groups")] = Field(
        default_factory=Workers,
        description="How many workers run the tasks, and how; or a list of groups of workers.",
        examples=[{"count": 2, "concurrency": 4}, [{"name": "fast", "queues": "high"}, {"name": "slow"}]],
    )
    cost_ns: Cost = Field(
        default={},
        alias="cost",
        description="The virtual time that a task's body takes: for all tasks, or by name (`*`: those not named).",
        examples=["200ms", {"fetch_tweets": "2s", "*": "10ms"}],
    )
    fakes: dict[Text, FakeOptions] = Field(
        default={},
        description="The fake APIs that are served, by name, each with its own options.",
        examples=[{"twitter": {"era": "2013-2015"}}],
    )
    faults: tuple[Fault, ...] = Field(
        default=(),
        description="What breaks, and when. One that never happens fails the scenario.",
        examples=[[{"kill": "worker-1", "when": {"event": "task-started", "nth": 2}, "for": "10s"}]],
    )
    idempotency: tuple[Idempotency, ...] = Field(
        default=(),
        description="Which header or argument makes a repeated call harmless: it then has its effect once.",
        examples=[[{"header": "Idempotency-Key", "endpoint": "POST /charges"}]],
    )
    accept: tuple[Accepted, ...] = Field(
        default=(),
        description="What `retrysim explore` may find without failing.",
        examples=[[{"twice": "sync_orders"}, {"late": "nightly", "fault": "broker_restarted"}]],
    )
    order: tuple[OrderDecision, ...] = Field(
        default=(),
        description="Who goes first where several could at one instant; everywhere else, who came first does.",
        examples=[[{"at": "15m", "tie": 2, "next": "worker-2"}]],
    )
    beat: bool = Field(
        default=False,
        description="Whether Celery's beat runs, and sends what the app's `beat_schedule` says. Default: false.",
    )
    submit: Annotated[tuple[Submission, ...], Field(min_length=1)] = Field(
        default=(), description="The tasks that are submitted. May be left out where beat runs."
    )
    until: IfGiven[When] = Field(
        default=None,
        description="When the run ends at the latest: a duration from the start, or an instant. Default: when idle.",
    )
    run_for_ns: IfGiven[DurationNs] = Field(
        default=None, alias="run_for", description="How long the run lasts at most. Default: until it is idle."
    )
    limits: RunLimits = Field(default_factory=RunLimits, description="What the run must not exceed.")
    expect: Expect = Field(default_factory=Expect, description="What is expected of every item.")
    expect_worker: Expect = Field(
        default_factory=Expect, description="What is expected of worker items: each key here replaces that of `expect`."
    )
    expect_eager: Expect = Field(
        default_factory=Expect, description="What is expected of eager items: each key here replaces that of `expect`."
    )
    expect_always_eager: Expect = Field(
        default_factory=Expect,
        description="What is expected of always_eager items: each key here replaces that of `expect`.",
    )

    @property
    def databases(self) -> Database | None:
        """Which databases are used; ``None`` is none."""
        return self.database or ("test" if "django_db" in self.tags else None)

    @property
    def overrides(self) -> dict[CeleryMode, Expect]:
        """What each way of running Celery has instead of the common expectations."""
        return {"worker": self.expect_worker, "eager": self.expect_eager, "always_eager": self.expect_always_eager}

    def expected_of(self, mode: CeleryMode) -> Expect:
        """All that is expected of the items that run Celery in this way."""
        return self.expect.overridden_by(self.overrides[mode])

    def block_of(self, key: str, mode: CeleryMode) -> str:
        """The block of the file that an expectation of such an item comes from: ``expect`` or ``expect_eager``."""
        return f"expect_{mode}" if key in self.overrides[mode].given else "expect"

    @property
    def until_ns(self) -> int | None:
        """The instant at which the run ends at the latest, if there is one."""
        if self.run_for_ns is not None:
            return self.start_ns + self.run_for_ns
        return None if self.until is None else self.until.after(self.start_ns)
