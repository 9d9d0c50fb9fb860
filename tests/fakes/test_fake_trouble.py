"""Trouble on demand: latency, broken connections, 5xx, spoilt answers and headers; and all of it off by default."""

import pytest
from asking import TIMELINE, ask, ask_often, at, data, header

from retrysim.errors import DurationError, FakeError
from retrysim.fakes import Twitter
from retrysim.fakes.api import API
from retrysim.fakes.response import Break

FAVORITES = "GET /1.1/favorites/list.json"


def decisions(fake):
    return [(call.answer, call.decision) for call in fake.calls]


def test_without_trouble_nothing_goes_wrong():
    twitter = Twitter()

    answer = ask(twitter, TIMELINE)

    assert (answer.status, answer.latency_ns, answer.broken) == (200, 0, None)


@pytest.mark.parametrize("kind", ["refused", "reset", "silence"])
def test_a_connection_that_breaks_before_the_request_is_read_counts_nothing(kind):
    twitter = Twitter(limits={"statuses/user_timeline": "1 per 15 minutes"}, trouble={kind: "call 1"})

    broken, answered = ask(twitter, TIMELINE), ask(twitter, TIMELINE)

    assert (broken.status, broken.broken) == (0, Break(kind))
    assert answered.status == 200
    assert decisions(twitter) == [(kind, "broken"), ("200", "served")]
    assert (twitter.calls[0].limit, twitter.calls[0].partition) == (None, "")


@pytest.mark.parametrize(
    ("kind", "status", "body"),
    [
        ("over_capacity", 503, b'{"errors":[{"message":"Over capacity","code":130}]}'),
        ("internal_error", 500, b'{"errors":[{"message":"Internal error","code":131}]}'),
    ],
)
def test_a_server_in_trouble_answers_in_the_vendors_words_and_counts_nothing(kind, status, body):
    twitter = Twitter(limits={"statuses/user_timeline": "1 per 15 minutes"}, trouble={kind: "calls 1-3"})

    failures = [ask(twitter, TIMELINE) for _ in range(3)]

    assert [(failure.status, failure.body) for failure in failures] == [(status, body)] * 3
    assert ask(twitter, TIMELINE).status == 200
    assert twitter.story(TIMELINE) == f"3x{status} 1x200"


def test_an_answer_that_is_lost_has_had_its_effect():
    made = []
    api = API(
        "https://crm.acme.io",
        limit="2 per minute",
        endpoints={"POST /orders": lambda visit: made.append(visit.request.body)},
        trouble={"answer_lost": "call 1"},
    )

    lost = ask(api, "POST /orders", body=b"one")
    ask_often(api, "POST /orders", 2, body=b"again")

    assert (lost.status, lost.broken) == (0, Break.RESET)
    assert made == [b"one", b"again"]
    assert decisions(api) == [("reset", "broken"), ("204", "served"), ("429", "limited")]


def test_a_truncated_answer_counts_and_breaks():
    twitter = Twitter(trouble={"truncated": "call 1"})

    answer = ask(twitter, TIMELINE)

    assert (answer.status, answer.broken, header(answer, "x-rate-limit-remaining")) == (200, Break.TRUNCATED, "179")
    assert decisions(twitter) == [("truncated", "broken")]


