"""The ``twitter`` package (Python Twitter Tools), as it is, against a handler."""

from __future__ import annotations

import sys
import time

import pytest
from wire_helpers import Scripted

from retrysim.fakes.response import Response
from retrysim.wire import Interceptor

twitter = pytest.importorskip("twitter", reason="the extra 'twitter' is not installed")

LIMITED = Response(
    status=429,
    headers=(("x-rate-limit-limit", "180"), ("x-rate-limit-remaining", "0"), ("x-rate-limit-reset", "1438604100")),
    body=b'{"errors":[{"code":88,"message":"Rate limit exceeded"}]}',
)
SERVED = Response(
    status=200,
    headers=(("x-rate-limit-limit", "180"), ("x-rate-limit-remaining", "179"), ("x-rate-limit-reset", "1438605000")),
    body=b'[{"id": 1, "text": "hello"}]',
)


def client(**options):
    return twitter.Twitter(auth=twitter.OAuth("token", "secret", "key", "key-secret"), **options)


def serving_twitter(handler):
    return Interceptor(lambda scheme, host, port: handler if host == "api.twitter.com" else None)


def test_limited_call_raises_twitters_error_with_the_reset():
    handler = Scripted(LIMITED)

    with serving_twitter(handler), pytest.raises(twitter.TwitterHTTPError) as error:
        client().statuses.user_timeline(user_id=783214)

    assert (error.value.e.code, error.value.e.headers["X-Rate-Limit-Reset"]) == (429, "1438604100")
    assert error.value.response_data == {"errors": [{"code": 88, "message": "Rate limit exceeded"}]}
    [request] = handler.requests
    assert (request.method, request.host, request.path) == (
        "GET",
        "api.twitter.com",
        "/1.1/statuses/user_timeline.json",
    )
    assert (request.query["oauth_token"], request.query["user_id"]) == ("token", "783214")


def test_client_that_retries_sleeps_until_two_seconds_after_the_reset(monkeypatch, capsys):
    slept = []
    monkeypatch.setattr(sys.modules["twitter.api"], "sleep", slept.append)
    monkeypatch.setattr(sys.modules["twitter.api"], "time", lambda: 1438603200.0)

    with serving_twitter(Scripted(LIMITED, SERVED)):
        tweets = client(retry=True).statuses.user_timeline(user_id=783214)

    assert slept == [902]
    assert (tweets[0]["text"], tweets.rate_limit_remaining) == ("hello", 179)


def test_two_hundred_calls_do_not_pay_for_two_hundred_ssl_contexts():
    with serving_twitter(Scripted(SERVED)):
        begun = time.process_time()
        for _ in range(200):
            client().statuses.user_timeline(user_id=783214)
        seconds = time.process_time() - begun

    assert seconds < 2, "a context read at each call takes 25 to 50 ms, 5 to 10 s in all"
