"""A calendar quota comes back at the midnight of its zone, however long the day was."""

from datetime import UTC, datetime

import pytest

from retrysim.clock import to_ns
from retrysim.durations import HOUR
from retrysim.errors import LimitError
from retrysim.ratelimit.calendar_quota import CalendarQuota
from retrysim.ratelimit.limiter import Decision


def utc(text):
    return to_ns(datetime.fromisoformat(text).replace(tzinfo=UTC))


def test_the_quota_is_back_at_midnight_and_not_a_nanosecond_earlier():
    limiter = CalendarQuota(1)
    limiter.take("account", utc("2015-08-03T12:00"))
    midnight = utc("2015-08-04T00:00")

    refused = limiter.take("account", midnight - 1)
    served = limiter.take("account", midnight)

    assert refused == Decision(allowed=False, limit=1, remaining=0, reset_ns=midnight, retry_at_ns=midnight)
    assert served.allowed


@pytest.mark.parametrize(
    ("zone", "now", "midnight"),
    [
        ("America/Los_Angeles", "2015-08-03T12:00", "2015-08-04T07:00"),
        ("America/Los_Angeles", "2015-08-03T06:59", "2015-08-03T07:00"),
        ("Asia/Kolkata", "2015-08-03T12:00", "2015-08-03T18:30"),
        ("UTC", "2015-12-31T23:59", "2016-01-01T00:00"),
    ],
)
def test_midnight_is_that_of_the_zone(zone, now, midnight):
    limiter = CalendarQuota(250_000, zone=zone)

    assert limiter.check("account", utc(now)).reset_ns == utc(midnight)


@pytest.mark.parametrize(
    ("zone", "begins", "hours"),
    [
        ("America/New_York", "2024-03-09T05:00", 24),
        ("America/New_York", "2024-03-10T05:00", 23),
        ("America/New_York", "2024-11-03T04:00", 25),
        ("America/Sao_Paulo", "2018-11-04T03:00", 23),  # begins at 01:00: that midnight never was
        ("America/Havana", "2024-11-03T04:00", 25),  # its midnight comes twice
    ],
)
def test_a_day_is_as_long_as_the_zone_makes_it(zone, begins, hours):
    limiter = CalendarQuota(1, zone=zone)
    first = utc(begins)

    assert limiter.check("account", first - 1).reset_ns == first
    assert limiter.check("account", first).reset_ns == first + hours * HOUR


def test_clocks_set_back_across_midnight_do_not_bring_yesterday_back():
    # St. John's set its clocks from 00:01 to 23:01: 2010-11-07 had begun at 02:30 UTC, and lasted 25 hours.
    limiter = CalendarQuota(1, zone="America/St_Johns")

    resets = [limiter.check("account", utc(f"2010-11-07T{at}")).reset_ns for at in ("02:29", "02:30", "02:45", "03:45")]

    assert resets == [utc("2010-11-07T02:30"), *[utc("2010-11-08T03:30")] * 3]


@pytest.mark.parametrize(
    ("now", "end"),
    [
        ("2023-02-01T00:00", "2023-03-01T00:00"),
        ("2024-02-29T23:59", "2024-03-01T00:00"),
        ("2024-12-31T12:00", "2025-01-01T00:00"),
    ],
)
def test_a_month_ends_with_its_last_day(now, end):
    limiter = CalendarQuota(10_000, per="month")

    assert limiter.check("account", utc(now)).reset_ns == utc(end)


def test_a_month_in_which_clocks_change_is_an_hour_short():
    limiter = CalendarQuota(1, per="month", zone="America/New_York")
    begins = utc("2024-03-01T05:00")

    assert limiter.check("account", begins).reset_ns == begins + (31 * 24 - 1) * HOUR


def test_more_than_the_whole_quota_is_never_served():
    limiter = CalendarQuota(10)

    assert limiter.take("account", utc("2015-08-03T12:00"), cost=11).retry_at_ns is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"amount": 0}, "a quota of 0 per day serves nobody: the amount must be 1 or more"),
        (
            {"amount": 1, "per": "week"},
            'a quota per \'week\' is not known: expected "day" or "month"',
        ),
        (
            {"amount": 1, "zone": "Mars/Base"},
            'no time zone \'Mars/Base\': expected an IANA name such as "UTC" or "America/Los_Angeles"',
        ),
        (
            {"amount": 1, "zone": "../UTC"},
            'no time zone \'../UTC\': expected an IANA name such as "UTC" or "America/Los_Angeles"',
        ),
        (
            {"amount": 1, "zone": "America"},
            'no time zone \'America\': expected an IANA name such as "UTC" or "America/Los_Angeles"',
        ),
    ],
)
def test_a_quota_that_is_none_is_refused(options, message):
    with pytest.raises(LimitError) as error:
        CalendarQuota(**options)

    assert str(error.value) == message
