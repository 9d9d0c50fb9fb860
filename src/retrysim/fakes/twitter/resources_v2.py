"""What X API v2 answers with: plain functions over the same seeded world as v1.1, in v2's shapes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType

from retrysim.durations import MILLISECOND
from retrysim.fakes.reply import Malformed, Reply
from retrysim.fakes.seeded import draw
from retrysim.fakes.twitter import bodies_v2
from retrysim.fakes.twitter.credentials import credentials_of
from retrysim.fakes.twitter.people import id_of, ids_of, screen_name
from retrysim.fakes.twitter.resources import USER_REACH, World
from retrysim.fakes.twitter.timeline import SNOWFLAKE_EPOCH_MS, Timeline, tweet_of
from retrysim.fakes.visit import Visit

Resource = Callable[[World, Visit], object]
_CURSOR = "page"


def tweet(tweet_id: int, text: str) -> dict[str, object]:
    """The fields that v2 sends unasked; clients warn where the last is missing."""
    return {"id": str(tweet_id), "text": text, "edit_history_tweet_ids": [str(tweet_id)]}


def user(user_id: int) -> dict[str, object]:
    return {"id": str(user_id), "name": f"User {user_id}", "username": screen_name(user_id)}


def tweets(name: str, *, least: int = 5, most: int = 100, reach: int = USER_REACH) -> Resource:
    """A function for a list of tweets, paged by ``max_results`` and ``pagination_token`` (or ``next_token``)."""

    def page(world: World, visit: Visit) -> object:
        owner = visit.params.get("id") or visit.params.get("username") or visit.argument("query") or "me"
        author = int(owner) if name == "tweets" and owner.isascii() and owner.isdigit() else None
        length = world.tweets if isinstance(world.tweets, int) else world.length_of(author or 0)
        timeline = Timeline(seed=world.seed, owner=owner, name=name, length=min(length, reach), author=author)
        first, last = _span(visit, timeline.length, least, most)
        found = [tweet(timeline.tweet_id(n), f"Tweet {timeline.tweet_id(n)}") for n in range(first, last)]
        meta: dict[str, object] = {"result_count": len(found)}
        if found:
            meta |= {"newest_id": found[0]["id"], "oldest_id": found[-1]["id"]}
        return _paged(found, meta, first, last, timeline.length)

    return page


def users(name: str) -> Resource:
    """A function for a list of users, paged alike: up to 1000 where v2 allows it."""

    def page(world: World, visit: Visit) -> object:
        owner = draw(visit.params.get("id", "")) % 10**9
        first, last = _span(visit, world.people, 1, 1_000)
        found = [user(i) for i in ids_of(world.seed, owner, name, first, last)]
        return _paged(found, {"result_count": len(found)}, first, last, world.people)

    return page


def _span(visit: Visit, length: int, least: int, most: int) -> tuple[int, int]:
    size = visit.integer("max_results", min(10 if least > 1 else 100, most))
    if not least <= size <= most:
        raise Malformed("max_results")
    token = visit.argument("pagination_token") or visit.argument("next_token")
    digits = token.removeprefix(_CURSOR)
    if token and not (token.startswith(_CURSOR) and digits.isascii() and digits.isdigit() and len(digits) < 19):
        raise Malformed("pagination_token")
    first = min(int(digits or 0), length)
    return first, min(first + size, length)


def _paged(found: list[dict[str, object]], meta: dict[str, object], first: int, last: int, length: int) -> object:
    """The envelope: no ``next_token`` at the end, no ``data`` on an empty page."""
    if last < length:
        meta["next_token"] = f"{_CURSOR}{last}"
    if first:
        meta["previous_token"] = f"{_CURSOR}{max(0, first - (last - first))}"
    return {"data": found, "meta": meta} if found else {"meta": meta}


def one_tweet(world: World, visit: Visit) -> object:
    tweet_id = visit.integer("id", 0)
    return {"data": tweet(tweet_id, f"Tweet {tweet_id}")}


def several_tweets(world: World, visit: Visit) -> object:
    return {"data": [tweet(number, f"Tweet {number}") for number in _numbers(visit, "ids")]}


def one_user(world: World, visit: Visit) -> object:
    return {"data": user(id_of(visit.params.get("username") or visit.params.get("id", "")))}


def several_users(world: World, visit: Visit) -> object:
    names = [name for name in visit.argument("usernames").split(",") if name]
    return {"data": [user(number) for number in _numbers(visit, "ids") + [id_of(name) for name in names]]}


def myself(world: World, visit: Visit) -> object:
    return {"data": user(_signing_user(visit))}


def post(world: World, visit: Visit) -> Reply:
    """``POST /2/tweets``: 201, or 400 for a body without text."""
    text = _body(visit).get("text")
    if not isinstance(text, str) or not text:
        raise Malformed("text")
    tweet_id = (visit.now_ns // MILLISECOND - SNOWFLAKE_EPOCH_MS << 22) + len(world.posted)
    world.posted.append(tweet_of(world.seed, tweet_id, _signing_user(visit)) | {"text": text})
    return bodies_v2.payload_reply({"data": tweet(tweet_id, text)}, status=201)


def done(word: str, value: bool) -> Resource:
    """A function for a write that answers with one flag: ``{"data": {"liked": true}}``."""
    return lambda world, visit: {"data": {word: value}}


def anything(world: World, visit: Visit) -> object:
    return {"data": {"id": visit.params.get("id", "1")}, "meta": {"result_count": 1}}


def _body(visit: Visit) -> Mapping[str, object]:
    try:
        body = json.loads(visit.request.body)
    except (ValueError, RecursionError):
        raise Malformed("body") from None
    if not isinstance(body, dict):
        raise Malformed("body")
    return body


def _signing_user(visit: Visit) -> int:
    credentials = credentials_of(visit.request)
    token = "" if credentials is None else credentials.token
    return (credentials and credentials.user_id) or draw("token", token) % 10**9 + 1


def _numbers(visit: Visit, name: str) -> list[int]:
    words = [word.strip() for word in visit.argument(name).split(",") if word.strip()]
    if not all(word.isascii() and word.isdigit() and len(word) <= 19 for word in words):
        raise Malformed(name)
    return [int(word) for word in words[:100]]


FUNCTIONS: Mapping[str, Resource] = MappingProxyType(
    {
        "GET /2/users/:id/tweets": tweets("tweets"),
        "GET /2/users/:id/mentions": tweets("mentions", reach=800),
        "GET /2/users/:id/timelines/reverse_chronological": tweets("home", least=1, reach=800),
        "GET /2/users/:id/liked_tweets": tweets("favorites"),
        "GET /2/users/:id/bookmarks": tweets("bookmarks", least=1),
        "GET /2/users/by/username/:username/tweets": tweets("tweets"),
        "GET /2/users/by/username/:username/mentions": tweets("mentions", reach=800),
        "GET /2/lists/:id/tweets": tweets("list", least=1),
        "GET /2/tweets/search/recent": tweets("search", least=10),
        "GET /2/tweets/search/all": tweets("search", least=10, most=500),
        "GET /2/tweets/:id/quote_tweets": tweets("quotes", least=10),
        "GET /2/users/:id/followers": users("followers"),
        "GET /2/users/:id/following": users("friends"),
        "GET /2/users/:id/blocking": users("blocks"),
        "GET /2/users/:id/muting": users("mutes"),
        "GET /2/lists/:id/members": users("members"),
        "GET /2/lists/:id/followers": users("subscribers"),
        "GET /2/tweets/:id/liking_users": users("liking"),
        "GET /2/tweets/:id/retweeted_by": users("retweeters"),
        "GET /2/tweets/:id": one_tweet,
        "GET /2/tweets": several_tweets,
        "POST /2/tweets": post,
        "DELETE /2/tweets/:id": done("deleted", True),
        "PUT /2/tweets/:id/hidden": done("hidden", True),
        "GET /2/users/:id": one_user,
        "GET /2/users/by/username/:username": one_user,
        "GET /2/users": several_users,
        "GET /2/users/by": several_users,
        "GET /2/users/me": myself,
        "POST /2/users/:id/likes": done("liked", True),
        "DELETE /2/users/:id/likes/:target_id": done("liked", False),
        "POST /2/users/:id/retweets": done("retweeted", True),
        "DELETE /2/users/:id/retweets/:target_id": done("retweeted", False),
        "POST /2/users/:id/following": done("following", True),
        "DELETE /2/users/:id/following/:target_id": done("following", False),
        "POST /2/users/:id/muting": done("muting", True),
        "DELETE /2/users/:id/muting/:target_id": done("muting", False),
        "POST /2/users/:id/bookmarks": done("bookmarked", True),
        "DELETE /2/users/:id/bookmarks/:target_id": done("bookmarked", False),
    }
)
