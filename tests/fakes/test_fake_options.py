"""Options of fakes that come from a file or a command line: each has a kind, and what is of another is one message."""

from __future__ import annotations

import pytest

from retrysim.durations import parse_duration
from retrysim.errors import DurationError, FakeError, LimitError, ScenarioError
from retrysim.fakes.catalogue import make_fake
from retrysim.ratelimit.rate import Rate
from retrysim.scenarios import json_schema, loads

CRM = "https://crm.acme.io"
WRONG = {
    "a number for an era": (
        ("twitter", {"era": 1999}),
        "era is 1999: expected one of 2013-2015, 2016-2020, 2020+",
    ),
    "a misspelt era": (
        ("twitter", {"era": "2013-2016"}),
        "era is '2013-2016': expected one of 2013-2015, 2016-2020, 2020+; did you mean '2013-2015'?",
    ),
    "a number for limits": (
        ("twitter", {"limits": 5}),
        'limits is 5: expected a mapping, such as {"statuses/user_timeline": "5 per 15 minutes"}',
    ),
    "a list for limits": (
        ("github", {"limits": ["5 per minute"]}),
        'limits is [\'5 per minute\']: expected a mapping, such as {"core": "5 per minute"}',
    ),
    "a text for trouble": (
        ("crm", {"url": CRM, "trouble": "boom"}),
        'trouble is \'boom\': expected a mapping of what goes wrong to when, such as {"reset": "call 3"}',
    ),
    "a text for a seed": (("crm", {"url": CRM, "seed": "abc"}), "seed is 'abc': expected a whole number of 0 or more"),
    "a URL with a space": (
        ("crm", {"url": "https://a b"}),
        "'https://a b' is no address of an API: expected a URL such as \"https://llm.acme.io/v1\"",
    ),
    "a URL with a password": (
        ("crm", {"url": "https://me:secret@crm.acme.io"}),
        "'https://me:secret@crm.acme.io' is no address of an API: expected a URL such as \"https://llm.acme.io/v1\"",
    ),
    "functions": (
        ("crm", {"url": CRM, "endpoints": {"GET /x": 1}}),
        "endpoints takes functions, which only Python has: serve the fake in a test, or give `answer`",
    ),
    "an algorithm that is none": (
        ("crm", {"url": CRM, "algorithm": "leaky"}),
        "algorithm is 'leaky': expected one of fixed window, clock window, sliding log, sliding counter, token bucket, "
        "leaky bucket, concurrency; did you mean 'leaky bucket'?",
    ),
}


@pytest.mark.parametrize(("fake", "message"), WRONG.values(), ids=WRONG)
def test_an_option_of_another_kind_is_one_message(fake, message):
    with pytest.raises(FakeError) as caught:
        make_fake(*fake)

    assert str(caught.value) == message


@pytest.mark.parametrize("rate", ["1" + "0" * 40 + " per minute", "\u0665 per minute", "5 per \uff11\uff10s"])
def test_a_rate_is_a_number_in_ascii_of_at_most_twelve_digits(rate):
    with pytest.raises(LimitError, match="is no rate"):
        Rate.parse(rate)


@pytest.mark.parametrize(
    ("duration", "message"),
    [
        ("\u0661\u0665m", "'\u0661\u0665m' is not a valid duration: expected seconds, a timedelta, or a text such as "),
        ("999999 weeks", "'999999 weeks' is too long: a duration is at most 10000 years"),
        (10**30, "1000000000000000000000000000000 is too long: a duration is at most 10000 years"),
        pytest.param(10**5000, "the number is too long: a duration is at most 10000 years", id="a huge number"),
        (
            "1h" * 1_000,
            "'" + "1h" * 29 + "1... is not a valid duration: expected seconds, a timedelta, or a text such as ",
        ),
    ],
)
def test_a_duration_has_bounds(duration, message):
    with pytest.raises(DurationError) as caught:
        parse_duration(duration)

    assert str(caught.value).startswith(message)


def test_every_wrong_option_of_a_scenario_is_told_where_it_stands():
    text = "name: a\napp: p\nsubmit: [{task: t}]\nfakes:\n  twitter: {era: 1999, limt: 5}\n  nobody: {}\n"

    with pytest.raises(ScenarioError) as caught:
        loads(text, file="f")

    lines = str(caught.value).splitlines()
    assert lines[:2] == [
        "f:5:18: fakes.twitter.era: era is 1999: expected one of 2013-2015, 2016-2020, 2020+",
        "f:5:30: fakes.twitter.limt: the fake 'twitter' has no option 'limt'; did you mean 'limits'?",
    ]
    assert lines[2].startswith("f:6:11: fakes.nobody: no fake 'nobody' (there are ")


def test_the_schema_knows_the_options_of_each_fake():
    fakes = json_schema()["properties"]["fakes"]

    assert json_schema()["$id"] == "urn:retrysim:scenario"
    assert fakes["properties"]["twitter"]["anyOf"][1]["properties"]["era"] == {
        "enum": ["2013-2015", "2016-2020", "2020+"]
    }
    assert "core" in fakes["properties"]["github"]["anyOf"][1]["properties"]["limits"]["anyOf"][0]["properties"]
    assert fakes["additionalProperties"]["required"] == ["url"]
