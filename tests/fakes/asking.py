"""How the tests of this folder ask a fake: short requests, at instants counted from noon."""

from __future__ import annotations

import json

from retrysim.durations import SECOND
from retrysim.fakes.request import Request

#: 2015-08-03 12:00:00 UTC.
NOON = 1_438_603_200 * SECOND
TIMELINE = "GET /1.1/statuses/user_timeline.json"
ALICE = 'OAuth oauth_consumer_key="acme", oauth_token="783214-AliceSecret", oauth_signature="x"'
BOB = 'OAuth oauth_consumer_key="acme", oauth_token="12-BobSecret", oauth_signature="x"'
APP = "Bearer AppSecret"


def at(seconds=0, *, ns=0):
    """An instant after noon."""
    return NOON + seconds * SECOND + ns


def ask(fake, endpoint, *, when=NOON, query="", auth=ALICE, body=b"", headers=()):
    """The answer to ``GET /path``; ``auth=None`` sends no credentials."""
    method, path = endpoint.split(" ", 1)
    if auth is not None:
        headers = (("Authorization", auth), *headers)
    if body:
        headers = (("Content-Type", "application/x-www-form-urlencoded"), *headers)
    request = Request(
        method=method, host=fake.hosts[0], path=path, query_string=query, headers=tuple(headers), body=body
    )
    return fake.handle(request, when)


def ask_often(fake, endpoint, times, **how):
    """The statuses of so many calls at one instant."""
    return [ask(fake, endpoint, **how).status for _ in range(times)]


def data(response):
    """The JSON of a body."""
    return json.loads(response.body)


def header(response, name):
    """A header by its exact name, or ``None``."""
    return dict(response.headers).get(name)
