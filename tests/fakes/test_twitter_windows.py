"""Twitter's limits: who is counted, when a window opens and ends, and what the wire says of it."""

import pytest
from asking import ALICE, APP, BOB, TIMELINE, ask, ask_often, at, data, header

from retrysim.errors import FakeError, LimitError
from retrysim.fakes import Twitter

SHOW = "GET /1.1/statuses/show/:id.json"
FAVORITES = "GET /1.1/favorites/list.json"
UPDATE = "POST /1.1/statuses/update.json"
RETWEET = "POST /1.1/statuses/retweet/7.json"


def limit_headers(response):
    return tuple(header(response, f"x-rate-limit-{name}") for name in ("limit", "remaining", "reset"))


def test_the_first_call_opens_a_window_of_900_seconds_from_its_whole_second():
    twitter = Twitter()

    first = ask(twitter, TIMELINE, when=at(0, ns=999_999_000))
    later = ask(twitter, TIMELINE, when=at(600))

    assert limit_headers(first) == ("180", "179", "1438604100")
    assert limit_headers(later) == ("180", "178", "1438604100")


def test_a_window_reopens_exactly_at_its_reset():
    twitter = Twitter(limits={"statuses/user_timeline": "1 per 15 minutes"})
    ask(twitter, TIMELINE, when=at(0, ns=500_000_000))

    a_moment_early = ask(twitter, TIMELINE, when=at(900, ns=-1))
    on_time = ask(twitter, TIMELINE, when=at(900))

    assert (a_moment_early.status, on_time.status) == (429, 200)
    assert header(on_time, "x-rate-limit-reset") == "1438605000"


def test_nothing_happens_at_the_reset_until_somebody_calls():
    twitter = Twitter()
    ask(twitter, TIMELINE)

    late = ask(twitter, TIMELINE, when=at(1234))

    assert limit_headers(late) == ("180", "179", str(1_438_603_200 + 1234 + 900))


def test_a_refused_call_neither_counts_nor_moves_the_reset():
    twitter = Twitter(limits={"statuses/user_timeline": "1 per 15 minutes"})
    ask(twitter, TIMELINE)

    refused = [ask(twitter, TIMELINE, when=at(second)) for second in (1, 100, 899)]

    assert [limit_headers(response) for response in refused] == [("1", "0", "1438604100")] * 3
    assert ask(twitter, TIMELINE, when=at(900)).status == 200


def test_a_refused_call_says_code_88_in_the_literal_body():
    twitter = Twitter(limits={"statuses/user_timeline": "1 per 15 minutes"})
    ask(twitter, TIMELINE)

    refused = ask(twitter, TIMELINE)

    assert (refused.status, refused.body) == (429, b'{"errors":[{"message":"Rate limit exceeded","code":88}]}')
    assert header(refused, "status") == "429 Too Many Requests"
    assert all(name == name.lower() for name, _ in refused.headers)


def test_each_token_and_each_endpoint_has_a_window_of_its_own():
    twitter = Twitter(limits={"statuses/user_timeline": "1 per 15 minutes", "favorites/list": "1 per 15 minutes"})
    ask(twitter, TIMELINE)

    statuses = [
        ask(twitter, TIMELINE).status,
        ask(twitter, TIMELINE, auth=BOB, when=at(60)).status,
        ask(twitter, FAVORITES, when=at(61)).status,
        ask(twitter, TIMELINE, auth=ALICE.replace("acme", "other-app")).status,
    ]

    assert statuses == [429, 200, 200, 200]
    assert [call.reset_ns for call in twitter.calls] == [at(900), at(900), at(960), at(961), at(900)]


def test_an_app_alone_is_counted_apart_from_its_users():
    twitter = Twitter()

    user, app = ask(twitter, TIMELINE), ask(twitter, TIMELINE, auth=APP, query="user_id=12")

    assert limit_headers(user)[:2] == ("180", "179")
    assert limit_headers(app)[:2] == ("300", "299")
    assert [call.partition for call in twitter.calls] == ["token-1", "app-1"]


@pytest.mark.parametrize("paths", [("/1.1/users/show.json", "/1.1/users/show/783214.json")])
def test_an_id_in_the_path_or_as_a_parameter_is_one_bucket(paths):
    twitter = Twitter()

    answers = [ask(twitter, f"GET {path}", query="user_id=783214") for path in paths]

    assert [limit_headers(answer)[:2] for answer in answers] == [("180", "179"), ("180", "178")]
    assert {call.bucket for call in twitter.calls} == {"/users/show/:id"}


def test_get_and_post_of_one_path_share_a_bucket():
    twitter = Twitter()

    ask(twitter, "GET /1.1/users/lookup.json", query="user_id=1")
    posted = ask(twitter, "POST /1.1/users/lookup.json", body=b"user_id=1")

    assert limit_headers(posted)[:2] == ("180", "178")


def test_writes_are_counted_per_user_across_apps_and_tell_no_limit():
    twitter = Twitter(limits={"statuses/update": "2 per 3 hours", "statuses/retweet": "2 per 3 hours"})
    other_app = 'OAuth oauth_consumer_key="other", oauth_token="783214-AnotherSecret"'

    first = ask(twitter, UPDATE, body=b"status=one")
    second = ask(twitter, RETWEET, auth=other_app)
    third = ask(twitter, UPDATE, body=b"status=three")

    assert limit_headers(first) == (None, None, None)
    assert (first.status, second.status) == (200, 200)
    assert (third.status, data(third)) == (
        403,
        {"errors": [{"message": "User is over daily status update limit.", "code": 185}]},
    )
    assert {call.partition for call in twitter.calls} == {"user-1"}


