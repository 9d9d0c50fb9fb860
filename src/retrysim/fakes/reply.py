"""What an endpoint answers, before its API dresses it: status, body, and the headers of its own."""

from __future__ import annotations

import json
from dataclasses import dataclass

from retrysim.errors import FakeError
from retrysim.fakes.response import Response

JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A status, a body with its content type, and headers in addition to those that the API sends with every answer.

    With ``has_gaps``, body and headers are wordings whose gaps a dialect fills when it dresses the answer.
    """

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
    has_gaps: bool = False


class Refused(Exception):  # noqa: N818 - it ends a visit, it is no error of ours
    """Ends a visit with this reply: an endpoint, or the API's own door, says no."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


class Malformed(Exception):  # noqa: N818
    """A parameter or a body that cannot be read; ``what`` names it as the vendor's message would."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


def json_reply(payload: object, *, status: int = 200) -> Reply:
    """A JSON body as Python writes it, without spaces."""
    return Reply(status=status, body=json.dumps(payload, separators=(",", ":")).encode())


def reply_of(answer: object) -> Reply | Response:
    """What a function of one's own gives back, as a reply.

    A ``Response`` or ``Reply`` as it is; ``None`` is 204; text and bytes are a plain body; a pair of a status and any
    of these is that with this status; everything else is a JSON body. Raises ``FakeError`` for what JSON cannot hold.
    """
    if isinstance(answer, Response | Reply):
        return answer
    if isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[0], int):
        return _with_status(answer[0], answer[1])
    return _with_status(204 if answer is None else 200, answer)


def _with_status(status: int, answer: object) -> Reply:
    if answer is None:
        return Reply(status=status)
    if isinstance(answer, str):
        return Reply(status=status, body=answer.encode(), content_type="text/plain; charset=utf-8")
    if isinstance(answer, bytes):
        return Reply(status=status, body=answer, content_type="application/octet-stream")
    try:
        return json_reply(answer, status=status)
    except (TypeError, ValueError) as error:
        raise FakeError(
            f"an endpoint answered {type(answer).__name__}, which is no JSON ({error}): expected a dict, a list, "
            "text, bytes, None, a Response, or a pair of a status and one of these"
        ) from error
