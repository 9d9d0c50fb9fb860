"""The workers of a scenario file: all alike, or in groups."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, PlainValidator, Strict, WithJsonSchema
from pydantic_core import PydanticKnownError

from retrysim.project import NO_WHOLE_WORKERS
from retrysim.scenarios.block import Block
from retrysim.scenarios.bounds import MAX_CONCURRENCY, MAX_WORKERS
from retrysim.scenarios.kinds import IfGiven, OneOrMany, Pool, Text, rule

WorkerCount = Annotated[int, Strict(), Field(gt=0, le=MAX_WORKERS)]
Concurrency = Annotated[int, Strict(), Field(gt=0, le=MAX_CONCURRENCY)]
_POOL = Field(
    default=None,
    description="The kind of pool (`celery worker -P`), one or a list. Default: the app's `worker_pool`.",
    examples=["threads", ["prefork", "gevent"]],
)
_QUEUES = Field(
    default=None, description="The queues they consume, as `celery worker -Q` takes them; else the app's own."
)


def _isolated(value: object) -> bool:
    if value == "worker":
        raise rule(NO_WHOLE_WORKERS)
    if not isinstance(value, bool):
        raise PydanticKnownError("bool_type")
    return value


Isolated = Annotated[bool, PlainValidator(_isolated), WithJsonSchema({"type": "boolean"})]
_ISOLATED: Any = Field(
    default=False,
    description=(
        "Whether each pool process is a real process with memory of its own (`prefork` only); "
        "the live arm's always are. Default: false."
    ),
)


class WorkerGroup(Block):
    """Workers that are alike, among others that are not."""

    name: Text = Field(
        description="The node name of the one worker; of several, each has its number after it.", examples=["fast"]
    )
    count: OneOrMany[WorkerCount] = Field(
        default=(1,), description="How many workers of this group run, one or a list. Default: 1."
    )
    concurrency: OneOrMany[Concurrency] = Field(
        default=(1,), description="How many tasks each of them runs at once, one or a list. Default: 1."
    )
    pool: IfGiven[OneOrMany[Pool]] = _POOL
    queues: IfGiven[OneOrMany[Text]] = _QUEUES
    isolated: Isolated = _ISOLATED


class Workers(Block):
    """The workers that run the tasks, all alike; or groups of them, for which a list is short."""

    groups: tuple[WorkerGroup, ...] = Field(
        default=(), description="Groups of workers that are not alike; `workers` as a list is short for it."
    )

    count: OneOrMany[WorkerCount] = Field(default=(1,), description="How many workers run, one or a list. Default: 1.")
    concurrency: OneOrMany[Concurrency] = Field(
        default=(1,),
        description="How many tasks each worker runs at once (`celery worker -c`), one or a list. Default: 1.",
    )
    pool: IfGiven[OneOrMany[Pool]] = _POOL
    queues: IfGiven[OneOrMany[Text]] = _QUEUES
    isolated: Isolated = _ISOLATED
    hostname: IfGiven[Text] = Field(
        default=None, description="The node name of the one worker, as `celery worker -n` takes it."
    )
