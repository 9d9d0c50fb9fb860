"""One's own API: in one line, with functions, at another address, by name."""

import subprocess
import sys

import pytest
from asking import APP, BOB, ask, ask_often, at, data, header

from retrysim.errors import FakeError, LimitError
from retrysim.fakes import API, GitHub, Mounted, OpenAI, Twitter
from retrysim.fakes.catalogue import fake_names, make_fake
from retrysim.fakes.request import Request
from retrysim.fakes.response import Response

CRM = "https://crm.acme.io"
RATE_ALGORITHMS = ["fixed window", "clock window", "sliding log", "sliding counter", "token bucket", "leaky bucket"]


def test_one_line_is_an_api_that_answers_every_path_alike():
    crm = API(CRM, answer={"hello": "world"})

    answers = [ask(crm, endpoint) for endpoint in ("GET /", "PUT /contacts/7")]

    assert [(answer.status, answer.body) for answer in answers] == [(200, b'{"hello":"world"}')] * 2
    assert crm.hosts == ("crm.acme.io",)
    assert crm.counts() == {"GET /": {"200": 1}, "PUT /contacts/7": {"200": 1}}


def test_a_limit_is_one_count_for_all_endpoints_of_a_caller():
    crm = API(CRM, limit="2 per minute")

    first = [ask(crm, endpoint).status for endpoint in ("GET /a", "GET /b", "GET /a")]

    assert first == [200, 200, 429]
    assert ask(crm, "GET /a", auth=BOB).status == 200
    assert ask(crm, "GET /a", when=at(60)).status == 200


def test_a_refusal_says_when_to_come_again():
    crm = API(CRM, limit="1 per minute")
    ask(crm, "GET /a")

    refused = ask(crm, "GET /a", when=at(12, ns=500_000_000))

    assert (refused.status, refused.body) == (429, b'{"error":"too many requests"}')
    assert header(refused, "Retry-After") == "48"
    assert header(refused, "X-RateLimit-Reset") == "1438603260"
    assert ask(crm, "GET /a", when=at(60, ns=500_000_000)).status == 200


@pytest.mark.parametrize(
    ("per", "partitions"),
    [
        ("authorization", ["token-1", "token-2", "ip-1"]),
        ("x-tenant", ["x-tenant-1", "x-tenant-1", "x-tenant-1"]),
        ("ip", ["ip-1", "ip-1", "ip-1"]),
        ("all", ["everybody-1", "everybody-1", "everybody-1"]),
    ],
)
def test_callers_are_told_apart_by(per, partitions):
    crm = API(CRM, limit="9 per minute", per=per)

    for auth in (APP, BOB, None):
        ask(crm, "GET /a", auth=auth, headers=(("X-Tenant", "acme"),))

    assert [call.partition for call in crm.calls] == partitions


def test_a_secret_is_known_with_and_without_its_scheme():
    crm = API(CRM, limit="9 per minute")

    ask(crm, "GET /a", auth="Bearer AppSecret")

    assert crm.aliases == {"Bearer AppSecret": "token-1", "AppSecret": "token-1"}


@pytest.mark.parametrize("algorithm", RATE_ALGORITHMS)
def test_every_algorithm_serves_who_comes_at_the_instant_it_tells_and_nobody_earlier(algorithm):
    crm = API(CRM, limit="7 per minute", algorithm=algorithm)
    while ask(crm, "GET /a", when=at(3, ns=1)).status == 200:
        pass

    opens_ns = crm.calls[-1].retry_at_ns

    assert ask(crm, "GET /a", when=opens_ns - 1).status == 429
    assert ask(crm, "GET /a", when=opens_ns).status == 200


