"""Whatever is sent, a fake answers: ten thousand malformed requests, the same bytes in every process, many threads."""

import hashlib
import os
import random
import string
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from asking import ALICE, APP, TIMELINE, ask, at

from retrysim.durations import SECOND
from retrysim.fakes import API, Twitter
from retrysim.fakes.catalogue import fake_names, make_fake
from retrysim.fakes.request import Request
from retrysim.fakes.response import Response

METHODS = ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "get", "", "G\x00T", "ÄÖ", "GET " * 9)
PATHS = (
    "/", "", "//", "*", "no-slash", "/%", "/%zz", "/%00", "/..%2f..", "/\ud800", "/1.1/statuses/show/.json", "/1.1/" * 900,
    "/1.1/statuses/user_timeline.json", "/1.1/statuses/show/%F0%9F.json", "/1.1/search/tweets.json", "/oauth2/token",
    "/1.1/followers/ids.json", "/1.1/users/lookup.json", "/1.1/statuses/update.json", "/1.1/statuses/retweets/-1.json",
    "/2/tweets", "/2/users/x/tweets", "/2/users/12/followers", "/2/tweets/search/recent", "/2/users/by/username/\u202e",
    "/v1/chat/completions", "/v1/messages", "/admin/api/x/graphql.json", "/api/chat.postMessage", "/rate_limit",
)  # fmt: skip
NAMES = (
    "count",
    "max_id",
    "since_id",
    "cursor",
    "id",
    "user_id",
    "screen_name",
    "q",
    "max_results",
    "pagination_token",
)
VALUES = (
    "",
    "0",
    "-1",
    "1e9",
    "٣",
    "9" * 5000,
    "-9223372036854775809",
    "NaN",
    "null",
    "%",
    "a&b",
    "\x00",
    "\ud800",
    "💣",
)
HEADERS = (
    "authorization", "Authorization", "content-type", "x-api-key", "x-amz-target", "x-shopify-access-token", "", "\x00", "É",
)  # fmt: skip
AUTHS = (
    "OAuth", "OAuth ,,,", 'OAuth oauth_token="', 'OAuth oauth_token="%zz"', "Bearer", "Bearer \ud800", "Basic", "Basic %",
    "Basic ////", "Basic w7w6", "AWS4-HMAC-SHA256 Credential=", ALICE, APP, "\x00", "application/x-www-form-urlencoded",
)  # fmt: skip
BODIES = (b"", b"{", b"[]", b"null", b'{"text":' * 5000, b'{"max_tokens":1e400}', b'{"max_tokens":true}', b"\xff\xfe")


def malformed(chance):
    """One request out of bad parts, or random text where none of them was drawn."""

    def one_of(parts):
        if chance.random() < 0.9:
            return chance.choice(parts)
        return "".join(chance.choices(string.printable, k=chance.randrange(40)))

    pairs = [f"{one_of(NAMES)}={one_of(VALUES)}" for _ in range(chance.randrange(4))]
    body = chance.choice(BODIES) if chance.random() < 0.7 else "&".join(pairs).encode(errors="replace")
    return Request(
        method=one_of(METHODS),
        host=one_of(("api.twitter.com", "", "[", "x:y")),
        path=one_of(PATHS),
        query_string="&".join(pairs),
        headers=tuple((one_of(HEADERS), one_of(AUTHS)) for _ in range(chance.randrange(4))),
        body=body,
        client_ip=one_of(("127.0.0.1", "", "::")),
    )


def every_fake():
    return [
        *(make_fake(name) for name in fake_names()),
        make_fake("twitter", {"era": "2020+", "tier": "pro", "monthly_posts": 9}),
        make_fake("twitter", {"accounts": [{"bearer": "x"}], "trouble": {"malformed": "10% of calls"}}),
        API("https://crm.acme.io", limit="50 per minute"),
        API("https://crm.acme.io", endpoints={"GET /:a/:b": lambda visit: {"n": visit.integer("count", 0)}}),
    ]


@pytest.mark.slow
def test_ten_thousand_malformed_requests_are_answered():
    chance, fakes = random.Random(2015), every_fake()

    statuses = set()
    for number in range(10_000):
        fake = fakes[number % len(fakes)]
        response = fake.handle(malformed(chance), at() + number * SECOND)
        assert isinstance(response, Response)
        assert all(isinstance(text, str) for header in response.headers for text in header)
        statuses.add(response.status)

    assert sum(len(fake.calls) for fake in fakes) == 10_000
    assert {200, 400, 401, 404} <= statuses
    assert not any(status >= 500 for status in statuses)


@pytest.mark.parametrize("name", fake_names())
def test_a_request_line_that_is_none_is_a_client_error_of_every_vendor(name):
    fake = make_fake(name)

    statuses = {
        fake.handle(Request(method=method, host=fake.hosts[0], path=path), at()).status
        for method, path in (("", "/"), ("get", "/"), ("GET", ""), ("GET", "x"))
    }

    assert statuses == {200 if name == "slack" else 400}  # Slack says everything but 429 with a 200


SCRIPT = """
import random, sys
sys.path.insert(0, sys.argv[1])
from test_fake_robustness import digest
print(digest())
"""


def digest():
    """A hash of a few hundred answers of every fake."""
    chance, total = random.Random(7), hashlib.sha256()
    fakes = every_fake()
    for number in range(600):
        response = fakes[number % len(fakes)].handle(malformed(chance), at(number))
        total.update(repr(response).encode(errors="replace"))
    return total.hexdigest()


def test_the_same_requests_give_the_same_bytes_under_two_hash_seeds_and_in_two_processes():
    here = str(Path(__file__).parent)

    def printed(hash_seed):
        return subprocess.run(
            [sys.executable, "-c", SCRIPT, here],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    assert printed("1") == printed("2") == digest()


def test_calls_from_many_threads_are_counted_one_by_one():
    twitter = Twitter(limits={"statuses/user_timeline": "100 per 15 minutes"})
    threads = [threading.Thread(target=lambda: [ask(twitter, TIMELINE) for _ in range(25)]) for _ in range(8)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert twitter.counts() == {TIMELINE: {"200": 100, "429": 100}}
