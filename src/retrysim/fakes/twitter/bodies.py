"""Twitter's words: the literal error bodies of API v1.1, and JSON as it writes it.

Sources: dev.twitter.com "Error Codes & Responses" (2015) and recorded answers; the message of code 88 has no full stop.
"""

from __future__ import annotations

import json

from retrysim.fakes.reply import Reply

CONTENT_TYPE = "application/json;charset=utf-8"


def json_bytes(payload: object) -> bytes:
    r"""Compact ASCII JSON with ``/`` written as ``\/``."""
    return json.dumps(payload, separators=(",", ":")).replace("/", "\\/").encode()


def payload_reply(payload: object, *, status: int = 200) -> Reply:
    return Reply(status=status, body=json_bytes(payload), content_type=CONTENT_TYPE)


def error_reply(status: int, code: int, message: str) -> Reply:
    return payload_reply({"errors": [{"message": message, "code": code}]}, status=status)


def rate_limited() -> Reply:
    return error_reply(429, 88, "Rate limit exceeded")


def daily_posts_exceeded() -> Reply:
    return error_reply(403, 185, "User is over daily status update limit.")


def no_credentials() -> Reply:
    return error_reply(400, 215, "Bad Authentication data")


def invalid_token() -> Reply:
    return error_reply(401, 89, "Invalid or expired token")


def bad_signature() -> Reply:
    return Reply(
        status=401,
        body=b'{"errors":[{"code":32,"message":"Could not authenticate you."}]}',
        content_type=CONTENT_TYPE,
    )


def timestamp_out_of_bounds() -> Reply:
    return error_reply(401, 135, "Timestamp out of bounds.")


def app_has_no_access() -> Reply:
    return error_reply(403, 220, "Your credentials do not allow access to this resource")


def unable_to_verify() -> Reply:
    """A wrong or missing Basic authorization at ``/oauth2/token``."""
    return Reply(
        status=403,
        body=b'{"errors":[{"code":99,"label":"authenticity_token_error",'
        b'"message":"Unable to verify your credentials"}]}',
        content_type=CONTENT_TYPE,
    )


def no_such_page() -> Reply:
    return error_reply(404, 34, "Sorry, that page does not exist")


def invalid_parameter(name: str) -> Reply:
    return error_reply(400, 44, f"{name} parameter is invalid.")


def missing_parameter(name: str) -> Reply:
    return error_reply(403, 38, f"{name} parameter is missing.")


def access_level() -> Reply:
    """What the tiers of 2023 and later say to most of v1.1."""
    return error_reply(
        403,
        453,
        "You currently have access to a subset of Twitter API v2 endpoints and limited v1.1 endpoints (e.g. media "
        "post, oauth) only. If you need access to this endpoint, you may need a different access level.",
    )


def over_capacity() -> Reply:
    return error_reply(503, 130, "Over capacity")


def internal_error() -> Reply:
    return error_reply(500, 131, "Internal error")