def test_functions_answer_endpoints_and_get_the_visit():
    crm = API(
        CRM,
        endpoints={
            "GET /contacts/:id": lambda visit: {"id": visit.params["id"], "fields": visit.argument("fields")},
            "POST /contacts": lambda visit: (201, {"made": visit.request.body.decode()}),
        },
    )

    got = ask(crm, "GET /contacts/7", query="fields=name")
    made = ask(crm, "POST /contacts", body=b"name=Ada")

    assert data(got) == {"id": "7", "fields": "name"}
    assert (made.status, data(made)) == (201, {"made": "name=Ada"})
    assert crm.story("GET /contacts/:id") == "1x200"


@pytest.mark.parametrize(
    ("answer", "status", "content_type", "body"),
    [
        ({"a": 1}, 200, "application/json", b'{"a":1}'),
        ([1, 2], 200, "application/json", b"[1,2]"),
        ("text", 200, "text/plain; charset=utf-8", b"text"),
        (b"\x00", 200, "application/octet-stream", b"\x00"),
        (None, 204, "application/json", b""),
        ((404, {"no": 1}), 404, "application/json", b'{"no":1}'),
        ((500, "broken"), 500, "text/plain; charset=utf-8", b"broken"),
        ((202, None), 202, "application/json", b""),
    ],
)
def test_a_function_may_answer(answer, status, content_type, body):
    reply = ask(API(CRM, endpoints={"GET /a": lambda visit: answer}), "GET /a")

    assert (reply.status, header(reply, "Content-Type"), reply.body) == (status, content_type, body)


def test_a_function_may_answer_with_a_whole_response():
    whole = Response(status=418, headers=(("x-tea", "pot"),), body=b"short")

    assert ask(API(CRM, endpoints={"GET /a": lambda visit: whole}), "GET /a") is whole


def test_state_is_made_anew_by_reset():
    def count(visit):
        visit.state["calls"] += 1
        return visit.state

    crm = API(CRM, endpoints={"GET /count": count}, state=lambda: {"calls": 0})
    counted = [data(ask(crm, "GET /count")), data(ask(crm, "GET /count"))]

    crm.reset()

    assert counted == [{"calls": 1}, {"calls": 2}]
    assert data(ask(crm, "GET /count")) == {"calls": 1}


def test_a_path_of_the_url_comes_before_those_of_the_endpoints():
    crm = API(f"{CRM}/v2/", endpoints={"GET /contacts": lambda visit: []})

    assert ask(crm, "GET /v2/contacts").status == 200
    assert ask(crm, "GET /contacts").status == 404


def test_an_unmatched_path_is_told_what_came_close():
    crm = API(CRM, endpoints={"GET /contacts/:id": lambda visit: {}, "POST /orders": lambda visit: {}})

    missing = ask(crm, "GET /contact/7")

    assert (missing.status, missing.body.decode()) == (
        404,
        "no endpoint for GET /contact/7; nearest: GET /contacts/:id, POST /orders; "
        "first difference: segment 1 is 'contact', expected 'contacts'\n",
    )
    assert crm.calls[0].decision == "refused"


def test_a_parameter_that_is_no_number_is_a_400():
    crm = API(CRM, endpoints={"GET /page": lambda visit: {"page": visit.integer("page", 1)}})

    answers = [ask(crm, "GET /page", query=query) for query in ("", "page=-3", "page=ten", f"page={'9' * 20}")]

    assert [(answer.status, answer.body) for answer in answers] == [
        (200, b'{"page":1}'),
        (200, b'{"page":-3}'),
        (400, b"malformed request: page\n"),
        (400, b"malformed request: page\n"),
    ]


def test_an_error_in_a_function_is_the_users_and_says_whose():
    crm = API(CRM, endpoints={"GET /a": lambda visit: 1 / 0})

    with pytest.raises(ZeroDivisionError) as error:
        ask(crm, "GET /a")

    assert error.value.__notes__ == ["raised by the function of the endpoint 'GET /a' of a fake"]


