"""A fake of Twitter: API v1.1 as it was in 2013-2015 and later, and X API v2; limits, errors and paging included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from retrysim.durations import Duration
from retrysim.errors import FakeError
from retrysim.fakes.fake import Fake
from retrysim.fakes.trouble import Troubles
from retrysim.fakes.twitter.limits import OwnLimits, limits_of
from retrysim.fakes.twitter.limits_v2 import limits_of_tier
from retrysim.fakes.twitter.monthly_cap import MonthlyCap
from retrysim.fakes.twitter.oauth1 import door
from retrysim.fakes.twitter.people import id_of
from retrysim.fakes.twitter.resources import World
from retrysim.fakes.twitter.rest import RestVendor
from retrysim.fakes.twitter.v2 import V2Vendor
from retrysim.fakes.twitter.versions import BothVersions
from retrysim.fakes.twitter.windows import Windows
from retrysim.fakes.vendor import Vendor

_HOSTS = ("api.twitter.com", "upload.twitter.com")
_LATER_HOSTS = ("api.x.com", "upload.x.com")
_ERA_OF_V2 = "2020+"
_TIER_BEFORE_TIERS = "essential"


class Twitter(Fake):
    """Twitter's API, later X's.

    ``era``: ``"2013-2015"`` (180 timeline calls per 15 minutes and user), ``"2016-2020"``, or ``"2020+"``, which has
    API v2 as well; ``tier`` is then the access level: ``"essential"`` (2021-22, and the default), ``"free"``,
    ``"basic"``, ``"pro"`` (2024-25) or ``"pay-per-use"`` (2026). ``monthly_posts`` caps the posts that v2 delivers
    per app and month.

    ``limits``: one's own instead, ``{"statuses/user_timeline": "5 per 15 minutes"}``; in v2 by method and path,
    ``{"POST /2/tweets": "3 per day"}``; for users and apps apart, ``{"search/tweets": {"user": "5 per minute", "app":
    "9 per minute"}}``. ``reopening="float"`` is a trap: a window re-opens a fraction of a second after the reset that
    it tells; ``extra_calls`` serves so many more calls than the limit tells.

    ``timeline``: tweets per user, or a mapping from user id or screen name to it; ``people``: followers, friends, ...
    of every user. ``accounts``: keys and secrets of those who have access, signatures are checked then; by default any
    credentials will do. For the rest see ``Fake``.

    Raises ``FakeError`` for an unknown era, tier, limit or option, ``LimitError`` for a limit that is none.
    """

    def __init__(
        self,
        *,
        era: str = "2013-2015",
        tier: str | None = None,
        limits: OwnLimits | None = None,
        seed: int = 0,
        timeline: int | Mapping[int | str, int] = 1_000,
        people: int = 6_000,
        accounts: Sequence[Mapping[str, str]] | None = None,
        monthly_posts: int | None = None,
        clock_skew: Duration = 0,
        latency: Duration = 0,
        trouble: Troubles | None = None,
        extra_calls: int = 0,
        reopening: Literal["reset", "float"] = "reset",
    ) -> None:
        if reopening not in ("reset", "float"):
            raise FakeError(f'reopening is {reopening!r}: expected "reset" or "float"')
        own_v1, own_v2 = _by_version(limits or {})
        rows = limits_of(era, own_v1)
        rows_v2 = limits_of_tier(tier or _TIER_BEFORE_TIERS, own_v2)
        if era != _ERA_OF_V2 and (tier or own_v2 or monthly_posts):
            raise FakeError(f'there is no API v2 in the era {era!r}: tiers and its limits need era="{_ERA_OF_V2}"')
        windows = Windows(reopens_at=reopening, extra_calls=extra_calls)
        tweets = _lengths(timeline)
        check = None if accounts is None else door(accounts)
        closed = tier not in (None, _TIER_BEFORE_TIERS)

        def make() -> Vendor:
            world = World(seed=seed, tweets=tweets, people=people)
            v1 = RestVendor(rows, world, windows=windows, door=check, closed=closed)
            if era != _ERA_OF_V2:
                return v1
            cap = None if monthly_posts is None else MonthlyCap(monthly_posts)
            return BothVersions(v1, V2Vendor(rows_v2, world, windows=windows, door=check, cap=cap))

        hosts = _HOSTS + _LATER_HOSTS if era == _ERA_OF_V2 else _HOSTS
        super().__init__("twitter", hosts, make, seed=seed, clock_skew=clock_skew, latency=latency, trouble=trouble)


def _by_version(limits: OwnLimits) -> tuple[OwnLimits, OwnLimits]:
    """Limits of v1.1 (``search/tweets``) and of v2 (``GET /2/tweets``)."""
    v2 = {key: limit for key, limit in limits.items() if " " in key.strip()}
    return {key: limit for key, limit in limits.items() if key not in v2}, v2


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
