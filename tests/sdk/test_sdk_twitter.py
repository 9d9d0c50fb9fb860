"""twitter and tweepy at the fake of Twitter: a limit of one call in 15 minutes."""

from __future__ import annotations

import asyncio

import pytest
from sdk_helpers import LimitedAtFirst, answer

from retrysim.fakes import Twitter
from retrysim.wire import HandlerAt, serving

TIMELINE = "GET /1.1/statuses/user_timeline.json"


def fake_twitter():
    return Twitter(limits={"statuses/user_timeline": "1 per 15 minutes"})


def test_twitter_with_retry_waits_until_two_seconds_after_the_reset(sdk, slept):
    twitter = sdk("twitter")
    fake = fake_twitter()
    client = twitter.Twitter(auth=twitter.OAuth("token", "secret", "key", "key-secret"), retry=True)

    with serving(fake):
        timelines = [client.statuses.user_timeline(user_id=783214) for _ in range(2)]

    assert [bool(timeline) for timeline in timelines] == [True, True]
    assert slept == [902]
    assert fake.story(TIMELINE) == "1x200 1x429 15m2s 1x200"


def test_tweepy_v1_waits_until_one_second_after_the_reset(sdk, slept):
    tweepy = sdk("tweepy")
    fake = fake_twitter()
    auth = tweepy.OAuth1UserHandler("key", "key-secret", "token", "secret")
    api = tweepy.API(auth, wait_on_rate_limit=True)

    with serving(fake):
        timelines = [api.user_timeline(user_id=783214) for _ in range(2)]

    assert [len(timeline) for timeline in timelines] == [20, 20]
    assert slept == [901]
    assert fake.story(TIMELINE) == "1x200 1x429 15m1s 1x200"


V2_LIMITED = {
    "limited": answer(
        429, {"title": "Too Many Requests", "detail": "Too Many Requests"}, x_rate_limit_reset="1767614430"
    ),
    "served": answer(200, {"data": {"id": "783214", "name": "Twitter", "username": "Twitter"}}),
}


def test_tweepy_v2_waits_until_one_second_after_the_reset(sdk, slept):
    tweepy = sdk("tweepy")
    handler = LimitedAtFirst("GET /2/users/783214", **V2_LIMITED)
    client = tweepy.Client("bearer", wait_on_rate_limit=True)

    with serving(HandlerAt(handler, "api.twitter.com")):
        user = client.get_user(id=783214).data

    assert user.username == "Twitter"
    assert slept == [31]
    assert handler.story == [(0, 429), (31, 200)]


def test_tweepy_v2_without_waiting_raises_with_the_response(sdk, slept):
    tweepy = sdk("tweepy")
    handler = LimitedAtFirst("GET /2/users/783214", **V2_LIMITED)

    with serving(HandlerAt(handler, "api.twitter.com")), pytest.raises(tweepy.TooManyRequests) as error:
        tweepy.Client("bearer").get_user(id=783214)

    assert (error.value.reset_time, str(error.value)) == (1_767_614_430, "429 Too Many Requests\nToo Many Requests")
    assert slept == []


def test_tweepys_async_client_waits_on_aiohttp(sdk, slept):
    sdk("tweepy")
    asynchronous = sdk("tweepy.asynchronous")
    handler = LimitedAtFirst("GET /2/users/783214", **V2_LIMITED)

    async def call():
        client = asynchronous.AsyncClient("bearer", wait_on_rate_limit=True)
        return (await client.get_user(id=783214)).data

    with serving(HandlerAt(handler, "api.twitter.com")):
        user = asyncio.run(call())

    assert user.username == "Twitter"
    assert handler.story == [(0, 429), (31, 200)]