def test_an_answer_that_is_no_json_is_an_error():
    crm = API(CRM, endpoints={"GET /a": lambda visit: {1, 2}})

    with pytest.raises(FakeError) as error:
        ask(crm, "GET /a")

    assert str(error.value) == (
        "an endpoint answered set, which is no JSON (Object of type set is not JSON serializable): expected a dict, "
        "a list, text, bytes, None, a Response, or a pair of a status and one of these"
    )


@pytest.mark.parametrize("url", ["crm.acme.io", "ftp://crm.acme.io", "https://", "https://x.io/?q=1", "https://[x"])
def test_an_address_is_a_url(url):
    with pytest.raises(FakeError) as error:
        API(url)

    assert str(error.value) == (f'{url!r} is no address of an API: expected a URL such as "https://llm.acme.io/v1"')


def test_one_answer_and_endpoints_together_are_an_error():
    with pytest.raises(FakeError) as error:
        API(CRM, answer={}, endpoints={"GET /a": lambda visit: None})

    assert str(error.value) == ("an API has either one answer for every path or endpoints: give only one of the two")


def test_an_unknown_dialect_names_the_nearest():
    with pytest.raises(FakeError) as error:
        API(CRM, dialect="git-hub")

    assert str(error.value).startswith("no dialect 'git-hub'; did you mean 'github'? (there are anthropic, aws, ")


def test_an_unknown_algorithm_names_the_nearest():
    with pytest.raises(FakeError) as error:
        API(CRM, limit="1 per minute", algorithm="sliding")

    assert str(error.value) == "the limit 'requests' has no algorithm 'sliding'; did you mean 'sliding log'?"


def test_a_limit_that_serves_nobody_is_an_error():
    with pytest.raises(LimitError) as error:
        API(CRM, limit="0 per minute")

    assert str(error.value) == "a rate of 0 per 1m serves nobody: the amount must be 1 or more"


def test_ones_own_api_may_speak_a_vendors_dialect():
    crm = API(CRM, limit="1 per hour", dialect="github")
    ask(crm, "GET /a")

    refused = ask(crm, "GET /a")

    assert (refused.status, header(refused, "x-ratelimit-reset")) == (403, "1438606800")


# -- at another address ------------------------------------------------------------------------------------------------


def test_a_mounted_fake_answers_under_its_new_prefix():
    openai = OpenAI()
    mounted = Mounted(openai, "https://llm.acme.io/gateway/v9")

    answer = mounted.handle(Request(method="GET", host="llm.acme.io", path="/gateway/v9/models", headers=KEY), at())

    assert mounted.hosts == ("llm.acme.io",)
    assert answer.status == 200
    assert openai.counts() == {"GET /v1/models": {"200": 1}}


KEY = (("Authorization", "Bearer sk-x"),)


def test_a_mounted_fake_keeps_its_paths_where_the_address_has_none():
    twitter = Twitter()
    mounted = Mounted(twitter, "http://127.0.0.1:8080")

    mounted.handle(Request(method="GET", host="127.0.0.1", path="/1.1/help/tos.json", headers=KEY), at())

    assert mounted.hosts == ("127.0.0.1:8080",)
    assert twitter.counts() == {"GET /1.1/help/tos.json": {"200": 1}}


def test_outside_of_its_prefix_a_mounted_fake_is_asked_for_the_path_as_it_is():
    twitter = Twitter()
    mounted = Mounted(twitter, "https://acme.io/tw")

    answers = [
        mounted.handle(Request(method="GET", host="acme.io", path=path, headers=KEY), at())
        for path in ("/tw/1.1/help/tos.json", "/twice/1.1/help/tos.json", "/tw")
    ]

    assert [answer.status for answer in answers] == [200, 404, 404]
    assert twitter.calls[2].endpoint == "GET /"


# -- by name -----------------------------------------------------------------------------------------------------------


