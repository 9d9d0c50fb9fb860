"""The options of ``apply_async`` that Celery and kombu know, each with the kind of value that they can use.

Read in Celery 5.7: ``Task.apply_async``, ``AMQP.as_task_v2`` and ``_create_task_sender``; in kombu 5.6:
``Producer.publish``.
Other options pass: a task's own class may take more.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, PlainValidator, Strict, WithJsonSchema

from retrysim.scenarios.kinds import Count, IfGiven, Text, expected

_Flag = Annotated[bool, Strict()]


def _seconds(given: object) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given <= 10**9:
        raise expected("a number of seconds above 0")
    return given


_Seconds = Annotated[float, PlainValidator(_seconds), WithJsonSchema({"type": "number", "exclusiveMinimum": 0})]


def _signature(given: object) -> object:
    if not isinstance(given, dict) or not isinstance(given.get("task"), str):
        raise expected("a signature, such as {task: proj.tasks.add, args: [1, 2]}")
    return given


def _signatures(given: object) -> object:
    for one in given if isinstance(given, list) else [given]:
        _signature(one)
    return given


_Signature = Annotated[Any, PlainValidator(_signature), WithJsonSchema({"type": "object", "required": ["task"]})]
_Signatures = Annotated[Any, PlainValidator(_signatures), WithJsonSchema({"type": ["object", "array"]})]
_Priority = Annotated[int, Strict(), Field(ge=0, le=255)]


class _Options(BaseModel):
    """Options of `apply_async`, other than those that are keys of the submission itself."""

    model_config = ConfigDict(extra="allow", frozen=True)

    add_to_parent: IfGiven[_Flag] = None
    chain: IfGiven[_Signatures] = None
    chord: IfGiven[_Signature] = None
    compression: IfGiven[Text] = None
    confirm_timeout: IfGiven[_Seconds] = None
    content_encoding: IfGiven[Text] = None
    content_type: IfGiven[Text] = None
    delivery_mode: IfGiven[Annotated[int, Strict(), Field(ge=1, le=2)]] = None
    exchange: IfGiven[str] = None
    exchange_type: IfGiven[Text] = None
    group_id: IfGiven[Text] = None
    group_index: IfGiven[Count] = None
    headers: IfGiven[dict[str, Any]] = None
    ignore_result: IfGiven[_Flag] = None
    immediate: IfGiven[_Flag] = None
    link: IfGiven[_Signatures] = None
    link_error: IfGiven[_Signatures] = None
    mandatory: IfGiven[_Flag] = None
    parent_id: IfGiven[Text] = None
    priority: IfGiven[_Priority] = None
    replaced_task_nesting: IfGiven[Count] = None
    reply_to: IfGiven[Text] = None
    retries: IfGiven[Count] = None
    retry: IfGiven[_Flag] = None
    retry_policy: IfGiven[dict[str, Any]] = None
    root_id: IfGiven[Text] = None
    routing_key: IfGiven[Text] = None
    serializer: IfGiven[Text] = None
    shadow: IfGiven[Text] = None
    soft_time_limit: IfGiven[_Seconds] = None
    task_id: IfGiven[Text] = None
    time_limit: IfGiven[_Seconds] = None
    timeout: IfGiven[_Seconds] = None


def _usable(given: object) -> object:
    _Options.model_validate(given)  # its errors keep their place
    return given


PublishOptions: TypeAlias = Annotated[
    dict[str, JsonValue], BeforeValidator(_usable), WithJsonSchema(_Options.model_json_schema())
]
