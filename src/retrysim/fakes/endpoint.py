"""One line of an API: method and path template, and the plain function that answers it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retrysim.errors import FakeError

if TYPE_CHECKING:
    from retrysim.fakes.visit import Visit

#: What answers an endpoint: it gets the visit and gives anything that ``reply_of`` understands.
Function = Callable[["Visit"], object]

_NAME = re.compile(r"([A-Z]+) (/\S*)")
_PARAMETER = re.compile(r"(?<=/):([A-Za-z_]\w*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """``GET /users/:id/posts`` and its function.

    ``:id`` stands for one segment of the path; it may have a fixed ending, as in ``/users/:id.json``.

    ``bucket`` is what its limit is counted for; endpoints may share one.
    """

    method: str
    template: str
    function: Function
    bucket: str

    @property
    def name(self) -> str:
        return f"{self.method} {self.template}"

    @classmethod
    def parse(cls, name: str, function: Function, *, bucket: str | None = None) -> Endpoint:
        """An endpoint from its name. Raises ``FakeError`` when that is not a method and a path."""
        match = _NAME.fullmatch(name)
        if match is None:
            raise FakeError(f'{name!r} is no endpoint: expected a method and a path, such as "GET /users/:id"')
        if not callable(function):
            raise FakeError(f"the endpoint {name!r} has no function: expected a callable, got {function!r}")
        method, template = match.groups()
        return cls(method=method, template=template, function=function, bucket=bucket or template)

    def pattern(self) -> re.Pattern[str]:
        """What a path must match; the parameters are its named groups."""
        parts = _PARAMETER.split(self.template)  # text and parameter names by turns, beginning with text
        texts = [re.escape(part) if n % 2 == 0 else f"(?P<{part}>[^/]+)" for n, part in enumerate(parts)]
        try:
            return re.compile("".join(texts))
        except re.error as error:
            raise FakeError(f"the endpoint {self.name!r} names a parameter twice: give each its own name") from error

    def rank(self) -> tuple[int, ...]:
        """How exact each segment is: 0 for text, 1 for a parameter with a fixed ending, 2 for a bare parameter."""
        return tuple(_rank(segment) for segment in self.template.split("/"))


def fixed_ending(segment: str) -> str | None:
    """What follows the parameter of a segment (``.json`` of ``:id.json``); ``None`` when it has no parameter."""
    match = _PARAMETER.match(f"/{segment}", 1)
    return segment[match.end() - 1 :] if match else None


def _rank(segment: str) -> int:
    ending = fixed_ending(segment)
    return 0 if ending is None else 1 if ending else 2
