"""Twitter's answers: who is let in, the literal error bodies, paging, headers, and a plausible shape for the rest."""

import base64

import pytest
from asking import ALICE, APP, TIMELINE, ask, ask_often, at, data, header

from retrysim.errors import FakeError
from retrysim.fakes import Twitter
from retrysim.fakes.request import Request
from retrysim.fakes.twitter.limits import limits_of

STATUS = "GET /1.1/application/rate_limit_status.json"
FOLLOWERS = "GET /1.1/followers/ids.json"
TOKEN = "POST /oauth2/token"


def ids(response):
    return [tweet["id"] for tweet in data(response)]


# -- credentials -------------------------------------------------------------------------------------------------------


def test_oauth_parameters_are_found_in_header_query_and_body():
    twitter = Twitter(limits={"users/lookup": "9 per 15 minutes"})
    oauth = "oauth_consumer_key=acme&oauth_token=783214-AliceSecret&oauth_signature=x"

    ask(twitter, "GET /1.1/users/lookup.json", query="user_id=1")
    ask(twitter, "GET /1.1/users/lookup.json", query=f"user_id=1&{oauth}", auth=None)
    ask(twitter, "POST /1.1/users/lookup.json", body=f"user_id=1&{oauth}".encode(), auth=None)

    assert [(call.status, call.partition, call.remaining) for call in twitter.calls] == [
        (200, "token-1", 8),
        (200, "token-1", 7),
        (200, "token-1", 6),
    ]


@pytest.mark.parametrize("auth", [None, "Bearer ", "Basic eDp5", 'OAuth oauth_consumer_key="acme"'])
def test_without_credentials_a_call_is_refused_and_not_counted(auth):
    twitter = Twitter()

    refused = ask(twitter, TIMELINE, auth=auth)

    assert (refused.status, refused.body) == (400, b'{"errors":[{"message":"Bad Authentication data","code":215}]}')
    assert header(refused, "x-rate-limit-limit") is None
    assert (twitter.calls[0].decision, twitter.calls[0].limit) == ("refused", None)


def test_an_app_alone_has_no_access_where_the_table_names_none():
    refused = ask(Twitter(), "GET /1.1/statuses/home_timeline.json", auth=APP)

    assert (refused.status, refused.body) == (
        403,
        b'{"errors":[{"message":"Your credentials do not allow access to this resource","code":220}]}',
    )


def test_an_app_gets_the_same_bearer_token_each_time():
    twitter = Twitter()
    basic = "Basic " + base64.b64encode(b"key:secret").decode()

    first, second = (ask(twitter, TOKEN, auth=basic, body=b"grant_type=client_credentials") for _ in range(2))

    assert data(first)["token_type"] == "bearer"
    assert data(first) == data(second)
    bearer = "Bearer " + data(first)["access_token"]
    assert ask(twitter, TIMELINE, query="user_id=12", auth=bearer).status == 200


@pytest.mark.parametrize("auth", [None, "Basic !", "Basic " + base64.b64encode(b"key").decode(), ALICE])
def test_wrong_keys_get_no_bearer_token(auth):
    refused = ask(Twitter(), TOKEN, auth=auth, body=b"grant_type=client_credentials")

    assert (refused.status, refused.body) == (
        403,
        b'{"errors":[{"code":99,"label":"authenticity_token_error","message":"Unable to verify your credentials"}]}',
    )


def test_an_unknown_page_is_the_vendors_404():
    missing = ask(Twitter(), "GET /1.1/statuses/user_timeline.xml")

    assert (missing.status, missing.body) == (
        404,
        b'{"errors":[{"message":"Sorry, that page does not exist","code":34}]}',
    )


def test_a_request_line_that_is_none_is_a_400():
    twitter = Twitter()

    for method, path in (("GET ", "/1.1/statuses/user_timeline.json"), ("", "/"), ("GET", "no-slash"), ("gêt", "/")):
        assert twitter.handle(Request(method=method, host="h", path=path), at()).status == 400


# -- rate_limit_status -------------------------------------------------------------------------------------------------


def test_rate_limit_status_counts_itself_and_shows_the_state_after_that():
    twitter = Twitter()
    ask(twitter, TIMELINE)

    status = ask(twitter, STATUS, when=at(60), query="resources=application,statuses")

    resources = data(status)["resources"]
    assert list(resources) == ["application", "statuses"]
    assert resources["application"] == {
        "/application/rate_limit_status": {"limit": 180, "remaining": 179, "reset": 1_438_603_200 + 960}
    }
    assert resources["statuses"]["/statuses/user_timeline"] == {
        "limit": 180,
        "remaining": 179,
        "reset": 1_438_603_200 + 900,
    }
    assert header(status, "x-rate-limit-remaining") == "179"


