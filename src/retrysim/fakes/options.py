"""The options of fakes as data: what a scenario file or a command line may say of each, and how a value is checked.

In Python the constructors take more (functions, timedeltas); the JSON Schema says the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from retrysim.fakes.dialect import dialect_names
from retrysim.fakes.limit_spec import ALGORITHMS
from retrysim.nearest import did_you_mean

#: Options that no data can give.
_FUNCTIONS = ("endpoints", "state")
#: More of something than any fake has to make.
_MOST = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueKind:
    """A kind of value: what an error expects, whether a value is one, and its JSON Schema."""

    expected: str
    fits: Callable[[Any], bool]
    schema: Mapping[str, Any]

    def or_none(self) -> ValueKind:
        """As this kind, or nothing."""
        return ValueKind(
            expected=self.expected,
            fits=lambda value: value is None or self.fits(value),
            schema={"anyOf": [self.schema, {"type": "null"}]},
        )


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value <= _MOST


def _is_duration(value: Any) -> bool:
    return _is_text(value) or (isinstance(value, int | float) and not isinstance(value, bool))


def _mapping_of(kind: ValueKind, expected: str) -> ValueKind:
    def fits(value: Any) -> bool:
        return isinstance(value, Mapping) and all(map(kind.fits, value.values()))

    return ValueKind(expected=expected, fits=fits, schema={"type": "object", "additionalProperties": kind.schema})


def _either(one: ValueKind, other: ValueKind, expected: str) -> ValueKind:
    return ValueKind(
        expected=expected,
        fits=lambda value: one.fits(value) or other.fits(value),
        schema={"anyOf": [one.schema, other.schema]},
    )


def _list_of(kind: ValueKind, expected: str) -> ValueKind:
    def fits(value: Any) -> bool:
        return isinstance(value, list | tuple) and all(map(kind.fits, value))

    return ValueKind(expected=expected, fits=fits, schema={"type": "array", "items": kind.schema})


def one_of(words: tuple[str, ...]) -> ValueKind:
    """One of some words."""
    return ValueKind(
        expected=f"one of {', '.join(words)}",
        fits=lambda value: isinstance(value, str) and value in words,
        schema={"enum": list(words)},
    )


TEXT = ValueKind(expected="text", fits=_is_text, schema={"type": "string", "minLength": 1})
COUNT = ValueKind(
    expected=f"a whole number of 0 to {_MOST}",
    fits=_is_count,
    schema={"type": "integer", "minimum": 0, "maximum": _MOST},
)
SEED = ValueKind(
    expected="a whole number of 0 or more",
    fits=lambda value: type(value) is int and value >= 0,
    schema={"type": "integer", "minimum": 0},
)
_DURATION = ValueKind(
    expected='a duration, such as "200ms"',
    fits=_is_duration,
    schema={"type": ["string", "number"], "examples": ["200ms"]},
)
_RATE = ValueKind(
    expected='a number and a window, such as "100 per minute"',
    fits=_is_text,
    schema={"type": "string", "examples": ["100 per minute"]},
)
_TIMES = _either(TEXT, _list_of(TEXT, ""), "")
_TROUBLE = _mapping_of(_TIMES, 'a mapping of what goes wrong to when, such as {"reset": "call 3"}')

#: What every fake takes.
_COMMON = {"seed": SEED, "clock_skew": _DURATION, "latency": _DURATION, "trouble": _TROUBLE.or_none()}
_URL = ValueKind(
    expected='a URL, such as "https://crm.acme.io"',
    fits=_is_text,
    schema={"type": "string", "pattern": "^https?://", "examples": ["https://crm.acme.io"]},
)
_ANYTHING = ValueKind(expected="anything", fits=lambda _: True, schema={})
_ACCOUNT = _mapping_of(TEXT, "")
_TWITTER_LIMIT = _either(_RATE, _mapping_of(_RATE, ""), "")


def of_own_api() -> dict[str, ValueKind]:
    """The options of an API of one's own, which has a ``url``."""
    return {
        "url": _URL,
        "limit": _RATE.or_none(),
        "per": TEXT,
        "algorithm": one_of(tuple(ALGORITHMS)),
        "answer": _ANYTHING,
        "dialect": one_of(tuple(sorted(dialect_names()))),
        **_COMMON,
    }


def of_vendor(limits: tuple[str, ...]) -> dict[str, ValueKind]:
    """The options of a vendor's fake that has these limits."""
    rates = _mapping_of(_RATE.or_none(), f'a mapping, such as {{"{limits[0] if limits else "limit"}": "5 per minute"}}')
    properties = dict.fromkeys(limits, _RATE.or_none().schema)
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    own = ValueKind(expected=rates.expected, fits=rates.fits, schema=schema)
    return {"limits": own.or_none(), **_COMMON}


def of_twitter(eras: tuple[str, ...], tiers: tuple[str, ...]) -> dict[str, ValueKind]:
    """The options of ``Twitter``."""
    limits = _mapping_of(_TWITTER_LIMIT, 'a mapping, such as {"statuses/user_timeline": "5 per 15 minutes"}')
    timeline = _either(COUNT, _mapping_of(COUNT, ""), "a number of tweets, or a mapping of users to them")
    return {
        "era": one_of(eras),
        "tier": one_of(tiers).or_none(),
        "limits": limits.or_none(),
        "timeline": timeline,
        "people": COUNT,
        "accounts": _list_of(_ACCOUNT, "a list of mappings of keys and secrets").or_none(),
        "monthly_posts": COUNT.or_none(),
        "extra_calls": COUNT,
        "reopening": one_of(("reset", "float")),
        **_COMMON,
    }


def wrong_options(name: str, options: Mapping[str, Any], kinds: Mapping[str, ValueKind]) -> Iterator[tuple[str, str]]:
    """Each option that this fake has not, or whose value is of another kind, with what is wrong."""
    for option, value in options.items():
        if option in _FUNCTIONS:
            yield (
                option,
                f"{option} takes functions, which only Python has: serve the fake in a test, or give `answer`",
            )
        elif option not in kinds:
            hint = did_you_mean(option, kinds) or f"; expected one of {', '.join(kinds)}"
            yield option, f"the fake {name!r} has no option {option!r}{hint}"
        elif not kinds[option].fits(value):
            words = kinds[option].schema.get("enum", ())
            hint = did_you_mean(value, words) if isinstance(value, str) else ""
            yield option, f"{option} is {_shown(value)}: expected {kinds[option].expected}{hint}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "..."