def test_a_malformed_answer_is_half_of_it_with_its_length():
    whole = ask(Twitter(), TIMELINE)

    half = ask(Twitter(trouble={"malformed": "always"}), TIMELINE)

    assert half.body == whole.body[: len(whole.body) // 2]
    assert header(half, "content-length") == str(len(half.body))
    assert (half.status, half.broken) == (200, None)


def test_missing_headers_are_those_of_the_limit():
    twitter = Twitter(trouble={"headers_missing": "call 1"})

    without, with_them = ask(twitter, TIMELINE), ask(twitter, TIMELINE)

    missing = {name for name, _ in with_them.headers} - {name for name, _ in without.headers}
    assert missing == {"x-rate-limit-limit", "x-rate-limit-remaining", "x-rate-limit-reset"}


def test_wrong_headers_say_minus_one():
    wrong = ask(Twitter(trouble={"headers_wrong": "always"}), TIMELINE)

    assert header(wrong, "x-rate-limit-reset") == "-1"
    assert header(wrong, "content-length") == str(len(wrong.body))


def test_a_call_may_be_limited_although_something_remains():
    twitter = Twitter(trouble={"rate_limited": "call 2"})

    answers = [ask(twitter, TIMELINE) for _ in range(3)]

    assert [(answer.status, header(answer, "x-rate-limit-remaining")) for answer in answers] == [
        (200, "179"),
        (429, "179"),
        (200, "178"),
    ]
    assert (twitter.calls[1].decision, twitter.calls[1].retry_at_ns) == ("limited", None)


def test_trouble_of_one_endpoint_counts_its_calls_alone():
    twitter = Twitter(trouble={"reset": f"every 2nd call of {TIMELINE}"})

    for endpoint in (FAVORITES, TIMELINE, FAVORITES, TIMELINE, FAVORITES, TIMELINE):
        ask(twitter, endpoint)

    assert twitter.counts() == {FAVORITES: {"200": 3}, TIMELINE: {"200": 2, "reset": 1}}


def test_trouble_may_last_for_a_time_since_the_first_call():
    twitter = Twitter(trouble={"over_capacity": "from 10s to 1m"})

    for second in (0, 9, 10, 59, 60):
        ask(twitter, TIMELINE, when=at(second))

    assert twitter.story(TIMELINE) == "1x200 9s 1x200 1s 1x503 49s 1x503 1s 1x200"


def test_one_kind_may_come_several_times():
    twitter = Twitter(trouble={"reset": ["call 1", "call 3"]})

    ask_often(twitter, TIMELINE, 4)

    assert twitter.story(TIMELINE) == "1xreset 1x200 1xreset 1x200"


def test_a_share_of_calls_draws_from_the_seed():
    def story(seed):
        twitter = Twitter(seed=seed, trouble={"over_capacity": "25% of calls"})
        ask_often(twitter, TIMELINE, 100)
        return twitter.story(TIMELINE)

    one = Twitter(seed=1, trouble={"over_capacity": "25% of calls"})
    ask_often(one, TIMELINE, 100)

    assert story(1) == one.story(TIMELINE)
    assert story(1) != story(2)
    assert 15 <= one.counts()[TIMELINE]["503"] <= 35


def test_reset_brings_the_same_disturbances_again():
    twitter = Twitter(trouble={"reset": "call 1"}, latency="1ms to 9ms")
    first = ask(twitter, TIMELINE), ask(twitter, TIMELINE)

    twitter.reset()

    assert (ask(twitter, TIMELINE), ask(twitter, TIMELINE)) == first


def test_latency_is_data_in_the_answer():
    assert ask(Twitter(latency="200ms"), TIMELINE).latency_ns == 200_000_000


def test_latency_in_a_range_is_drawn_in_whole_microseconds():
    twitter = Twitter(latency="1ms to 3ms")

    drawn = [ask(twitter, TIMELINE).latency_ns for _ in range(50)]

    assert all(1_000_000 <= latency <= 3_000_000 and latency % 1000 == 0 for latency in drawn)
    assert len(set(drawn)) > 25


def test_calls_in_flight_are_given_back_when_their_answers_have_arrived():
    api = API("https://crm.acme.io", limit="2 per second", algorithm="concurrency", latency="5s")

    statuses = [ask(api, "GET /a", when=at(second)).status for second in (0, 1, 4, 5, 5, 6)]

    assert statuses == [200, 200, 429, 200, 429, 200]


def test_an_unknown_trouble_names_the_nearest():
    with pytest.raises(FakeError) as error:
        Twitter(trouble={"overcapacity": "call 1"})

    assert str(error.value) == (
        "no trouble 'overcapacity'; did you mean 'over_capacity'? (there are refused, reset, silence, over_capacity, "
        "internal_error, rate_limited, answer_lost, truncated, malformed, headers_missing, headers_wrong)"
    )


@pytest.mark.parametrize("text", ["sometimes", "call", "every 0th call", "calls 3 to 5", "5%", "", 3])
def test_a_text_that_does_not_say_when_is_an_error(text):
    with pytest.raises(FakeError) as error:
        Twitter(trouble={"reset": [text]})

    assert str(error.value) == (
        f'{text!r} does not say when: expected "always", "call 3", "calls 3-5", "every 10th call", "5% of calls" or '
        '"from 10m to 12m", and after it maybe "of GET /path"'
    )


def test_a_span_of_what_is_no_time_is_an_error():
    with pytest.raises(FakeError) as error:
        Twitter(trouble={"reset": "from noon to 1m"})

    assert str(error.value) == (
        "'from noon to 1m' does not say when: 'noon' is not a valid duration: expected seconds, a timedelta, or a text such as "
        '"15 minutes", "2.5s", "1h30m"'
    )


def test_a_latency_that_runs_backwards_is_an_error():
    with pytest.raises(FakeError) as error:
        Twitter(latency="2s to 1s")

    assert str(error.value) == ("a latency of '2s to 1s' runs backwards: expected the shorter one first, \"1s to 2s\"")


def test_a_latency_that_is_no_duration_is_an_error():
    with pytest.raises(DurationError):
        Twitter(latency="slow")


def test_trouble_of_a_call_that_matches_nothing_has_its_own_words():
    twitter = Twitter(trouble={"over_capacity": "call 1"})

    failure = ask(twitter, "GET /nowhere")

    assert (failure.status, data(failure)["errors"][0]["code"]) == (503, 130)
    assert twitter.calls[0].endpoint == "GET /nowhere"


def test_trouble_without_a_time_says_what_is_expected():
    with pytest.raises(FakeError) as error:
        API("https://api.example", trouble="5xx")
    assert str(error.value) == 'trouble=\'5xx\': expected what happens and when, such as {"reset": "call 3"}'
