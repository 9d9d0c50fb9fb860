"""What a call costs where calls do not all cost one: by its method, its path, or what its body asks for.

A cost of 0 means that the limit does not concern the call at all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from retrysim.fakes.visit import Visit

_WRITES = ("POST", "PATCH", "PUT", "DELETE")
_PAGE = re.compile(r"\b(?:first|last)\s*:\s*(\d{1,4})")
_MOST_TOKENS = 10**9


def _one(visit: Visit) -> int:
    return 1


def _points(visit: Visit) -> int:
    """GitHub's points of its secondary limit: 1 to read, 5 to write."""
    return 5 if visit.request.method in _WRITES else 1


def _writes(visit: Visit) -> int:
    """Only what makes content counts."""
    return 1 if visit.request.method in _WRITES else 0


def _rest(visit: Visit) -> int:
    return 0 if _is_graphql(visit) else 1


def _graphql(visit: Visit) -> int:
    """Shopify's requested cost, roughly: one for the query, and one for each node that a page may bring."""
    if not _is_graphql(visit):
        return 0
    return 1 + sum(int(size) for size in _PAGE.findall(visit.request.body.decode(errors="replace")))


def _is_graphql(visit: Visit) -> bool:
    return visit.request.path.endswith("/graphql.json")


def _input_tokens(visit: Visit) -> int:
    """About four bytes of the body to a token."""
    return max(1, len(visit.request.body) // 4)


def _output_tokens(visit: Visit) -> int:
    """What the body reserves: ``max_tokens`` or one of its later names; 16 where it names none."""
    try:
        body = json.loads(visit.request.body)
    except (ValueError, RecursionError):
        return 16
    names = ("max_tokens", "max_completion_tokens", "max_output_tokens")
    sizes = [body.get(name) for name in names] if isinstance(body, dict) else []
    return next((size for size in sizes if type(size) is int and 0 < size < _MOST_TOKENS), 16)


def _all_tokens(visit: Visit) -> int:
    return _input_tokens(visit) + _output_tokens(visit)


COSTS: Mapping[str, Callable[[Visit], int]] = MappingProxyType(
    {
        "one": _one,
        "points": _points,
        "writes": _writes,
        "rest": _rest,
        "graphql": _graphql,
        "tokens": _all_tokens,
        "input tokens": _input_tokens,
        "output tokens": _output_tokens,
    }
)
