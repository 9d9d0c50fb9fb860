"""stripe, slack_sdk, PyGithub, boto3, spotipy, praw and discord.py: seven ways to wait after a refusal."""

from __future__ import annotations

import asyncio

import pytest
from sdk_helpers import LimitedAtFirst, answer

from retrysim.fakes.response import Response
from retrysim.wire import HandlerAt, serving


def stripe_handler(**headers):
    return LimitedAtFirst(
        "GET /v1/customers/cus_1",
        limited=answer(429, {"error": {"code": "rate_limit", "message": "slow down"}}, Retry_After="3", **headers),
        served=answer(200, {"id": "cus_1", "object": "customer"}),
    )


def test_stripe_waits_half_a_second_whatever_retry_after_says(sdk, slept):
    stripe = sdk("stripe")
    handler = stripe_handler(Stripe_Should_Retry="true")

    with serving(HandlerAt(handler, "api.stripe.com")):
        customer = stripe.StripeClient("sk_test_1", max_network_retries=2).v1.customers.retrieve("cus_1")

    assert customer.id == "cus_1"
    assert handler.story == [(0, 429), (0.5, 200)]


def test_stripe_does_not_retry_a_429_of_its_own_accord(sdk, slept):
    stripe = sdk("stripe")
    handler = stripe_handler()

    with serving(HandlerAt(handler, "api.stripe.com")), pytest.raises(stripe.RateLimitError) as error:
        stripe.StripeClient("sk_test_1", max_network_retries=2).v1.customers.retrieve("cus_1")

    assert (error.value.http_status, error.value.user_message) == (429, "slow down")
    assert handler.story == [(0, 429)]


def slack_handler():
    return LimitedAtFirst(
        "POST /api/chat.postMessage",
        limited=answer(429, {"ok": False, "error": "ratelimited"}, Retry_After="30"),
        served=answer(200, {"ok": True, "ts": "1.2"}),
    )


def test_slack_waits_as_told_and_up_to_a_second_more(sdk, slept):
    slack_sdk = sdk("slack_sdk")
    handlers = sdk("slack_sdk.http_retry.builtin_handlers")
    handler = slack_handler()

    with serving(HandlerAt(handler, "slack.com")):
        client = slack_sdk.WebClient("xoxb-1", retry_handlers=[handlers.RateLimitErrorRetryHandler(max_retry_count=1)])
        message = client.chat_postMessage(channel="C1", text="hello")

    assert message["ts"] == "1.2"
    [(_, first), (later, second)] = handler.story
    assert (first, second) == (429, 200)
    assert 30 <= later < 31


def test_slack_raises_when_nobody_told_it_to_retry(sdk, slept):
    slack_sdk = sdk("slack_sdk")

    with serving(HandlerAt(slack_handler(), "slack.com")), pytest.raises(slack_sdk.errors.SlackApiError) as error:
        slack_sdk.WebClient("xoxb-1").chat_postMessage(channel="C1", text="hello")

    assert (error.value.response.status_code, error.value.response["error"]) == (429, "ratelimited")
    assert error.value.response.headers["Retry-After"] == "30"


def test_github_waits_until_a_second_after_the_reset_of_a_403(sdk, slept):
    github = sdk("github")
    handler = LimitedAtFirst(
        "GET /users/octocat",
        limited=answer(
            403,
            {"message": "API rate limit exceeded for user ID 1.", "documentation_url": "https://docs.github.com/rest"},
            X_RateLimit_Limit="5000",
            X_RateLimit_Remaining="0",
            X_RateLimit_Reset="1767614420",
        ),
        served=answer(200, {"login": "octocat", "id": 1}),
    )

    with serving(HandlerAt(handler, "api.github.com")):
        client = github.Github(auth=github.Auth.Token("t"), seconds_between_requests=None)
        user = client.get_user("octocat")

    assert user.login == "octocat"
    assert handler.story == [(0, 403), (21, 200)]


def test_boto3_backs_off_from_a_throttling_exception(sdk, slept):
    boto3 = sdk("boto3")
    config = sdk("botocore.config").Config(retries={"mode": "standard", "max_attempts": 3})
    handler = LimitedAtFirst(
        "POST /",
        limited=answer(400, {"__type": "ThrottlingException", "message": "Rate exceeded"}),
        served=answer(200, {"TableNames": ["users"]}),
    )

    with serving(HandlerAt(handler, "dynamodb.eu-west-1.amazonaws.com")):
        client = boto3.client(
            "dynamodb",
            region_name="eu-west-1",
            aws_access_key_id="AKIA",
            aws_secret_access_key="secret",
            config=config,
        )
        names = client.list_tables()["TableNames"]

    assert names == ["users"]
    [(_, first), (later, second)] = handler.story
    assert (first, second) == (400, 200)
    assert 0 <= later <= 1


