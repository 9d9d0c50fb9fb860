"""X API v2: limits by tier, for users and apps, windows and days; problems; paging; the monthly cap."""

import re

import pytest
from asking import ALICE, BOB, TIMELINE, ask, ask_often, at, data, header

from retrysim.errors import FakeError
from retrysim.fakes import Twitter
from retrysim.fakes.twitter.limits_v2 import limits_of_tier

TWEETS = "GET /2/users/12/tweets"
TWEETS_NAME = "GET /2/users/:id/tweets"
POST = "POST /2/tweets"
APP = "Bearer AAAAAppSecret"
HELLO = b'{"text":"hello"}'
TIERS = ["essential", "free", "basic", "pro", "pay-per-use"]


def limit_headers(response):
    return [(name, value) for name, value in response.headers if "limit" in name and not name.endswith("-reset")]


def x(tier=None, **options):
    return Twitter(era="2020+", tier=tier, **options)


@pytest.mark.parametrize(
    ("tier", "user", "app"),
    [
        ("essential", "900", "1500"),
        ("free", "1", "1"),
        ("basic", "5", "10"),
        ("pro", "900", "1500"),
        ("pay-per-use", "900", "10000"),
    ],
)
def test_a_tier_has_its_limits_for_users_and_for_apps(tier, user, app):
    api = x(tier)

    answers = [ask(api, TWEETS, auth=auth) for auth in (ALICE, APP)]

    assert [header(answer, "x-rate-limit-limit") for answer in answers] == [user, app]
    assert [call.partition for call in api.calls] == ["token-1", "app-1"]


def test_past_the_limit_it_answers_with_a_problem():
    api = x("free")
    ask(api, TWEETS)

    refused = ask(api, TWEETS, when=at(1))

    assert (refused.status, refused.body) == (
        429,
        b'{"title":"Too Many Requests","type":"about:blank","status":429,"detail":"Too Many Requests"}',
    )
    assert header(refused, "content-type") == "application/problem+json"
    assert header(refused, "x-rate-limit-reset") == str(1_438_603_200 + 900)
    assert ask(api, TWEETS, when=at(900)).status == 200


def test_a_daily_limit_of_user_and_app_has_headers_of_its_own():
    posted = ask(x("free"), POST, body=HELLO)

    assert posted.status == 201
    assert limit_headers(posted) == [
        ("x-user-limit-24hour-limit", "17"),
        ("x-user-limit-24hour-remaining", "16"),
        ("x-rate-limit-limit", "17"),
        ("x-rate-limit-remaining", "16"),
        ("x-app-limit-24hour-limit", "17"),
        ("x-app-limit-24hour-remaining", "16"),
    ]
    assert header(posted, "x-app-limit-24hour-reset") == str(1_438_603_200 + 86_400)


def test_an_app_whose_day_is_used_up_refuses_a_user_who_has_much_left():
    api = x("free", limits={POST: {"user": "50 per 24 hours", "app": "2 per 24 hours"}})
    ask_often(api, POST, 2, body=HELLO)

    refused = ask(api, POST, auth=BOB, body=HELLO)

    assert refused.status == 429
    assert ("x-rate-limit-remaining", "50") in limit_headers(refused)
    assert ("x-app-limit-24hour-remaining", "0") in limit_headers(refused)
    assert (api.calls[-1].partition, api.calls[-1].retry_at_ns) == ("app-1", at(86_400))


def test_a_refused_call_takes_nothing_from_the_limits_that_would_allow_it():
    api = x("free", limits={POST: {"user": "5 per 24 hours", "app": "1 per 24 hours"}})
    ask(api, POST, body=HELLO)

    refusals = [ask(api, POST, body=HELLO) for _ in range(3)]

    assert {header(refused, "x-user-limit-24hour-remaining") for refused in refusals} == {"4"}


def test_a_limit_by_the_second_hides_behind_the_window():
    api = x("pay-per-use", limits=None)
    spaces = "GET /2/spaces/by/creator_ids"

    first, second = ask(api, spaces), ask(api, spaces)
    later = ask(api, spaces, when=at(1))

    assert (first.status, second.status, later.status) == (200, 429, 200)
    assert limit_headers(second) == [("x-rate-limit-limit", "300"), ("x-rate-limit-remaining", "299")]
    assert api.calls[1].retry_at_ns == at(1)


def test_messages_share_one_bucket_over_several_paths():
    api = x()
    paths = ("/2/dm_conversations/with/7/messages", "/2/dm_conversations/9/messages", "/2/dm_conversations")

    answers = [ask(api, f"POST {path}", body=b"{}") for path in paths]

    assert [header(answer, "x-rate-limit-remaining") for answer in answers] == ["199", "198", "197"]


def test_the_headers_are_those_of_v2():
    answer = ask(x(), TWEETS)

    assert header(answer, "date") == "Mon, 03 Aug 2015 12:00:00 UTC"
    assert header(answer, "content-type") == "application/json; charset=utf-8"
    assert header(answer, "api-version") == "2.52"
    assert header(answer, "status") is None


def test_without_credentials_it_is_a_401():
    assert ask(x(), TWEETS, auth=None).body == (
        b'{"title":"Unauthorized","type":"about:blank","status":401,"detail":"Unauthorized"}'
    )


def test_what_the_tier_does_not_have_is_forbidden():
    refused = ask(x("basic"), "GET /2/tweets/search/all")

    assert (refused.status, data(refused)["title"], data(refused)["reason"]) == (
        403,
        "Client Forbidden",
        "client-not-enrolled",
    )