def test_a_bad_parameter_counts_like_any_other_call():
    twitter = Twitter()

    bad = ask(twitter, TIMELINE, query="count=many")

    assert (bad.status, bad.body) == (400, b'{"errors":[{"message":"count parameter is invalid.","code":44}]}')
    assert limit_headers(bad)[:2] == ("180", "179")


def test_reopening_at_the_float_refuses_who_comes_at_the_reset_it_tells():
    twitter = Twitter(limits={"statuses/user_timeline": "1 per 15 minutes"}, reopening="float")
    ask(twitter, TIMELINE, when=at(0, ns=400_000_000))

    told = header(ask(twitter, TIMELINE, when=at(1)), "x-rate-limit-reset")
    at_the_reset = ask(twitter, TIMELINE, when=at(900)).status
    really = ask(twitter, TIMELINE, when=at(900, ns=400_000_000)).status

    assert (told, at_the_reset, really) == ("1438604100", 429, 200)


def test_extra_calls_are_served_beyond_the_limit_that_is_told():
    twitter = Twitter(limits={"statuses/user_timeline": "2 per 15 minutes"}, extra_calls=1)

    answers = [ask(twitter, TIMELINE) for _ in range(4)]

    assert [(answer.status, header(answer, "x-rate-limit-remaining")) for answer in answers] == [
        (200, "1"),
        (200, "0"),
        (200, "0"),
        (429, "0"),
    ]


def test_a_server_whose_clock_is_ahead_tells_its_own_time():
    twitter = Twitter(limits={"statuses/user_timeline": "1 per 15 minutes"}, clock_skew="30s")

    first = ask(twitter, TIMELINE)
    ask(twitter, TIMELINE, when=at(1))

    assert header(first, "date") == "Mon, 03 Aug 2015 12:00:30 GMT"
    assert header(first, "x-rate-limit-reset") == str(1_438_603_200 + 930)
    assert (twitter.calls[1].reset_ns, twitter.calls[1].retry_at_ns) == (at(930), at(900))
    assert ask(twitter, TIMELINE, when=at(899)).status == 429
    assert ask(twitter, TIMELINE, when=at(900)).status == 200


def test_a_server_whose_clock_is_behind_reopens_after_the_reset_it_tells():
    twitter = Twitter(limits={"statuses/user_timeline": "1 per 15 minutes"}, clock_skew="-5s")
    ask(twitter, TIMELINE)

    statuses = [ask(twitter, TIMELINE, when=at(second)).status for second in (895, 899, 900)]

    assert header(ask(twitter, TIMELINE, when=at(901)), "x-rate-limit-reset") == str(1_438_603_200 + 1795)
    assert statuses == [429, 429, 200]


@pytest.mark.parametrize("era", ["2013-2015", "2016-2020", "2020+"])
def test_an_era_has_its_own_limits(era):
    expected = {"2013-2015": ("180", "15"), "2016-2020": ("900", "75"), "2020+": ("900", "75")}
    twitter = Twitter(era=era)

    timeline, favorites = ask(twitter, TIMELINE), ask(twitter, FAVORITES)

    assert (limit_headers(timeline)[0], limit_headers(favorites)[0]) == expected[era]


def test_a_limit_may_be_given_for_users_and_apps_apart():
    limits = {"/1.1/search/tweets.json": {"user": "2 per minute", "app": "3 per minute"}}
    twitter = Twitter(limits=limits)

    user, app = (ask(twitter, "GET /1.1/search/tweets.json", query="q=x", auth=auth) for auth in (ALICE, APP))

    assert limit_headers(user) == ("2", "1", str(1_438_603_200 + 60))
    assert limit_headers(app)[:2] == ("3", "2")


def test_an_unknown_era_names_the_nearest():
    with pytest.raises(FakeError) as error:
        Twitter(era="2013")

    assert str(error.value) == (
        "no era '2013' of Twitter; did you mean '2013-2015'? (there are 2013-2015, 2016-2020, 2020+)"
    )


def test_an_unknown_limit_names_the_nearest():
    with pytest.raises(FakeError) as error:
        Twitter(limits={"statuses/user_timelines": "5 per 15 minutes"})

    assert str(error.value) == (
        "no limit 'statuses/user_timelines' in this era of Twitter; did you mean 'statuses/user_timeline'?"
    )


def test_a_limit_for_neither_user_nor_app_is_an_error():
    with pytest.raises(FakeError) as error:
        Twitter(limits={"favorites/list": {"users": "5 per minute"}})

    assert str(error.value) == (
        "the limit of 'favorites/list' is {'users': '5 per minute'}: expected a rate such as "
        '"5 per 15 minutes", or one for each of "user" and "app"'
    )


def test_a_limit_that_is_no_rate_is_an_error():
    with pytest.raises(LimitError) as error:
        Twitter(limits={"favorites/list": "few"})

    assert str(error.value) == (
        "'few' is no rate: expected a whole number and a window, such as "
        '"180 per 15 minutes", "5/15min" or "1 per second"'
    )


def test_another_way_to_reopen_is_an_error():
    with pytest.raises(FakeError) as error:
        Twitter(reopening="int")

    assert str(error.value) == 'reopening is \'int\': expected "reset" or "float"'


def test_180_calls_of_200_are_served_and_the_others_at_the_reset():
    twitter = Twitter(era="2013-2015")

    first = ask_often(twitter, TIMELINE, 200, when=at(0, ns=123_456_000))
    again = ask_often(twitter, TIMELINE, 20, when=at(900))

    assert (first.count(200), first.count(429), again) == (180, 20, [200] * 20)
