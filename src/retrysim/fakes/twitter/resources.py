"""What Twitter's API v1.1 answers with: plain functions over a seeded world of users and tweets.

The main endpoints page as the real ones do; the others answer a plausible shape. What is posted is kept in
``World.posted`` and is not mixed into timelines.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from retrysim.durations import MILLISECOND
from retrysim.fakes.reply import Malformed, Refused, Reply
from retrysim.fakes.seeded import draw
from retrysim.fakes.twitter.bodies import error_reply, missing_parameter, payload_reply
from retrysim.fakes.twitter.credentials import credentials_of
from retrysim.fakes.twitter.people import id_of, ids_of, user
from retrysim.fakes.twitter.timeline import SNOWFLAKE_EPOCH_MS, Timeline, Tweet, tweet_of
from retrysim.fakes.visit import Visit

#: The most that user_timeline reaches back, and the most that home_timeline and mentions_timeline do.
USER_REACH, HOME_REACH = 3_200, 800
_MOST_TWEETS, _MOST_IDS, _MOST_USERS, _MOST_LOOKED_UP = 200, 5_000, 200, 100
#: Cursors are opaque; this factor keeps them apart from -1, which asks for the first page.
_CURSOR = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Everybody and everything: ``tweets`` is the length of each timeline, by user id where a mapping."""

    seed: int
    tweets: int | Mapping[int, int]
    people: int
    posted: list[Tweet] = field(default_factory=list)

    def length_of(self, user_id: int) -> int:
        return self.tweets if isinstance(self.tweets, int) else self.tweets.get(user_id, 0)


def asked_user(visit: Visit) -> int:
    """The user a request is about: ``user_id``, ``screen_name``, or whoever signed it."""
    user_id = visit.integer("user_id", 0)
    if user_id:
        return user_id
    name = visit.argument("screen_name")
    return id_of(name) if name else signing_user(visit)


def signing_user(visit: Visit) -> int:
    """The user who signed; a token that tells no id belongs to a user drawn from it."""
    credentials = credentials_of(visit.request)
    if credentials is None or credentials.is_app:
        raise Refused(missing_parameter("user_id"))
    return credentials.user_id or draw("token", credentials.token) % 10**9 + 1


def timeline(name: str, *, count: int = 20, reach: int = USER_REACH) -> Callable[[World, Visit], object]:
    """A function for a list of tweets, paged by ``count``, ``max_id`` (inclusive) and ``since_id`` (exclusive)."""

    def page(world: World, visit: Visit) -> Reply:
        owner = asked_user(visit)
        tweets = Timeline(
            seed=world.seed,
            owner=str(owner),
            name=name,
            length=world.length_of(owner),
            author=owner if name == "tweets" else None,
        )
        asked = visit.integer("count", count)
        if asked < 0:
            raise Malformed("count")
        max_id = visit.integer("max_id", -1)
        size = min(asked, _MOST_TWEETS)
        return _page(tweets, size, None if max_id < 0 else max_id, visit.integer("since_id", 0), reach)

    return page


@lru_cache(maxsize=64)
def _page(tweets: Timeline, count: int, max_id: int | None, since_id: int, reach: int) -> Reply:
    """A page as it is sent; remembered, because many a client asks for the same page again and again."""
    return payload_reply(tweets.page(count=count, max_id=max_id, since_id=since_id, reach=reach))


def people(name: str, *, as_users: bool) -> Callable[[World, Visit], object]:
    """A function for a set of people, paged by cursor: ids alone, or whole users."""

    def page(world: World, visit: Visit) -> object:
        owner = asked_user(visit)
        most = _MOST_USERS if as_users else _MOST_IDS
        size = max(1, min(visit.integer("count", 20 if as_users else most), most))
        first, last = _span(visit.integer("cursor", -1), size, world.people)
        ids = ids_of(world.seed, owner, name, first, last)
        following = last * _CURSOR if last < world.people else 0
        content = {"users": [user(world.seed, i) for i in ids]} if as_users else {"ids": ids}
        return content | {
            "next_cursor": following,
            "next_cursor_str": str(following),
            "previous_cursor": -first * _CURSOR,
            "previous_cursor_str": str(-first * _CURSOR),
            "total_count": None,
        }

    return page


def _span(cursor: int, size: int, length: int) -> tuple[int, int]:
    """The page that a cursor means: onward from a positive one, backward from a negative one."""
    if cursor == -1:
        return 0, min(size, length)
    place, rest = divmod(abs(cursor), _CURSOR)
    if rest or place > length:
        raise Malformed("cursor")
    return (place, min(place + size, length)) if cursor > 0 else (max(0, place - size), place)


def one_tweet(world: World, visit: Visit) -> Tweet:
    tweet_id = visit.integer("id", 0)
    if tweet_id <= 0:
        raise Refused(missing_parameter("id"))
    return tweet_of(world.seed, tweet_id, draw(world.seed, "author", tweet_id) % 10**9 + 1)


def retweets(world: World, visit: Visit) -> list[Tweet]:
    """Up to 100 retweets of one tweet."""
    original = visit.integer("id", 0)
    size = min(visit.integer("count", 20), _MOST_LOOKED_UP)
    ids = [original + (number + 1 << 22) for number in range(max(0, size))]
    return [tweet_of(world.seed, i, draw(world.seed, "author", i) % 10**9 + 1) for i in ids]


