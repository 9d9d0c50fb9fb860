"""The arguments of a queue: which RabbitMQ takes, for which kind of queue, and what it says of the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from retrysim.rabbitmq.refusal import Refusal
from retrysim.rabbitmq.versions import Version

#: The largest number of milliseconds: ten years (rabbit_misc).
MAX_MS = 315_360_000_000
_MAX_PRIORITY = 255
_OVERFLOWS = ("drop-head", "reject-publish", "reject-publish-dlx")
_STRATEGIES = ("at-most-once", "at-least-once")


def type_name(value: Any) -> str:
    """What RabbitMQ calls the type of a field."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "signedint" if abs(value) <= 0x7FFFFFFF else "long"
    names = {str: "longstr", float: "double", dict: "table", list: "array", bytes: "longstr"}
    return names.get(type(value), "void")


def shown(value: Any) -> str:
    """A value as RabbitMQ's messages show it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return f'"expected integer, got {type_name(value)}"'
    return f"{{value_negative,{value}}}" if value < 0 else None


def _milliseconds(value: Any) -> str | None:
    return _number(value) or (f"{{value_too_large,{value}}}" if value > MAX_MS else None)


def _some_milliseconds(value: Any) -> str | None:
    return _milliseconds(value) or ("{value_zero,0}" if value == 0 else None)


def _priority(value: Any) -> str | None:
    return _number(value) or (f"{{max_value_exceeded,{value}}}" if value > _MAX_PRIORITY else None)


def _text(value: Any) -> str | None:
    return None if isinstance(value, str) else f"{{unacceptable_type,{type_name(value)}}}"


def _overflow(value: Any) -> str | None:
    return _text(value) or (None if value in _OVERFLOWS else "invalid_overflow")


def _strategy(value: Any) -> str | None:
    return _text(value) or (None if value in _STRATEGIES else "invalid_dlx_strategy")


def _kind(value: Any) -> str | None:
    return _text(value) or (None if value in KINDS else f"\"unsupported queue type '{value}'\"")


def _mode(value: Any) -> str | None:
    return _text(value) or (None if value in ("default", "lazy") else f"\"unsupported queue mode '{value}'\"")


def _flag(value: Any) -> str | None:
    return None if isinstance(value, bool) else f"{{unacceptable_type,{type_name(value)}}}"


def _anything(_value: Any) -> str | None:
    return None


KINDS = ("classic", "quorum")
_BOTH, _CLASSIC, _QUORUM = KINDS, ("classic",), ("quorum",)


@dataclass(frozen=True, slots=True)
class _Argument:
    """What a value must be, which kinds of queues take the argument, and whether it changes anything here."""

    error: Callable[[Any], str | None]
    kinds: tuple[str, ...] = _BOTH
    modelled: bool = True


_ARGUMENTS = {
    "x-queue-type": _Argument(_kind),
    "x-message-ttl": _Argument(_milliseconds),
    "x-expires": _Argument(_some_milliseconds),
    "x-max-length": _Argument(_number),
    "x-max-length-bytes": _Argument(_number),
    "x-overflow": _Argument(_overflow),
    "x-dead-letter-exchange": _Argument(_anything),  # has a message of its own
    "x-dead-letter-routing-key": _Argument(_text),
    "x-max-priority": _Argument(_priority, _CLASSIC),
    "x-single-active-consumer": _Argument(_flag),
    "x-queue-mode": _Argument(_mode, _CLASSIC),
    "x-queue-version": _Argument(_anything, _CLASSIC),
    "x-queue-master-locator": _Argument(_anything, _CLASSIC),
    "x-queue-leader-locator": _Argument(_anything),
    "x-delivery-limit": _Argument(_anything, _QUORUM),
    "x-dead-letter-strategy": _Argument(_strategy, _QUORUM),
    "x-quorum-initial-group-size": _Argument(_anything, _QUORUM),
    "x-quorum-target-group-size": _Argument(_anything, _QUORUM),
    "x-max-in-memory-length": _Argument(_anything, _QUORUM),
    "x-max-in-memory-bytes": _Argument(_anything, _QUORUM),
    "x-consumer-timeout": _Argument(_anything),
    # 4.3: quorum queues may return a message after a while
    "x-delayed-retry-type": _Argument(_anything, _QUORUM, modelled=False),
    "x-delayed-retry-min": _Argument(_anything, _QUORUM, modelled=False),
    "x-delayed-retry-max": _Argument(_anything, _QUORUM, modelled=False),
}


def check(name: str, vhost: str, arguments: dict[str, Any], version: Version) -> None:
    """Raises ``Refusal`` (406) for arguments that RabbitMQ does not take, with its own words."""
    where = f"for queue '{name}' in vhost '{vhost}'"
    kind = arguments.get("x-queue-type", "classic")
    for key, value in arguments.items():
        error = _ARGUMENTS[key].error(value) if key in _ARGUMENTS else None
        if error and not (key == "x-queue-mode" and version.ignores_queue_mode):
            raise Refusal(406, f"invalid arg '{key}' {where}: {error}")
    for key in arguments:
        if key in _ARGUMENTS and kind not in _kinds(key, version):
            raise Refusal(406, f"invalid arg '{key}' {where} of queue type rabbit_{kind}_queue")
    _check_dead_letters(name, vhost, arguments)


def _kinds(key: str, version: Version) -> tuple[str, ...]:
    if key == "x-consumer-timeout" and version.consumer_timeout_closes == "consumer":
        return _QUORUM
    return _ARGUMENTS[key].kinds


def _check_dead_letters(name: str, vhost: str, arguments: dict[str, Any]) -> None:
    exchange = arguments.get("x-dead-letter-exchange", "")
    if not isinstance(exchange, str):
        kind = type_name(exchange)
        raise Refusal(
            406, f"invalid type '{kind}' for arg 'x-dead-letter-exchange' in queue '{name}' in vhost '{vhost}'"
        )
    if "x-dead-letter-routing-key" in arguments and "x-dead-letter-exchange" not in arguments:
        raise Refusal(
            406,
            f"invalid arg 'x-dead-letter-routing-key' for queue '{name}' in vhost '{vhost}': "
            "routing_key_but_no_dlx_defined",
        )


def unmodelled(arguments: Iterable[str]) -> list[str]:
    """The arguments that are accepted and change nothing here, though they do in RabbitMQ."""
    return [key for key in arguments if key in _ARGUMENTS and not _ARGUMENTS[key].modelled]


#: The arguments that must be the same when a queue is declared again.
_COMPARED = (
    "x-expires", "x-message-ttl", "x-dead-letter-exchange", "x-dead-letter-routing-key", "x-max-length",
    "x-max-length-bytes", "x-max-priority", "x-overflow", "x-queue-mode", "x-single-active-consumer", "x-queue-type",
    "x-quorum-initial-group-size",
)  # fmt: skip


def check_same(
    what: str, vhost: str, received: dict[str, Any], current: dict[str, Any], keys: Iterable[str] = _COMPARED
) -> None:
    """Raises ``Refusal`` (406) where what is declared again differs from what there is."""
    for key in keys:
        new, old = received.get(key), current.get(key)
        if new != old or type(new) is not type(old):
            raise Refusal(406, f"inequivalent arg '{key}' for {what} in vhost '{vhost}': {_difference(new, old)}")


def _difference(new: Any, old: Any) -> str:
    if old is None:
        return f"received the value '{shown(new)}' of type '{type_name(new)}' but current is none"
    if new is None:
        return f"received none but current is the value '{shown(old)}' of type '{type_name(old)}'"
    return f"received '{shown(new)}' but current is '{shown(old)}'"
