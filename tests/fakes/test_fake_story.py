"""What a fake tells of its calls: the story, counts, windows, waits."""

from datetime import timedelta

import pytest
from asking import ALICE, BOB, TIMELINE, ask, ask_often, at

from retrysim.errors import FakeError
from retrysim.fakes import Twitter
from retrysim.fakes.api import API
from retrysim.fakes.call import Call
from retrysim.fakes.request import Request
from retrysim.fakes.story import Window, tell


def call(status, at_ns, **more):
    return Call(at_ns=at_ns, fake="f", endpoint="GET /a", status=status, decision="served", **more)


def test_story_joins_runs_with_the_gap_between_them():
    twitter = Twitter()

    ask_often(twitter, TIMELINE, 200)
    ask_often(twitter, TIMELINE, 20, when=at(900))

    assert twitter.story(TIMELINE) == "180x200 20x429 15m 20x200"


def test_story_parts_equal_answers_at_different_instants():
    assert tell([call(200, 0), call(200, 1_000_000_000), call(200, 1_000_000_000)]) == "1x200 1s 2x200"


def test_story_measures_a_gap_from_the_last_call_of_a_group():
    assert tell([call(200, 0), call(429, 0), call(200, 2_500_000_000)]) == "1x200 1x429 2.5s 1x200"


def test_story_gathers_calls_that_jitter_has_spread():
    calls = [
        call(429 if seconds == 61.2 else 200, int(seconds * 1e9)) for seconds in (0, 0, 0.4, 1.9, 60.3, 61.2, 120.9)
    ]

    assert tell(calls, within_ns=2_000_000_000) == "4x200 1m 1x200 1x429 1m 1x200"
    assert tell([], within_ns=2_000_000_000) == ""


def test_story_names_a_broken_connection():
    assert tell([call(200, 0), call(0, 0, broken="reset")]) == "1x200 1xreset"


def test_story_of_an_endpoint_that_was_not_called_is_empty():
    assert Twitter().story(TIMELINE) == ""


def test_story_of_an_unknown_endpoint_names_the_nearest():
    with pytest.raises(FakeError) as error:
        Twitter().story("GET /1.1/statuses/user_timelime.json")

    assert str(error.value) == (
        "twitter has no endpoint 'GET /1.1/statuses/user_timelime.json'; nearest: "
        "GET /1.1/statuses/user_timeline.json, GET /1.1/statuses/home_timeline.json, "
        "GET /1.1/statuses/mentions_timeline.json"
    )


def test_story_of_an_api_without_endpoints_that_was_never_called_is_an_error():
    with pytest.raises(FakeError) as error:
        API("https://crm.acme.io").story("GET /contacts")

    assert str(error.value) == "crm.acme.io has no endpoint 'GET /contacts': none was called"


@pytest.mark.slow
def test_counts_are_by_endpoint_and_answer():
    twitter = Twitter(limits={"statuses/user_timeline": "2 per 15 minutes"})

    ask_often(twitter, TIMELINE, 3)
    ask(twitter, "GET /nowhere")

    assert twitter.counts() == {TIMELINE: {"200": 2, "429": 1}, "GET /nowhere": {"404": 1}}


def test_a_call_says_all_but_the_secret():
    twitter = Twitter(limits={"statuses/user_timeline": "1 per 15 minutes"})

    ask(twitter, TIMELINE, auth=BOB)
    ask_often(twitter, TIMELINE, 2, auth=ALICE, when=at(7))

    assert twitter.calls[-1] == Call(
        at_ns=at(7),
        fake="twitter",
        endpoint=TIMELINE,
        status=429,
        decision="limited",
        bucket="/statuses/user_timeline",
        partition="token-2",
        limit=1,
        remaining=0,
        reset_ns=at(907),
        retry_at_ns=at(907),
        told_ns=at(907),
    )
    assert "Secret" not in repr(twitter.calls)
    assert twitter.aliases == {"12-BobSecret": "token-1", "783214-AliceSecret": "token-2"}


