"""Calls that may be repeated: a header or an argument names the effect, and the server does the same thing once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from retrysim.fakes.request import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Idempotency:
    """The calls of an endpoint (``None``: of all) that carry one value in a header, or in an argument, are one effect.

    An argument is a parameter of the query or of a form, or a key of a JSON object.
    """

    header: str | None = None
    argument: str | None = None
    endpoint: str | None = None

    def value(self, endpoint: str, request: Request) -> str | None:
        """The value that a call carries; ``None`` for one that carries none."""
        if self.endpoint not in (None, endpoint):
            return None
        if self.header is not None:
            return request.header(self.header) or None
        assert self.argument is not None
        for arguments in (request.query, request.form, _json(request)):
            if arguments.get(self.argument) is not None:
                return str(arguments[self.argument])
        return None


class Effects:
    """Names effects: calls of one endpoint with the same value get the same name. A value may be a secret."""

    def __init__(self) -> None:
        self.rules: list[Idempotency] = []
        self._names: dict[tuple[str, str], str] = {}

    def of(self, endpoint: str, request: Request) -> str | None:
        """The name of the effect of a call (``key-1``); ``None`` where no rule says which it is."""
        for rule in self.rules:
            value = rule.value(endpoint, request)
            if value is not None:
                return self._names.setdefault((endpoint, value), f"key-{len(self._names) + 1}")
        return None


def _json(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(request.body or b"null")
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