def test_fakes_are_made_by_name():
    assert fake_names() == [
        "anthropic",
        "aws",
        "aws_s3",
        "discord",
        "github",
        "openai",
        "reddit",
        "shopify",
        "slack",
        "spotify",
        "stripe",
        "twitter",
    ]
    assert [make_fake(name).name for name in fake_names()] == fake_names()


def test_a_name_with_a_url_is_ones_own_api():
    crm = make_fake("crm", {"url": CRM, "limit": "1 per minute"})

    assert (crm.name, crm.hosts) == ("crm", ("crm.acme.io",))
    assert ask_often(crm, "GET /a", 2) == [200, 429]


def test_the_seed_of_a_run_is_used_unless_the_options_have_one():
    def tweets(fake):
        return ask(fake, "GET /1.1/favorites/list.json").body

    assert tweets(make_fake("twitter", {}, seed=5)) == tweets(Twitter(seed=5))
    assert tweets(make_fake("twitter", {"seed": 6}, seed=5)) == tweets(Twitter(seed=6))


def test_an_unknown_fake_names_the_nearest():
    with pytest.raises(FakeError) as error:
        make_fake("twiter")

    assert str(error.value) == (
        "no fake 'twiter'; did you mean 'twitter'? (there are anthropic, aws, aws_s3, discord, github, openai, reddit, "
        "shopify, slack, spotify, stripe, twitter; an API of your own needs a url)"
    )


def test_an_unknown_option_names_the_nearest():
    with pytest.raises(FakeError) as error:
        make_fake("twitter", {"eras": "2013-2015"})

    assert str(error.value) == "the fake 'twitter' has no option 'eras'; did you mean 'era'?"


def test_a_limit_of_a_vendor_is_changed_by_its_name_or_taken_away():
    github = GitHub(limits={"core": "2 per hour", "content": None, "content-hourly": None, "secondary": None})

    assert ask_often(github, "POST /repos", 3) == [200, 200, 403]


def test_an_unknown_limit_of_a_vendor_names_the_nearest():
    with pytest.raises(FakeError) as error:
        GitHub(limits={"cores": "2 per hour"})

    assert str(error.value) == (
        "github has no limit 'cores'; did you mean 'core'? "
        "(there are core, secondary, content, content-hourly, concurrency)"
    )


def test_a_dialect_without_hosts_is_no_vendor():
    from retrysim.fakes import VendorAPI

    with pytest.raises(FakeError) as error:
        VendorAPI("ietf_10")

    assert str(error.value) == ("'ietf_10' is a dialect without an API of its own: use API(url, dialect=\"ietf_10\")")


def test_importing_the_room_imports_none_of_the_fakes():
    code = "import sys, retrysim.fakes; print([m for m in sys.modules if m.startswith('retrysim.fakes.')])"

    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert printed == "[]\n"


def test_every_public_name_can_be_imported():
    import retrysim.fakes as fakes

    assert [name for name in fakes.__all__ if getattr(fakes, name).__name__ != name] == []
    with pytest.raises(AttributeError, match=r"module 'retrysim\.fakes' has no attribute 'GitLab'"):
        _ = fakes.GitLab


def test_a_limit_is_counted_for_whatever_a_function_says():
    api = API("https://crm.acme.io", limit="1 per minute", per=lambda request: request.path, answer={"ok": True})
    paths = ["/a", "/b", "/a", "/b"]

    statuses = [api.handle(Request(method="GET", host="crm.acme.io", path=path), 0).status for path in paths]

    assert statuses == [200, 200, 429, 429]
    assert [call.partition for call in api.calls] == ["partition-1", "partition-2"] * 2


def test_a_fake_is_a_wsgi_application():
    import httpx

    api = API("https://crm.acme.io", limit="1 per minute", answer={"ok": True})
    with httpx.Client(transport=httpx.WSGITransport(app=api.wsgi), base_url="https://crm.acme.io") as client:
        assert [client.get("/contacts").status_code for _ in range(2)] == [200, 429]
