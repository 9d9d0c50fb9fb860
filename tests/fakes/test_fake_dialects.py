"""Every dialect: the bytes of its answers as stored, and the promise that its wait is neither short nor too long."""

import re
from datetime import datetime
from pathlib import Path

import pytest
from asking import NOON, at, data, header

from retrysim.durations import MILLISECOND, SECOND
from retrysim.errors import FakeError
from retrysim.fakes import API, VendorAPI
from retrysim.fakes.dialect import dialect_names, load_dialect, parse_dialect
from retrysim.fakes.request import Request

GOLDEN = Path(__file__).parent / "golden"
KEYS = (
    ("Authorization", "AWS4-HMAC-SHA256 Credential=AKIAFAKE/20150803/us-east-1/x/aws4_request, Signature=00"),
    ("X-Api-Key", "sk-fake"),
    ("X-Shopify-Access-Token", "shpat_fake"),
)
#: Each dialect and limit, and a call that it concerns: ``name: (dialect, limit, endpoint, body)``.
CASES = {
    "anthropic": ("anthropic", "requests", "POST /v1/messages", b'{"max_tokens": 20}'),
    "anthropic-output-tokens": ("anthropic", "output-tokens", "POST /v1/messages", b'{"max_tokens": 2}'),
    "aws": ("aws", "operation", "POST /", b"{}"),
    "aws_s3": ("aws_s3", "requests", "GET /bucket/key", b""),
    "discord": ("discord", "route", "POST /api/v10/channels/1/messages", b"{}"),
    "discord-global": ("discord", "global", "GET /api/v10/users/1", b""),
    "github": ("github", "core", "GET /user", b""),
    "github-content": ("github", "content", "POST /repos/a/b/issues", b"{}"),
    "ietf_06": ("ietf_06", "default", "GET /a", b""),
    "ietf_07": ("ietf_07", "default", "GET /a", b""),
    "ietf_10": ("ietf_10", "default", "GET /a", b""),
    "openai": ("openai", "requests", "POST /v1/chat/completions", b'{"max_tokens": 20}'),
    "openai-tokens": ("openai", "tokens", "POST /v1/chat/completions", b'{"max_tokens": 2}'),
    "plain": ("plain", "requests", "GET /a", b""),
    "reddit": ("reddit", "requests", "GET /r/python/new", b""),
    "shopify": ("shopify", "rest", "GET /admin/api/2026-10/orders.json", b""),
    "shopify-graphql": ("shopify", "graphql", "POST /admin/api/2026-10/graphql.json", b"{shop{orders(first: 5){id}}}"),
    "slack": ("slack", "tier", "POST /api/chat.postMessage", b"{}"),
    "spotify": ("spotify", "requests", "GET /v1/me/tracks", b""),
    "stripe": ("stripe", "requests", "POST /v1/charges", b"amount=100"),
}

#: Where six in a minute are more than another limit of the API lets through.
RATES = {"discord-global": "3 per minute"}


def fake_of(case, rate=None):
    name, limit, _, _ = CASES[case]
    rate = rate or RATES.get(case, "6 per minute")
    if load_dialect(name).hosts:
        return VendorAPI(name, limits={limit: rate})
    return API("https://api.acme.io", limit=rate, dialect=name)


def call(fake, case, when):
    _, _, endpoint, body = CASES[case]
    method, path = endpoint.split(" ")
    return fake.handle(Request(method=method, host=fake.hosts[0], path=path, headers=KEYS, body=body), when)


def until_limited(fake, case, when):
    """The first answer and the refusal, after as many calls as it takes."""
    answers = [call(fake, case, when)]
    while fake.calls[-1].decision == "served":
        answers.append(call(fake, case, when))
    return answers[0], answers[-1]


def text_of(response):
    lines = [f"HTTP {response.status}", *(f"{name}: {value}" for name, value in response.headers), ""]
    return "\n".join(lines) + "\n" + response.body.decode() + "\n"


