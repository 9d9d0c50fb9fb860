"""Fakes within a test that uses ``responses``."""

from __future__ import annotations

import re

import pytest
import requests
import responses
from requests.adapters import HTTPAdapter
from responses.registries import OrderedRegistry
from urllib3.util import Retry
from wire_helpers import Scripted, ok

from retrysim.errors import FakeError
from retrysim.fakes.api import API
from retrysim.fakes.response import Break, Response
from retrysim.wire import HandlerAt
from retrysim.wire.responses_mount import mount


@responses.activate
def test_limit_counts_beside_other_mocks():
    crm = API("https://crm.acme.io", limit="2 per minute", per="all")
    mount(crm, responses)
    responses.get("https://other.test/", body="other")

    statuses = [requests.get("https://crm.acme.io/a").status_code for _ in range(3)]

    assert statuses == [200, 200, 429]
    assert requests.get("https://other.test/").text == "other"
    assert len(responses.calls) == 4


@pytest.mark.parametrize("fake_first", [True, False])
def test_mock_of_one_url_goes_before_the_fake_whichever_came_first(fake_first):
    handler = Scripted(ok(b"fake"))
    with responses.RequestsMock() as mock:
        if fake_first:
            mount(HandlerAt(handler, "api.test"), mock)
        mock.get("https://api.test/special", body="mock")
        if not fake_first:
            mount(HandlerAt(handler, "api.test"), mock)

        texts = [requests.get(f"https://api.test/{path}").text for path in ("special", "a", "special", "a")]

    assert texts == ["mock", "fake", "mock", "fake"]


@responses.activate
def test_request_and_answer_arrive_whole():
    handler = Scripted(Response(status=201, headers=(("Set-Cookie", "k=v"), ("X-Name", "1")), body=b"made"))
    mount(HandlerAt(handler, "api.test"))

    response = requests.post("https://api.test/a?b=1", data="sm\xf6rg\xe5s", headers={"X-Token": "t"}, timeout=5)

    assert (response.status_code, response.reason, response.text) == (201, "Created", "made")
    assert (response.headers["x-name"], response.cookies.get_dict()) == ("1", {"k": "v"})
    [request] = handler.requests
    assert (request.method, request.scheme, request.path, request.query_string) == ("POST", "https", "/a", "b=1")
    assert (request.header("x-token"), request.body) == ("t", "sm\xf6rg\xe5s".encode())


@responses.activate
def test_upload_in_chunks_arrives_whole():
    handler = Scripted(ok())
    mount(HandlerAt(handler, "api.test"))

    requests.put("https://api.test/", data=iter([b"ab", b"c"]))

    assert handler.requests[0].body == b"abc"


@responses.activate
@pytest.mark.parametrize(
    ("broken", "kind", "message"),
    [
        (Break.REFUSED, requests.ConnectionError, "Failed to establish a new connection: [Errno 111] Connection ref"),
        (Break.RESET, requests.ConnectionError, "ConnectionResetError(104, 'Connection reset by peer')"),
        (Break.SILENCE, requests.ReadTimeout, "Read timed out. (read timeout=4)"),
        (Break.TRUNCATED, requests.exceptions.ChunkedEncodingError, "IncompleteRead(2 bytes read, 3 more expected)"),
    ],
)
@pytest.mark.parametrize("timeout", [4, (1, 4)])
def test_broken_connection_raises_what_requests_raises_for_it(broken, kind, message, timeout, slept):
    mount(HandlerAt(Scripted(ok(broken=broken)), "api.test"))

    with pytest.raises(kind) as error:
        requests.get("https://api.test/", timeout=timeout)

    assert type(error.value) is kind
    assert message in str(error.value)
    assert slept == ([4] if broken is Break.SILENCE else [])


@responses.activate
def test_latency_is_slept(slept):
    mount(HandlerAt(Scripted(ok(latency_ns=250_000_000)), "api.test"))

    requests.get("https://api.test/", timeout=1)

    assert slept == [0.25]


@responses.activate
def test_retry_of_an_adapter_meets_the_limit_each_time():
    handler = Scripted(Response(status=429), Response(status=429), ok())
    mount(HandlerAt(handler, "api.test"))
    session = requests.Session()
    session.mount("https://", HTTPAdapter(max_retries=Retry(total=3, status_forcelist=[429])))

    response = session.get("https://api.test/")

    assert (response.status_code, len(handler.requests)) == (200, 3)


@responses.activate
def test_unmatched_request_names_the_fakes_hosts():
    mount(HandlerAt(Scripted(ok()), "api.test"))

    with pytest.raises(requests.ConnectionError) as error:
        requests.get("https://other.test/")

    assert "- ANY https://api.test/ Host is not api.test\n" in str(error.value)


def test_fake_that_was_never_called_counts_as_not_fired():
    mock = responses.RequestsMock()
    mount(HandlerAt(Scripted(ok()), "api.test"), mock)
    mock.start()

    with pytest.raises(AssertionError, match=re.escape("[('ANY', 'https://api.test/')]")):
        mock.stop()


@responses.activate
def test_mounting_twice_is_a_clear_error():
    crm = API("https://crm.acme.io")
    mount(crm)

    with pytest.raises(FakeError, match=r"^crm\.acme\.io is mounted already: mount it once in a test$"):
        mount(crm)


def test_ordered_registry_is_a_clear_error():
    with responses.RequestsMock(registry=OrderedRegistry) as mock, pytest.raises(FakeError) as error:
        mount(API("https://crm.acme.io"), mock)

    assert str(error.value) == (
        "an OrderedRegistry uses each answer once, and a fake goes on answering: use the default registry"
    )
