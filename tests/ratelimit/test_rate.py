"""A rate is a whole number per window of time, and says what it expected when it is none."""

import pytest

from retrysim.durations import DAY, HOUR, MINUTE, SECOND
from retrysim.errors import InputError, LimitError
from retrysim.ratelimit.rate import Rate

EXPECTED = 'expected a whole number and a window, such as "180 per 15 minutes", "5/15min" or "1 per second"'


@pytest.mark.parametrize(
    ("text", "amount", "window_ns"),
    [
        ("180 per 15 minutes", 180, 15 * MINUTE),
        ("5/15min", 5, 15 * MINUTE),
        ("50/15min", 50, 15 * MINUTE),
        ("100 per minute", 100, MINUTE),
        ("1 per second", 1, SECOND),
        ("300 per 3h", 300, 3 * HOUR),
        ("1000/24h", 1000, DAY),
        ("40 per 1m30s", 40, 90 * SECOND),
        ("5 / 2.5s", 5, 2_500_000_000),
        ("  10 Per Day ", 10, DAY),
    ],
)
def test_a_rate_is_read_as_people_write_it(text, amount, window_ns):
    assert Rate.parse(text) == Rate(amount=amount, window_ns=window_ns)


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (Rate(amount=180, window_ns=15 * MINUTE), "180 per 15m"),
        (Rate(amount=1, window_ns=SECOND), "1 per 1s"),
        (Rate(amount=5, window_ns=2_500_000_000), "5 per 2.5s"),
    ],
)
def test_a_rate_prints_as_a_text_that_means_it(rate, text):
    assert str(rate) == text
    assert Rate.parse(text) == rate


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f"'' is no rate: {EXPECTED}"),
        ("often", f"'often' is no rate: {EXPECTED}"),
        ("180", f"'180' is no rate: {EXPECTED}"),
        ("180/900", f"'180/900' is no rate: {EXPECTED}"),
        ("2.5 per second", f"'2.5 per second' is no rate: {EXPECTED}"),
        ("5 per month", f"'5 per month' is no rate: 'month' is no window of time; {EXPECTED}"),
        ("5 per -3 s", f"'5 per -3 s' is no rate: '-3 s' is no window of time; {EXPECTED}"),
        ("0 per minute", "a rate of 0 per 1m serves nobody: the amount must be 1 or more"),
        ("-5 per minute", "a rate of -5 per 1m serves nobody: the amount must be 1 or more"),
        ("5 per 0 s", "a rate of 5 per 0s has no window: it must be longer than 0s"),
    ],
)
def test_what_is_no_rate_is_refused_with_what_was_expected(text, message):
    with pytest.raises(LimitError) as error:
        Rate.parse(text)

    assert str(error.value) == message
    assert isinstance(error.value, InputError)


def test_a_rate_that_a_file_gives_as_a_number_is_refused_too():
    with pytest.raises(LimitError) as error:
        Rate.parse(180)

    assert str(error.value) == f"180 is no rate: {EXPECTED}"