@pytest.mark.parametrize("case", CASES)
def test_the_answers_are_the_stored_bytes(case):
    served, refused = until_limited(fake_of(case), case, at(0, ns=250 * MILLISECOND))

    stored = (GOLDEN / f"{case}.txt").read_text(encoding="utf-8")

    assert text_of(served) + "\n" + text_of(refused) == stored


def test_every_dialect_has_a_case():
    assert {case[0] for case in CASES.values()} == set(dialect_names())


@pytest.mark.parametrize("name", dialect_names())
def test_every_dialect_names_its_source_and_date(name):
    dialect = load_dialect(name)

    assert re.fullmatch(r"https://\S+", dialect.source)
    assert re.fullmatch(r"20\d\d-\d\d", dialect.date)


# -- the wait ----------------------------------------------------------------------------------------------------------
# Each reader is a client's own reading of a refusal: the instant at which it will come again, from the bytes alone,
# written without the package's code.


def _whole(seconds):
    return int(seconds) * SECOND


def _decimal(text):
    whole, _, fraction = text.partition(".")
    return int(whole) * SECOND + int(fraction.ljust(9, "0") or 0)


def _retry_after(response, now):
    return now + _whole(header(response, "Retry-After") or header(response, "retry-after"))


def _reset_epoch(name):
    return lambda response, now: _whole(header(response, name))


def _restored(response, now):
    cost = data(response)["extensions"]["cost"]
    throttle = cost["throttleStatus"]
    missing = cost["requestedQueryCost"] - throttle["currentlyAvailable"]
    return now + round(missing * SECOND / throttle["restoreRate"])


READERS = {
    "anthropic": _retry_after,
    "anthropic-output-tokens": _retry_after,
    "discord": lambda response, now: now + _decimal(f"{data(response)['retry_after']:.3f}"),
    "discord-global": _retry_after,
    "github": _reset_epoch("x-ratelimit-reset"),
    "github-content": _retry_after,
    "ietf_06": lambda response, now: now + _whole(header(response, "RateLimit-Reset")),
    "ietf_07": lambda response, now: now + _whole(re.search(r"reset=(\d+)", header(response, "RateLimit"))[1]),
    "ietf_10": lambda response, now: now + _whole(re.search(r";t=(\d+)", header(response, "RateLimit"))[1]),
    "openai": lambda response, now: now + int(header(response, "retry-after-ms")) * MILLISECOND,
    "openai-tokens": _retry_after,
    "plain": _reset_epoch("X-RateLimit-Reset"),
    "reddit": lambda response, now: now + _whole(header(response, "x-ratelimit-reset")),
    "shopify": lambda response, now: now + _decimal(header(response, "Retry-After")),
    "shopify-graphql": _restored,
    "slack": _retry_after,
    "spotify": _retry_after,
}
#: What the wire tells a client to wait for is told in steps of this; a wait may be that much too long, and no more.
STEPS = {
    "discord": MILLISECOND,
    "openai": MILLISECOND,
    "shopify": SECOND // 10,
    "shopify-graphql": 10 * SECOND,  # it tells whole points, of which one comes back in ten seconds
}
#: Refusals that tell no instant.
SILENT = {"aws", "aws_s3", "stripe"}


def test_every_case_is_read_or_tells_no_instant():
    assert set(READERS) | SILENT == set(CASES)


@pytest.mark.parametrize("offset_ns", [0, 1, 250 * MILLISECOND, 999_999_999])
@pytest.mark.parametrize("case", READERS)
def test_who_waits_as_the_wire_says_is_served_and_one_step_earlier_is_not(case, offset_ns):
    step_ns = STEPS.get(case, SECOND)
    now = at(7, ns=offset_ns)
    one, other = fake_of(case), fake_of(case)
    _, refused = until_limited(one, case, now)
    until_limited(other, case, now)

    told = READERS[case](refused, now)

    assert told > now
    call(one, case, told)
    assert one.calls[-1].decision == "served"
    call(other, case, max(now, told - step_ns - 1))
    assert other.calls[-1].decision == "limited"