def test_a_users_token_where_only_an_app_may_ask_is_forbidden():
    refused = ask(x("pro"), "GET /2/tweets/counts/recent")

    assert (refused.status, data(refused)["detail"]) == (
        403,
        "Authenticating with OAuth 1.0a User Context is forbidden for this endpoint.  "
        "Supported authentication types are [OAuth 2.0 Application-Only].",
    )


def test_an_app_alone_cannot_post():
    refused = ask(x("pro"), POST, auth=APP, body=HELLO)

    assert (refused.status, data(refused)["detail"]) == (
        403,
        "Authenticating with OAuth 2.0 Application-Only is forbidden for this endpoint.  "
        "Supported authentication types are [OAuth 1.0a User Context, OAuth 2.0 User Context].",
    )


def test_a_bearer_token_that_is_no_apps_is_a_users():
    api = x()

    ask(api, "GET /2/users/me", auth="Bearer b0F1dGgyVXNlcg")

    assert (api.calls[0].status, api.calls[0].partition) == (200, "token-1")


def test_tweets_are_paged_by_token_until_there_is_none():
    api, seen, query = x(timeline=250), [], "max_results=100"

    while True:
        page = data(ask(api, TWEETS, query=query))
        seen += [tweet["id"] for tweet in page["data"]]
        if "next_token" not in page["meta"]:
            break
        query = f"max_results=100&pagination_token={page['meta']['next_token']}"

    assert len(seen) == len(set(seen)) == 250
    assert api.story(TWEETS_NAME) == "3x200"


def test_an_empty_page_has_no_data():
    assert data(ask(x(timeline=0), TWEETS)) == {"meta": {"result_count": 0}}


@pytest.mark.parametrize("query", ["max_results=1", "max_results=101", "max_results=x", "pagination_token=zzz"])
def test_a_bad_parameter_is_an_invalid_request(query):
    refused = ask(x(), TWEETS, query=query)

    name = query.partition("=")[0]
    assert refused.status == 400
    assert data(refused)["type"] == "https://api.twitter.com/2/problems/invalid-request"
    assert data(refused)["errors"] == [
        {"parameters": {name: []}, "message": f"The `{name}` query parameter value is not valid"}
    ]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"text":7}', b"\xff", b"[" * 100_000])
def test_a_body_that_cannot_be_posted_is_a_400(body):
    assert ask(x(), POST, body=body).status == 400


def test_astral_characters_are_surrogate_escapes_and_others_raw():
    posted = ask(x(), POST, body='{"text":"für 🥁"}'.encode())

    assert '"text":"für \\uD83E\\uDD41"'.encode() in posted.body


def test_the_monthly_cap_counts_posts_and_ends_with_the_month():
    api = x(monthly_posts=20)

    first, second, third = (ask(api, TWEETS, query="max_results=10") for _ in range(3))
    next_month = ask(api, TWEETS, when=at(29 * 86_400))

    assert [answer.status for answer in (first, second, third, next_month)] == [200, 200, 429, 200]
    assert data(third)["title"] == "UsageCapExceeded"
    assert ask(api, TIMELINE).status == 200


def test_the_tiers_of_2023_close_most_of_v1():
    api = x("free")

    closed, open_ = ask(api, TIMELINE), ask(api, "GET /1.1/account/verify_credentials.json")

    assert (closed.status, data(closed)["errors"][0]["code"], open_.status) == (403, 453, 200)


def test_before_the_tiers_v1_has_a_daily_limit_per_app_for_timelines():
    api = x()

    ask(api, TIMELINE, auth=BOB)
    answer = ask(api, TIMELINE)

    assert limit_headers(answer) == [
        ("x-rate-limit-limit", "900"),
        ("x-rate-limit-remaining", "899"),
        ("x-app-rate-limit-limit", "100000"),
        ("x-app-rate-limit-remaining", "99998"),
    ]


@pytest.mark.parametrize("tier", TIERS)
def test_every_endpoint_of_a_tier_answers_whoever_may_ask(tier):
    for row in limits_of_tier(tier):
        path = re.sub(":(id|target_id|participant_id|folder_id)", "12", row.path).replace(":username", "user12")
        body = b"" if row.method in ("GET", "DELETE") else HELLO
        api = x(tier, people=3)

        answer = ask(api, f"{row.method} {path}", auth=ALICE if row.user else APP, body=body, query="ids=1,2&query=q")

        expected = 403 if not row.is_in_tier else 201 if (row.method, path) == ("POST", "/2/tweets") else 200
        assert (row.bucket, answer.status) == (row.bucket, expected)
        assert data(answer)


def test_an_unknown_tier_names_those_that_there_are():
    with pytest.raises(FakeError) as error:
        x("premium")

    assert str(error.value) == ("no tier 'premium' of the X API (there are essential, free, basic, pro, pay-per-use)")


def test_an_unknown_limit_of_v2_names_the_nearest():
    with pytest.raises(FakeError) as error:
        x(limits={"POST /2/tweet": "3 per day"})

    assert str(error.value) == "no limit 'POST /2/tweet' in this tier of the X API; did you mean 'POST /2/tweets'?"


def test_tiers_belong_to_the_era_of_v2():
    with pytest.raises(FakeError) as error:
        Twitter(tier="free")

    assert str(error.value) == ("there is no API v2 in the era '2013-2015': tiers and its limits need era=\"2020+\"")
