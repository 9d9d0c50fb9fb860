"""X API v2's words: problems for errors, and JSON as it writes it.

Sources: recorded answers of 2022 to 2026 and openapi.json 2.167. Text of the Basic Multilingual Plane stays raw.
"""

from __future__ import annotations

import json
import re

from retrysim.fakes.reply import Reply

CONTENT_TYPE = "application/json; charset=utf-8"
PROBLEM = "application/problem+json"
_PROBLEMS = "https://api.twitter.com/2/problems/"
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")


def json_bytes(payload: object) -> bytes:
    r"""Compact JSON; characters beyond the plane are surrogate escapes, ``\uD83E\uDD41``."""
    text = json.dumps(payload, separators=(",", ":"), ensure_ascii=False)
    return _ASTRAL.sub(lambda match: json.dumps(match[0])[1:-1].upper().replace("\\U", "\\u"), text).encode(
        errors="replace"
    )


def payload_reply(payload: object, *, status: int = 200) -> Reply:
    return Reply(status=status, body=json_bytes(payload), content_type=CONTENT_TYPE)


def problem(status: int, title: str, detail: str, kind: str = "about:blank", **more: object) -> Reply:
    """A problem (RFC 7807); ``kind`` is the last word of its type."""
    url = kind if kind == "about:blank" else _PROBLEMS + kind
    payload = {"title": title, "type": url, "status": status, "detail": detail, **more}
    return Reply(status=status, body=json_bytes(payload), content_type=PROBLEM)


def rate_limited() -> Reply:
    return problem(429, "Too Many Requests", "Too Many Requests")


def usage_capped() -> Reply:
    return Reply(
        status=429,
        body=json_bytes(
            {
                "account_id": 1,
                "product_name": "standard-basic",
                "title": "UsageCapExceeded",
                "period": "Monthly",
                "scope": "Product",
                "detail": "Usage cap exceeded: Monthly product cap",
                "type": f"{_PROBLEMS}usage-capped",
            }
        ),
        content_type=PROBLEM,
    )


def unauthorized() -> Reply:
    return problem(401, "Unauthorized", "Unauthorized")


def no_such_page() -> Reply:
    return problem(404, "Not Found", "Not Found")


def wrong_kind_of_token(is_app: bool) -> Reply:
    """A user's token where only an app may ask, or the other way round."""
    sent = "OAuth 2.0 Application-Only" if is_app else "OAuth 1.0a User Context"
    wanted = "OAuth 1.0a User Context, OAuth 2.0 User Context" if is_app else "OAuth 2.0 Application-Only"
    detail = (
        f"Authenticating with {sent} is forbidden for this endpoint.  Supported authentication types are [{wanted}]."
    )
    return problem(403, "Unsupported Authentication", detail, "unsupported-authentication")


def not_in_tier() -> Reply:
    return problem(
        403,
        "Client Forbidden",
        "When authenticating requests to the Twitter API v2 endpoints, you must use keys and tokens from a Twitter "
        "developer App that is attached to a Project. You can create a project via the developer portal.",
        "client-forbidden",
        reason="client-not-enrolled",
        required_enrollment="Appropriate Level of API Access",
    )


def invalid_request(name: str) -> Reply:
    message = f"The `{name}` query parameter value is not valid"
    return problem(
        400,
        "Invalid Request",
        "One or more parameters to your request was invalid.",
        "invalid-request",
        errors=[{"parameters": {name: []}, "message": message}],
    )


def over_capacity() -> Reply:
    return problem(503, "Service Unavailable", "Service Unavailable")


def internal_error() -> Reply:
    return problem(500, "Internal Server Error", "Something is broken.", "internal-error")
