"""Handlers for the SDKs: a call that is turned away comes first, then all are served."""

from __future__ import annotations

import json
import time

from retrysim.fakes.request import Request
from retrysim.fakes.response import Response

#: Monday noon, 2026-01-05T12:00:00Z: when the fixture ``slept`` begins.
NOON = 1_767_614_400


def answer(status: int, body: object, **headers: str) -> Response:
    """A JSON answer; an underscore in a header's name is a hyphen."""
    pairs = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Response(
        status=status, headers=(("Content-Type", "application/json"), *pairs), body=json.dumps(body).encode()
    )


class LimitedAtFirst:
    """Turns away the first call of ``method path``; ``beside`` are other endpoints, which have no limit."""

    def __init__(
        self, endpoint: str, *, limited: Response, served: Response, beside: dict[str, Response] | None = None
    ) -> None:
        self.story: list[tuple[float, int]] = []
        self._endpoint = endpoint
        self._limited = limited
        self._served = served
        self._beside = beside or {}

    def __call__(self, request: Request) -> Response:
        called = f"{request.method} {request.path}"
        if called != self._endpoint:
            return self._beside[called]
        response = self._served if self.story else self._limited
        self.story.append((round(time.time() - NOON, 3), response.status))
        return response