def test_rate_limit_status_shows_an_untouched_window_as_it_would_open_now_and_opens_none():
    twitter = Twitter()

    status = ask(twitter, STATUS, query="resources=favorites")
    first = ask(twitter, "GET /1.1/favorites/list.json", when=at(100))

    assert data(status)["resources"] == {
        "favorites": {"/favorites/list": {"limit": 15, "remaining": 15, "reset": 1_438_603_200 + 900}}
    }
    assert header(first, "x-rate-limit-reset") == str(1_438_603_200 + 1000)


def test_rate_limit_status_past_its_own_limit_is_a_429():
    twitter = Twitter(limits={"application/rate_limit_status": "1 per 15 minutes"})

    assert ask_often(twitter, STATUS, 2) == [200, 429]


def test_rate_limit_status_of_all_families_is_the_one_recorded_in_january_2016():
    resources = data(ask(Twitter(), STATUS))["resources"]

    assert " ".join(sorted(resources)) == (
        "account application blocks collections contacts device direct_messages favorites followers friends "
        "friendships geo help lists media moments mutes saved_searches search statuses trends users"
    )
    assert sum(len(family) for family in resources.values()) == 81


def test_rate_limit_status_of_an_app_shows_only_what_an_app_may_ask():
    body = data(ask(Twitter(), STATUS, auth=APP))

    assert "account" not in body["resources"]
    assert body["resources"]["search"]["/search/tweets"]["limit"] == 450
    assert list(body["rate_limit_context"]) == ["application"]


# -- paging ------------------------------------------------------------------------------------------------------------


def test_a_timeline_is_paged_by_max_id_until_it_is_empty():
    twitter = Twitter(timeline=450)
    seen, query = [], "count=200"

    while page := ids(ask(twitter, TIMELINE, query=query)):
        seen += page
        query = f"count=200&max_id={page[-1] - 1}"

    assert len(seen) == len(set(seen)) == 450
    assert seen == sorted(seen, reverse=True)
    assert twitter.story(TIMELINE) == "4x200"


def test_max_id_includes_and_since_id_excludes():
    twitter = Twitter(timeline=5)
    newest = ids(ask(twitter, TIMELINE))

    assert ids(ask(twitter, TIMELINE, query=f"max_id={newest[1]}")) == newest[1:]
    assert ids(ask(twitter, TIMELINE, query=f"since_id={newest[3]}")) == newest[:3]
    assert ids(ask(twitter, TIMELINE, query=f"max_id={newest[1]}&since_id={newest[3]}&count=1")) == newest[1:2]


def test_a_timeline_gives_20_tweets_unless_asked_and_200_at_most():
    twitter = Twitter()

    assert len(data(ask(twitter, TIMELINE))) == 20
    assert len(data(ask(twitter, TIMELINE, query="count=1000"))) == 200


@pytest.mark.parametrize(
    ("path", "reach"),
    [("user_timeline", 3200), ("home_timeline", 800), ("mentions_timeline", 800)],
)
def test_a_timeline_reaches_back_so_far_and_no_farther(path, reach):
    twitter = Twitter(timeline=10_000, limits={f"statuses/{path}": "900 per 15 minutes"})
    seen, query = 0, "count=200"

    while page := ids(ask(twitter, f"GET /1.1/statuses/{path}.json", query=query)):
        seen += len(page)
        query = f"count=200&max_id={page[-1] - 1}"

    assert seen == reach


def test_a_timeline_may_be_longer_than_time_since_twitter_began_in_hours():
    twitter = Twitter(timeline=10_000_000)

    page = ids(ask(twitter, TIMELINE, query="count=200"))

    assert page == sorted(set(page), reverse=True)
    assert min(page) > 0


def test_each_user_has_a_timeline_of_the_given_length():
    twitter = Twitter(timeline={783214: 3, "user12": 1})

    lengths = [len(data(ask(twitter, TIMELINE, query=f"user_id={user}"))) for user in (783214, 12, 99)]

    assert lengths == [3, 1, 0]


def test_tweets_belong_to_whom_was_asked_for():
    by_name = data(ask(Twitter(), TIMELINE, query="screen_name=user12&count=1"))

    assert by_name == data(ask(Twitter(), TIMELINE, query="user_id=12&count=1"))
    assert (by_name[0]["user"]["id"], by_name[0]["user"]["screen_name"]) == (12, "user12")