@pytest.mark.parametrize(
    ("case", "opens", "told"),
    [
        ("plain", 60, 60.25),  # Retry-After: 60
        ("github", 60, 60),  # x-ratelimit-reset
        ("discord", 60.25, 60.25),  # Retry-After and body agree
        ("reddit", 60, 60.25),  # x-ratelimit-reset, a wait of 60
        ("openai", 10.25, 10.25),
        ("github-content", 60, 60.25),
        ("stripe", 10.25, None),
    ],
)
def test_a_call_remembers_when_the_limit_opens_and_what_the_wire_says(case, opens, told):
    fake = fake_of(case)

    until_limited(fake, case, at(0, ns=250 * MILLISECOND))

    assert fake.calls[-1].retry_at_ns == NOON + int(opens * 1000) * MILLISECOND
    assert fake.calls[-1].told_ns == (None if told is None else NOON + int(told * 1000) * MILLISECOND)


@pytest.mark.parametrize("case", ["github", "plain", "discord", "ietf_06", "reddit", "slack"])
def test_where_the_wire_can_tell_the_instant_one_nanosecond_earlier_is_too_early(case):
    fake = fake_of(case)
    _, refused = until_limited(fake, case, NOON)

    told = READERS[case](refused, NOON)
    call(fake, case, told - 1)
    call(fake, case, told)

    assert [each.decision for each in fake.calls[-2:]] == ["limited", "served"]


@pytest.mark.parametrize("case", sorted(SILENT))
def test_who_is_told_nothing_is_served_at_the_instant_the_call_remembers(case):
    fake = fake_of(case)
    _, refused = until_limited(fake, case, NOON)

    opens_ns = fake.calls[-1].retry_at_ns
    call(fake, case, opens_ns - 1)
    call(fake, case, opens_ns)

    assert [each.decision for each in fake.calls[-2:]] == ["limited", "served"]
    assert header(refused, "Retry-After") is None


def test_anthropic_tells_when_a_bucket_is_full_again():
    fake = fake_of("anthropic")
    _, refused = until_limited(fake, "anthropic", NOON)

    told = datetime.fromisoformat(header(refused, "anthropic-ratelimit-requests-reset"))

    assert told.isoformat() == "2015-08-03T12:01:00+00:00"


# -- what single vendors do --------------------------------------------------------------------------------------------


def test_github_gives_less_to_who_has_no_token():
    github = VendorAPI("github")

    anonymous = github.handle(Request(method="GET", host="api.github.com", path="/user"), NOON)

    assert header(anonymous, "x-ratelimit-limit") == "60"


def test_github_tells_the_limit_for_free():
    github = VendorAPI("github")
    call(github, "github", NOON)

    status = github.handle(Request(method="GET", host="api.github.com", path="/rate_limit", headers=KEYS), NOON)
    again = github.handle(Request(method="GET", host="api.github.com", path="/rate_limit", headers=KEYS), NOON)

    assert data(status)["rate"] == {"limit": 5000, "used": 1, "remaining": 4999, "reset": 1_438_606_800}
    assert again == status


def test_github_refuses_by_a_hidden_limit_while_much_remains():
    fake = fake_of("github-content", "2 per minute")

    _, refused = until_limited(fake, "github-content", NOON)

    assert (refused.status, header(refused, "x-ratelimit-remaining")) == (403, "4998")
    assert "secondary rate limit" in data(refused)["message"]


def test_reading_github_is_no_content():
    fake = fake_of("github-content", "1 per minute")
    read = Request(method="GET", host="api.github.com", path="/repos", headers=KEYS)

    assert [fake.handle(read, NOON).status for _ in range(5)] == [200] * 5


