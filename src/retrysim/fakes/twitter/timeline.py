"""A timeline of any length that is stored nowhere: tweet number ``n`` is a function of seed, user and ``n``.

Ids are Twitter's own snowflakes (milliseconds since 2010-11-04, 22 bits below), so they fall as tweets grow older
and a page can be found by bisection.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, datetime

from retrysim.clock import to_datetime, to_ns
from retrysim.durations import MILLISECOND
from retrysim.fakes.dates import day_and_month
from retrysim.fakes.seeded import draw
from retrysim.fakes.twitter.people import user

SNOWFLAKE_EPOCH_MS = 1_288_834_974_657
_NEWEST_MS = to_ns(datetime(2015, 6, 1, tzinfo=UTC)) // MILLISECOND
_HOUR_MS = 3_600_000
_LOW_BITS = 22

Tweet = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """``length`` tweets, newest first. ``name`` tells the timelines of one owner apart (``tweets``, ``favorites``).

    Tweets are about an hour apart; closer together when that many would reach back too far. ``author`` is the user
    id of all of them, or ``None`` where each has its own.
    """

    seed: int
    owner: str
    name: str
    length: int
    author: int | None = None

    def page(self, *, count: int, max_id: int | None, since_id: int, reach: int) -> list[Tweet]:
        """At most ``count`` tweets with ``since_id < id <= max_id``, out of the ``reach`` newest."""
        end = min(self.length, reach)
        first = 0 if max_id is None else self._position(max_id, end)
        last = min(first + count, self._position(since_id, end) if since_id > 0 else end)
        return [self.tweet(number) for number in range(first, last)]

    def tweet_id(self, number: int) -> int:
        """The id of a tweet by its number from the newest, 0."""
        gap_ms = min(_HOUR_MS, (_NEWEST_MS - SNOWFLAKE_EPOCH_MS) // (self.length + 1))
        word = draw(self.seed, self.owner, self.name, number)
        at_ms = _NEWEST_MS - number * gap_ms - word % max(1, gap_ms)
        return (at_ms - SNOWFLAKE_EPOCH_MS << _LOW_BITS) | (word >> 42)

    def tweet(self, number: int) -> Tweet:
        """One whole tweet."""
        tweet_id = self.tweet_id(number)
        author = self.author if self.author is not None else draw(self.seed, "author", tweet_id) % 10**9 + 1
        return tweet_of(self.seed, tweet_id, author)

    def _position(self, tweet_id: int, end: int) -> int:
        """How many of the first ``end`` tweets are newer than this id, that is greater."""
        return bisect_left(range(end), -tweet_id, key=lambda number: -self.tweet_id(number))


def tweet_of(seed: int, tweet_id: int, author: int) -> Tweet:
    """The tweet with an id, as API v1.1 showed it; anything but id, date and author is drawn from the seed."""
    word = draw(seed, "tweet", tweet_id)
    return {
        "created_at": created_at(tweet_id),
        "id": tweet_id,
        "id_str": str(tweet_id),
        "text": f"Tweet {tweet_id} of user {author}",
        "truncated": False,
        "entities": {"hashtags": [], "symbols": [], "user_mentions": [], "urls": []},
        "source": '<a href="https://twitter.com" rel="nofollow">Twitter Web Client</a>',
        "in_reply_to_status_id": None,
        "in_reply_to_status_id_str": None,
        "in_reply_to_user_id": None,
        "in_reply_to_user_id_str": None,
        "in_reply_to_screen_name": None,
        "user": user(seed, author),
        "geo": None,
        "coordinates": None,
        "place": None,
        "contributors": None,
        "is_quote_status": False,
        "retweet_count": word % 20,
        "favorite_count": (word >> 8) % 40,
        "favorited": False,
        "retweeted": False,
        "lang": "en",
    }


def created_at(tweet_id: int) -> str:
    """The date that a snowflake holds: ``Sat Jul 13 05:33:14 +0000 2019``."""
    at_ms = (tweet_id >> _LOW_BITS) + SNOWFLAKE_EPOCH_MS
    moment = to_datetime(at_ms * MILLISECOND)
    day, month = day_and_month(moment)
    return f"{day} {month} {moment.day:02} {moment:%H:%M:%S} +0000 {moment.year}"
