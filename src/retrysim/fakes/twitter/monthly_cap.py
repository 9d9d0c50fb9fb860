"""The monthly cap of X API v2: so many posts read per app and calendar month (UTC), whatever the windows say."""

from __future__ import annotations

from collections.abc import Mapping

from retrysim.fakes.reply import Refused
from retrysim.fakes.twitter.bodies_v2 import usage_capped
from retrysim.fakes.twitter.credentials import Credentials
from retrysim.ratelimit.calendar_quota import CalendarQuota


class MonthlyCap:
    """Counts posts as they are delivered; once they are used up, every call is refused until the month ends.

    Raises ``LimitError`` for a cap below 1.
    """

    def __init__(self, posts: int) -> None:
        self._quota = CalendarQuota(posts, per="month")

    def check(self, credentials: Credentials, now_ns: int) -> None:
        """Ends a visit (429, ``UsageCapExceeded``) when nothing is left."""
        if not self._quota.check(_app(credentials), now_ns).remaining:
            raise Refused(usage_capped())

    def count(self, credentials: Credentials | None, payload: object, now_ns: int) -> None:
        """Count the posts of an answer."""
        posts = _posts(payload)
        if credentials is not None and posts:
            self._quota.charge(_app(credentials), now_ns, posts)


def _app(credentials: Credentials) -> str:
    return credentials.consumer_key or credentials.token


def _posts(payload: object) -> int:
    data = payload.get("data") if isinstance(payload, Mapping) else None
    entries = data if isinstance(data, list) else [data]
    return sum(isinstance(entry, Mapping) and "text" in entry for entry in entries)