def test_the_same_seed_gives_the_same_bytes_and_another_gives_others():
    assert ask(Twitter(seed=7), TIMELINE) == ask(Twitter(seed=7), TIMELINE)
    assert ask(Twitter(seed=7), TIMELINE).body != ask(Twitter(seed=8), TIMELINE).body


def test_followers_are_paged_by_cursor_and_0_ends():
    twitter = Twitter(people=12_000)
    seen, cursor = [], -1

    while cursor:
        page = data(ask(twitter, FOLLOWERS, query=f"cursor={cursor}"))
        seen.append(len(page["ids"]))
        cursor = page["next_cursor"]

    assert seen == [5000, 5000, 2000]


def test_a_previous_cursor_leads_back():
    twitter = Twitter(people=30)
    users = "GET /1.1/followers/list.json"
    first = data(ask(twitter, users, query="count=10"))
    second = data(ask(twitter, users, query=f"count=10&cursor={first['next_cursor']}"))

    back = data(ask(twitter, users, query=f"count=10&cursor={second['previous_cursor']}"))

    assert first["previous_cursor"] == 0
    assert back["users"] == first["users"]
    assert back["next_cursor_str"] == first["next_cursor_str"]


def test_a_cursor_that_was_never_given_is_a_400():
    refused = ask(Twitter(), FOLLOWERS, query="cursor=17")

    assert (refused.status, refused.body) == (400, b'{"errors":[{"message":"cursor parameter is invalid.","code":44}]}')


def test_search_leads_on_with_next_results():
    search = "GET /1.1/search/tweets.json"
    first = data(ask(Twitter(), search, query="q=celery"))

    following = data(ask(Twitter(), search, query=first["search_metadata"]["next_results"].lstrip("?")))

    newest = [tweet["id"] for tweet in first["statuses"]]
    assert len(newest) == 15
    assert max(tweet["id"] for tweet in following["statuses"]) < min(newest)


# -- posts, headers, everything else -----------------------------------------------------------------------------------


def test_the_same_text_twice_is_a_duplicate():
    twitter = Twitter()
    update = "POST /1.1/statuses/update.json"

    first = ask(twitter, update, body=b"status=hello")
    again = ask(twitter, update, body=b"status=hello", when=at(1))

    assert data(first)["text"] == "hello"
    assert (again.status, data(again)) == (403, {"errors": [{"message": "Status is a duplicate.", "code": 187}]})


def test_an_answer_carries_the_headers_of_the_recorded_one_in_their_order():
    answer = ask(Twitter(), TIMELINE, query="count=1")

    assert " ".join(name for name, _ in answer.headers) == (
        "status date content-type content-length content-disposition cache-control expires pragma last-modified "
        "server strict-transport-security x-access-level x-connection-hash x-transaction x-response-time "
        "x-twitter-response-tags x-frame-options x-xss-protection x-content-type-options "
        "x-rate-limit-limit x-rate-limit-remaining x-rate-limit-reset"
    )
    assert header(answer, "content-length") == str(len(answer.body))
    assert header(answer, "content-type") == "application/json;charset=utf-8"
    assert header(answer, "date") == "Mon, 03 Aug 2015 12:00:00 GMT"
    assert header(answer, "x-access-level") == "read-write-directmessages"


def test_slashes_are_escaped_in_json():
    assert b'"source":"<a href=\\"https:\\/\\/twitter.com\\"' in ask(Twitter(), TIMELINE, query="count=1").body


@pytest.mark.parametrize("era", ["2013-2015", "2016-2020", "2020+"])
def test_every_path_of_the_table_is_served_under_the_limit_of_its_bucket(era):
    rows = limits_of(era)
    twitter = Twitter(era=era)
    query = "id=17&user_id=12&q=x&status=hello&list_id=3"

    for row in rows:
        path = row.path.replace(":id", "17").replace(":slug", "music").replace(":place_id", "df51dec6f4ee2b2c")
        body = query.encode() if row.method == "POST" else b""
        answer = ask(twitter, f"{row.method} /1.1/{path}.json", query="" if body else query, body=body)
        assert (row.path, answer.status) == (row.path, 200)
        assert data(answer) is not None
    assert {call.bucket for call in twitter.calls} == {row.bucket for row in rows if row.user} | {""}


def test_a_timeline_of_negative_length_is_an_error():
    with pytest.raises(FakeError) as error:
        Twitter(timeline={"user12": -1})

    assert str(error.value) == "a timeline cannot have -1 tweets: expected 0 or more"
