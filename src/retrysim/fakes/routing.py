"""Which endpoint a request means: the most exact template wins, and two that are equally exact are an error."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Protocol
from urllib.parse import unquote

from retrysim.errors import FakeError
from retrysim.fakes.endpoint import Endpoint, Function, fixed_ending
from retrysim.fakes.nearest import first_difference, nearest
from retrysim.fakes.request import Request

#: A path that is longer than this is told only in part.
_LONGEST_NAME = 200


class Routes(Protocol):
    """What finds the endpoint of a request."""

    def match(self, request: Request) -> tuple[Endpoint, dict[str, str]] | None:
        """The endpoint of a request and its path parameters (decoded), or ``None``."""
        ...

    def names(self) -> list[str]:
        """The endpoints that are known beforehand."""
        ...

    def explain(self, request: Request) -> str:
        """Why a request matches nothing: the nearest endpoints, and the first difference to the best of them."""
        ...


class EveryPath:
    """One function for every method and path; each path that is called is an endpoint of its own name."""

    __slots__ = ("_function",)

    def __init__(self, function: Function) -> None:
        self._function = function

    def match(self, request: Request) -> tuple[Endpoint, dict[str, str]] | None:
        path = request.path[:_LONGEST_NAME]
        return Endpoint(method=request.method, template=path, function=self._function, bucket=path), {}

    def names(self) -> list[str]:
        return []

    def explain(self, request: Request) -> str:
        return f"no endpoint for {request.method} {request.path}"


class Router:
    """The endpoints of one API.

    Raises ``FakeError`` when some path could mean two endpoints and neither is more exact.
    """

    __slots__ = ("_exact", "_templates", "endpoints")

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self.endpoints: Sequence[Endpoint] = tuple(endpoints)
        exact = [endpoint for endpoint in self.endpoints if not any(endpoint.rank())]
        templates = [endpoint for endpoint in self.endpoints if any(endpoint.rank())]
        _refuse_twins(exact)
        _refuse_overlaps(templates)
        self._exact = {(endpoint.method, endpoint.template): endpoint for endpoint in exact}
        self._templates = [(e, e.pattern()) for e in sorted(templates, key=lambda e: e.rank())]

    def match(self, request: Request) -> tuple[Endpoint, dict[str, str]] | None:
        exact = self._exact.get((request.method, request.path))
        if exact is not None:
            return exact, {}
        for endpoint, pattern in self._templates:
            if endpoint.method == request.method and (found := pattern.fullmatch(request.path)):
                return endpoint, {name: unquote(value) for name, value in found.groupdict().items()}
        return None

    def names(self) -> list[str]:
        return [endpoint.name for endpoint in self.endpoints]

    def explain(self, request: Request) -> str:
        asked = f"{request.method} {request.path}"
        close = nearest(asked, self.names())
        if not close:
            return f"no endpoint for {asked}: this fake has none"
        best = next(endpoint for endpoint in self.endpoints if endpoint.name == close[0])
        difference = first_difference(request.method, request.path, best.method, best.template)
        return f"no endpoint for {asked}; nearest: {', '.join(close)}; first difference: {difference}"


class RouterOrElse(Router):
    """Endpoints, and another that serves whatever matches none of them."""

    __slots__ = ("_otherwise",)

    def __init__(self, endpoints: Iterable[Endpoint], otherwise: EveryPath) -> None:
        super().__init__(endpoints)
        self._otherwise = otherwise

    def match(self, request: Request) -> tuple[Endpoint, dict[str, str]] | None:
        return super().match(request) or self._otherwise.match(request)


def _refuse_twins(endpoints: Sequence[Endpoint]) -> None:
    seen: set[str] = set()
    for endpoint in endpoints:
        if endpoint.name in seen:
            raise FakeError(f"the endpoint {endpoint.name!r} is given twice: drop one of them")
        seen.add(endpoint.name)


def _refuse_overlaps(endpoints: Sequence[Endpoint]) -> None:
    for one, other in combinations(endpoints, 2):
        if _overlap(one, other) and not _ordered(one.rank(), other.rank()):
            raise FakeError(
                f"the endpoints {one.name!r} and {other.name!r} overlap: a path could mean either; "
                "make one of them the more exact one in every segment, or drop it"
            )


def _overlap(one: Endpoint, other: Endpoint) -> bool:
    """Whether some request matches both."""
    segments, others = one.template.split("/"), other.template.split("/")
    if one.method != other.method or len(segments) != len(others):
        return False
    return all(_segments_overlap(a, b) for a, b in zip(segments, others, strict=True))


def _segments_overlap(a: str, b: str) -> bool:
    """Whether some text matches both segments: what is fixed at their ends must fit."""
    ending_a, ending_b = fixed_ending(a), fixed_ending(b)
    if ending_a is None and ending_b is None:
        return a == b
    if ending_a is None or ending_b is None:
        return a.endswith(ending_b or "") if ending_a is None else b.endswith(ending_a)
    return ending_a.endswith(ending_b) or ending_b.endswith(ending_a)


def _ordered(one: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether one of two ranks is at least as exact in every segment, and they differ."""
    pairs = list(zip(one, other, strict=True))
    return one != other and (all(a <= b for a, b in pairs) or all(a >= b for a, b in pairs))