def test_slack_has_a_tier_for_each_method():
    slack = VendorAPI("slack")

    def served(method):
        request = Request(method="POST", host="slack.com", path=f"/api/{method}", headers=KEYS)
        return [slack.handle(request, NOON).status for _ in range(200)].count(200)

    methods = ("chat.postMessage", "users.list", "conversations.history", "users.info", "files.list")
    assert [served(method) for method in methods] == [1, 20, 50, 100, 50]


def test_aws_counts_operations_that_share_one_path():
    aws = VendorAPI("aws", limits={"operation": "1 per minute"})

    def ask(target):
        headers = (*KEYS, ("X-Amz-Target", target))
        return aws.handle(Request(method="POST", host=aws.hosts[0], path="/", headers=headers), NOON).status

    assert [ask("DynamoDB_20120810.GetItem"), ask("DynamoDB_20120810.PutItem"), ask("DynamoDB_20120810.GetItem")] == [
        200,
        200,
        400,
    ]
    assert [each.partition for each in aws.calls] == ["key-1"] * 3


def test_the_cost_of_a_graphql_query_is_what_it_may_bring():
    fake = VendorAPI("shopify")

    answer = call(fake, "shopify-graphql", NOON)

    assert data(answer)["extensions"]["cost"] == {
        "requestedQueryCost": 6,
        "actualQueryCost": 6,
        "throttleStatus": {"maximumAvailable": 2000.0, "currentlyAvailable": 1994, "restoreRate": 100.0},
    }
    assert header(answer, "X-Shopify-Shop-Api-Call-Limit") is None


@pytest.mark.parametrize(
    ("name", "status", "word"),
    [
        ("anthropic", 401, b"authentication_error"),
        ("openai", 401, b"You did not provide an API key."),
        ("stripe", 401, b"You did not provide an API key."),
        ("discord", 401, b"401: Unauthorized"),
        ("spotify", 401, b"No token provided"),
        ("shopify", 401, b"Invalid API key"),
    ],
)
def test_who_wants_credentials_refuses_those_without_and_counts_nothing(name, status, word):
    fake = VendorAPI(name)

    refused = fake.handle(Request(method="GET", host=fake.hosts[0], path="/x"), NOON)

    assert (refused.status, word in refused.body) == (status, True)
    assert (fake.calls[0].decision, fake.calls[0].limit) == ("refused", None)


def test_anthropic_over_capacity_is_a_529():
    fake = VendorAPI("anthropic", trouble={"over_capacity": "always"})

    answer = call(fake, "anthropic", NOON)

    assert (answer.status, data(answer)["error"]["type"]) == (529, "overloaded_error")


# -- reading a dialect's file ------------------------------------------------------------------------------------------

MINIMAL = """
source = "https://acme.io"
date = "2026-11"
[refusals.default]
status = 429
"""


def test_a_dialect_needs_no_more_than_a_refusal():
    dialect = parse_dialect("acme", MINIMAL)

    assert dialect.refusal("anything").reply().status == 429
    assert dialect.saying("not_found").status == 404


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[refusals]", "the dialect 'acme' cannot be read: TypeError: "),
        ("source =", "the dialect 'acme' cannot be read: TOMLDecodeError: "),
        (MINIMAL.replace("default", "core"), "the dialect 'acme' says nothing to a refused call: it needs [refusals."),
        (MINIMAL + 'body = "{limt}"', "the dialect 'acme': {limt} cannot be filled; did you mean 'limit'?"),
        (MINIMAL + 'body = "{core.limit}"', "the dialect 'acme': {core.limit} names no limit"),
        (MINIMAL + 'body = "{retry}"', "the dialect 'acme': {retry} is an instant without a form: expected one of "),
        (MINIMAL + "stauts = 3", "the dialect 'acme' cannot be read: TypeError: "),
    ],
)
def test_a_dialect_that_cannot_be_spoken_is_an_error(text, message):
    with pytest.raises(FakeError) as error:
        parse_dialect("acme", text)

    assert str(error.value).startswith(message)