def looked_up_tweets(world: World, visit: Visit) -> list[Tweet]:
    ids = _numbers(visit, "id")
    return [tweet_of(world.seed, i, draw(world.seed, "author", i) % 10**9 + 1) for i in ids]


def one_user(world: World, visit: Visit) -> object:
    """``users/show``, by id or screen name, in the path or as a parameter."""
    name = visit.params.get("id", "")
    return user(world.seed, id_of(name) if name else asked_user(visit))


def myself(world: World, visit: Visit) -> object:
    return user(world.seed, signing_user(visit)) | {"suspended": False, "needs_phone_verification": False}


def looked_up_users(world: World, visit: Visit) -> object:
    names = [name for name in visit.argument("screen_name").split(",") if name]
    ids = _numbers(visit, "user_id") + [id_of(name) for name in names]
    if not ids:
        raise Refused(error_reply(404, 17, "No user matches for specified terms."))
    return [user(world.seed, i) for i in ids[:_MOST_LOOKED_UP]]


def found_users(world: World, visit: Visit) -> object:
    ids = ids_of(world.seed, 0, visit.argument("q"), 0, max(0, min(visit.integer("count", 20), 20)))
    return [user(world.seed, i) for i in ids]


def found_tweets(world: World, visit: Visit) -> object:
    """``search/tweets``: 15 by default, at most 100; it may use every tweet of a seeded timeline."""
    query = visit.argument("q")
    if not query:
        raise Refused(error_reply(403, 25, "Query parameters are missing."))
    size = max(0, min(visit.integer("count", 15), 100))
    max_id = visit.integer("max_id", -1)
    length = world.tweets if isinstance(world.tweets, int) else max(world.tweets.values(), default=0)
    tweets = Timeline(seed=world.seed, owner=query, name="search", length=length).page(
        count=size,
        max_id=None if max_id < 0 else max_id,
        since_id=visit.integer("since_id", 0),
        reach=length,
    )
    return {"statuses": tweets, "search_metadata": _search_metadata(query, size, tweets)}


def _search_metadata(query: str, size: int, tweets: list[Tweet]) -> dict[str, object]:
    ids = [int(str(tweet["id"])) for tweet in tweets]
    metadata: dict[str, object] = {
        "completed_in": 0.02,
        "max_id": max(ids, default=0),
        "max_id_str": str(max(ids, default=0)),
        "query": query,
        "count": size,
        "since_id": 0,
        "since_id_str": "0",
    }
    if len(ids) == size and ids:
        metadata["next_results"] = f"?max_id={min(ids) - 1}&q={query}&count={size}"
    return metadata


def post(world: World, visit: Visit) -> Tweet:
    """``statuses/update``; the same text as the user's last one is a duplicate (403, code 187)."""
    text = visit.argument("status")
    if not text:
        raise Refused(missing_parameter("status"))
    author = signing_user(visit)
    mine = [tweet for tweet in world.posted if _author_of(tweet) == author]
    if mine and mine[-1]["text"] == text:
        raise Refused(error_reply(403, 187, "Status is a duplicate."))
    tweet_id = (visit.now_ns // MILLISECOND - SNOWFLAKE_EPOCH_MS << 22) + len(world.posted)
    tweet = tweet_of(world.seed, tweet_id, author) | {"text": text, "retweet_count": 0, "favorite_count": 0}
    world.posted.append(tweet)
    return tweet


def _author_of(tweet: Tweet) -> object:
    author = tweet["user"]
    return author["id"] if isinstance(author, dict) else None


def some_places(world: World, visit: Visit) -> object:
    """The trend places and the like: a list with one seeded entry."""
    return [{"name": "Worldwide", "woeid": 1, "country": "", "parentid": 0, "url": visit.request.path}]


def trends(world: World, visit: Visit) -> object:
    names = [f"#trend{draw(world.seed, 'trend', number) % 1_000}" for number in range(10)]
    entries = [{"name": name, "query": name.replace("#", "%23"), "tweet_volume": None} for name in names]
    return [{"trends": entries, "locations": [{"name": "Worldwide", "woeid": visit.integer("id", 1)}]}]


def one_list(world: World, visit: Visit) -> object:
    list_id = visit.integer("list_id", 1)
    return {"id": list_id, "id_str": str(list_id), "name": f"List {list_id}", "mode": "public", "member_count": 20}


def several_lists(world: World, visit: Visit) -> object:
    return {"lists": [one_list(world, visit)], "next_cursor": 0, "previous_cursor": 0}


def nothing_yet(world: World, visit: Visit) -> object:
    return []


def anything(world: World, visit: Visit) -> object:
    """An object that echoes what was asked: enough for an endpoint that is only counted."""
    return {"endpoint": visit.endpoint.bucket, "parameters": dict(sorted(visit.params.items()))}


def _numbers(visit: Visit, name: str) -> list[int]:
    words = [word.strip() for word in visit.argument(name).split(",") if word.strip()]
    if not all(word.isascii() and word.isdigit() and len(word) <= 19 for word in words):
        raise Malformed(name)
    return [int(word) for word in words[:_MOST_LOOKED_UP]]


def reply(world: World, function: Callable[[World, Visit], object]) -> Callable[[Visit], Reply]:
    """A function of this module as an endpoint's: bound to its world, its answer in Twitter's JSON."""

    def answer(visit: Visit) -> Reply:
        payload = function(world, visit)
        return payload if isinstance(payload, Reply) else payload_reply(payload)

    return answer