def test_per_window_tells_what_each_caller_got():
    twitter = Twitter(limits={"statuses/user_timeline": "2 per 15 minutes"})

    ask_often(twitter, TIMELINE, 3)
    ask_often(twitter, TIMELINE, 1, auth=BOB)
    ask_often(twitter, TIMELINE, 1, when=at(900))

    assert twitter.per_window(TIMELINE) == [
        Window(partition="token-1", reset_ns=at(900), served=2, limited=1),
        Window(partition="token-2", reset_ns=at(900), served=1, limited=0),
        Window(partition="token-1", reset_ns=at(1800), served=1, limited=0),
    ]


def test_calls_while_limited_are_those_the_limit_turned_away():
    twitter = Twitter(limits={"statuses/user_timeline": "1 per 15 minutes"})

    ask_often(twitter, TIMELINE, 3)
    ask_often(twitter, TIMELINE, 1, when=at(900))

    assert [(call.at_ns, call.status) for call in twitter.calls_while_limited] == [(at(0), 429), (at(0), 429)]


def test_came_too_early_are_those_who_had_been_told_to_wait_longer():
    twitter = Twitter(limits={"statuses/user_timeline": "1 per 15 minutes"})

    ask_often(twitter, TIMELINE, 3)  # nobody had been told before
    ask(twitter, TIMELINE, when=at(899))
    ask_often(twitter, TIMELINE, 2, when=at(900))  # a new window: the second is told for the first time
    ask(twitter, TIMELINE, when=at(1799))

    assert [call.at_ns for call in twitter.came_too_early] == [at(899), at(1799)]


def test_longest_wait_is_that_of_the_earliest_limited_call():
    twitter = Twitter(limits={"statuses/user_timeline": "1 per 15 minutes"})

    ask_often(twitter, TIMELINE, 2)
    ask(twitter, TIMELINE, when=at(600))

    assert twitter.longest_wait == timedelta(minutes=15)
    assert Twitter().longest_wait == timedelta(0)


def test_answered_waits_for_a_call_after_it_was_asked():
    twitter = Twitter()
    ask(twitter, TIMELINE)

    condition = twitter.answered(TIMELINE)
    limited = twitter.answered(TIMELINE, status=429)
    before = condition()
    ask(twitter, TIMELINE)

    assert (before, condition(), limited()) == (False, True, False)


def test_observers_are_told_of_each_call():
    twitter, told = Twitter(), []
    twitter.observers.append(told.append)

    ask_often(twitter, TIMELINE, 2)

    assert told == twitter.calls
    assert len(told) == 2


def test_reset_forgets_calls_counts_and_names():
    twitter = Twitter(limits={"statuses/user_timeline": "1 per 15 minutes"})
    ask_often(twitter, TIMELINE, 2, auth=BOB)

    twitter.reset()

    assert (twitter.calls, twitter.aliases) == ([], {})
    assert ask(twitter, TIMELINE, auth=ALICE).status == 200
    assert twitter.calls[0].partition == "token-1"


def test_without_an_instant_a_fake_reads_the_wall_clock(monkeypatch):
    monkeypatch.setattr("time.time", lambda: 1_438_603_200.25)
    twitter = Twitter()

    ask(twitter, TIMELINE, when=None)

    assert twitter.calls[0].at_ns == 1_438_603_200_250_000_000


def test_answered_of_a_fake_that_answers_every_path_needs_no_call_before():
    crm = API("https://crm.acme.io", answer={"ok": True})
    condition = crm.answered("POST /contacts")
    assert not condition()

    crm.handle(Request(method="POST", host="crm.acme.io", path="/contacts"), 0)
    assert condition()
    with pytest.raises(FakeError, match=r"'contacts' is no endpoint"):
        crm.answered("contacts")
