"""A fake of Twitter: the REST API v1.1 as it was in 2013-2015 and later, limits, errors and paging included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from retrysim.durations import Duration
from retrysim.errors import FakeError
from retrysim.fakes.fake import Fake
from retrysim.fakes.trouble import Troubles
from retrysim.fakes.twitter.limits import OwnLimits, limits_of
from retrysim.fakes.twitter.people import id_of
from retrysim.fakes.twitter.resources import World
from retrysim.fakes.twitter.rest import RestVendor, Windows

_HOSTS = ("api.twitter.com", "upload.twitter.com")


class Twitter(Fake):
    """Twitter's API.

    ``era``: ``"2013-2015"`` (180 timeline calls per 15 minutes and user), ``"2016-2020"`` or ``"2020+"``.
    ``limits``: one's own instead of the era's, ``{"statuses/user_timeline": "5 per 15 minutes"}``, or for users and
    apps apart, ``{"search/tweets": {"user": "5 per minute", "app": "10 per minute"}}``.
    ``timeline``: tweets per user, or a mapping from user id or screen name to it; ``people``: followers, friends, ...
    of every user. ``reopening="float"`` is a trap: the window re-opens a fraction of a second after the reset that
    it tells; ``extra_calls`` serves so many more calls than the limit tells.

    Raises ``FakeError`` for an unknown era, limit or option, ``LimitError`` for a limit that is none.
    """

    def __init__(
        self,
        *,
        era: str = "2013-2015",
        limits: OwnLimits | None = None,
        seed: int = 0,
        timeline: int | Mapping[int | str, int] = 1_000,
        people: int = 6_000,
        clock_skew: Duration = 0,
        latency: Duration = 0,
        trouble: Troubles | None = None,
        extra_calls: int = 0,
        reopening: Literal["reset", "float"] = "reset",
    ) -> None:
        if reopening not in ("reset", "float"):
            raise FakeError(f'reopening is {reopening!r}: expected "reset" or "float"')
        rows = limits_of(era, limits)
        windows = Windows(reopens_at=reopening, extra_calls=extra_calls)
        tweets = _lengths(timeline)

        def make() -> RestVendor:
            return RestVendor(rows, World(seed=seed, tweets=tweets, people=people), windows=windows)

        super().__init__("twitter", _HOSTS, make, seed=seed, clock_skew=clock_skew, latency=latency, trouble=trouble)


def _lengths(timeline: int | Mapping[int | str, int]) -> int | Mapping[int, int]:
    if isinstance(timeline, int):
        lengths: int | Mapping[int, int] = timeline
        shortest = timeline
    else:
        lengths = {name if isinstance(name, int) else id_of(name): n for name, n in timeline.items()}
        shortest = min(lengths.values(), default=0)
    if shortest < 0:
        raise FakeError(f"a timeline cannot have {shortest} tweets: expected 0 or more")
    return lengths