def test_spotipy_waits_as_told_through_urllib3(sdk, slept):
    spotipy = sdk("spotipy")
    handler = LimitedAtFirst(
        "GET /v1/artists/1",
        limited=answer(429, {"error": {"status": 429, "message": "API rate limit exceeded"}}, Retry_After="4"),
        served=answer(200, {"id": "1", "name": "Nina"}),
    )

    with serving(HandlerAt(handler, "api.spotify.com")):
        artist = spotipy.Spotify(auth="token").artist("1")

    assert artist["name"] == "Nina"
    assert slept == [4]
    assert handler.story == [(0, 429), (4, 200)]


def test_praw_waits_for_the_reset_before_its_next_call(sdk, slept):
    praw = sdk("praw")
    token = answer(200, {"access_token": "t", "token_type": "bearer", "expires_in": 86_400, "scope": "*"})
    spent = {"x_ratelimit_used": "600", "x_ratelimit_remaining": "0.0", "x_ratelimit_reset": "120"}
    user = {"kind": "t2", "data": {"name": "spez", "id": "1"}}
    handler = LimitedAtFirst(
        "GET /user/spez/about/",
        limited=answer(200, user, **spent),
        served=answer(200, user),
        beside={"POST /api/v1/access_token": token},
    )

    with serving(HandlerAt(handler, "www.reddit.com"), HandlerAt(handler, "oauth.reddit.com")):
        reddit = praw.Reddit(
            client_id="id", client_secret="secret", user_agent="retrysim tests", check_for_updates=False
        )
        ids = [reddit.redditor("spez").id for _ in range(2)]

    assert ids == ["1", "1"]
    assert slept == [120]
    assert handler.story == [(0, 200), (120, 200)]


def test_praw_raises_when_reddit_says_429(sdk, slept):
    praw = sdk("praw")
    exceptions = sdk("prawcore.exceptions")
    token = answer(200, {"access_token": "t", "token_type": "bearer", "expires_in": 86_400, "scope": "*"})
    handler = LimitedAtFirst(
        "GET /user/spez/about/",
        limited=Response(status=429, headers=(("Retry-After", "5"),), body=b"Too Many Requests"),
        served=answer(200, {"kind": "t2", "data": {"name": "spez", "id": "1"}}),
        beside={"POST /api/v1/access_token": token},
    )

    with serving(HandlerAt(handler, "www.reddit.com"), HandlerAt(handler, "oauth.reddit.com")):
        reddit = praw.Reddit(
            client_id="id", client_secret="secret", user_agent="retrysim tests", check_for_updates=False
        )
        with pytest.raises(exceptions.TooManyRequests):
            _ = reddit.redditor("spez").id
        found = reddit.redditor("spez").id

    assert found == "1"
    assert [status for _, status in handler.story] == [429, 200]


def test_discord_waits_as_long_as_the_body_says_to_the_millisecond(sdk, slept):
    discord = sdk("discord")
    me = {"id": "1", "username": "bot", "discriminator": "0", "avatar": None, "bot": True}
    handler = LimitedAtFirst(
        "GET /api/v10/users/2",
        limited=answer(
            429,
            {"message": "You are being rate limited.", "retry_after": 6.457, "global": False},
            Via="1.1 google",
            Retry_After="7",
        ),
        served=answer(200, {**me, "id": "2", "username": "someone"}),
        beside={
            "GET /api/v10/users/@me": answer(200, me),
            "GET /api/v10/oauth2/applications/@me": answer(
                200,
                {"id": "1", "name": "bot", "description": "", "icon": None, "bot_public": True, "verify_key": "k",
                 "bot_require_code_grant": False, "flags": 0, "summary": "", "owner": me, "team": None},
            ),
        },
    )  # fmt: skip

    async def call():
        async with discord.Client(intents=discord.Intents.none()) as client:
            await client.login("token")
            return await client.fetch_user(2)

    with serving(HandlerAt(handler, "discord.com")):
        user = asyncio.run(call())

    assert user.name == "someone"
    assert slept == [6.457]
    assert handler.story == [(0, 429), (6.457, 200)]
