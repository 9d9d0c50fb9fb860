"""Fakes served to this process for the length of a block."""

from __future__ import annotations

import asyncio
import urllib.request

import aiohttp
import httpx
import pytest
import requests
from wire_helpers import Scripted, ok

from retrysim.errors import FakeError, UnservedHost
from retrysim.fakes.api import API
from retrysim.wire import HandlerAt, serving


def test_fake_answers_any_client_and_its_limit_counts():
    crm = API("https://crm.acme.io", limit="2 per minute", per="all")

    with serving(crm):
        statuses = [
            requests.get("https://crm.acme.io/a").status_code,
            httpx.get("https://crm.acme.io/a").status_code,
            requests.get("https://crm.acme.io/a").status_code,
        ]

    assert statuses == [200, 200, 429]
    assert len(crm.calls) == 3


def test_several_fakes_are_served_each_at_its_own_host():
    one, other = (API(f"https://{name}.acme.io", answer={"name": name}) for name in ("one", "other"))

    with serving(one, other):
        names = [requests.get(f"https://{name}.acme.io/").json()["name"] for name in ("one", "other")]

    assert names == ["one", "other"]


def test_handler_is_served_at_its_host():
    with serving(HandlerAt(Scripted(ok()), "api.test")), urllib.request.urlopen("https://api.test/") as response:
        body = response.read()

    assert body == b"hello"


def test_host_with_a_port_is_served_at_that_port_only(real_port):
    with serving(HandlerAt(Scripted(ok()), "127.0.0.1:9999"), HandlerAt(Scripted(ok(b"six")), "[::1]:80")):
        texts = [
            requests.get(f"http://{address}/").text for address in ("127.0.0.1:9999", "[::1]", f"127.0.0.1:{real_port}")
        ]

    assert texts == ["hello", "six", "real"]


def test_host_with_a_port_goes_before_the_same_host_at_any_port():
    fakes = [HandlerAt(Scripted(ok(text)), host) for text, host in ((b"any", "api.test"), (b"own", "api.test:8443"))]

    with serving(*fakes):
        texts = [requests.get(f"https://{address}/").text for address in ("api.test", "api.test:8443")]

    assert texts == ["any", "own"]


def test_other_hosts_are_real(real_port):
    with serving(HandlerAt(Scripted(ok()), "api.test")):
        assert requests.get(f"http://127.0.0.1:{real_port}/").text == "real"


def test_strict_serving_refuses_other_hosts_and_says_what_to_do():
    with serving(HandlerAt(Scripted(ok()), "api.test"), strict=True), pytest.raises(UnservedHost) as error:
        requests.get("http://other.test:8080/")

    assert str(error.value) == (
        "http://other.test:8080 was called, which no fake serves (served: api.test). "
        'Serve it too: serving(..., API("http://other.test:8080", ...)); or leave out strict=True'
    )


def get_with_aiohttp(url):
    async def call():
        async with aiohttp.ClientSession() as session:
            await session.get(url)

    asyncio.run(call())


@pytest.mark.parametrize("get", [urllib.request.urlopen, requests.get, httpx.get, get_with_aiohttp])
def test_strict_serving_refuses_whatever_the_client(get):
    with serving(HandlerAt(Scripted(ok()), "api.test"), strict=True), pytest.raises(UnservedHost):
        get("https://other.test/")


def test_two_fakes_of_one_host_are_a_clear_error():
    fakes = [HandlerAt(Scripted(ok()), "api.test") for _ in range(2)]

    with pytest.raises(FakeError, match=r"^api\.test is served already: serve a second fake at another host$"):
        serving(*fakes)


@pytest.mark.parametrize("host", ["https://api.test", "", "api.test/v1", "api.test:http"])
def test_host_that_is_none_is_a_clear_error(host):
    with pytest.raises(FakeError) as error:
        serving(HandlerAt(Scripted(ok()), host))

    assert str(error.value) == (f'{host!r} is no host: expected "api.acme.io" or "api.acme.io:8443", without a scheme')


def test_blocks_within_each_other_are_a_clear_error():
    one, other = (serving(HandlerAt(Scripted(ok()), host)) for host in ("one.test", "other.test"))

    with one, pytest.raises(FakeError, match=r"end it first, or give it all the fakes$"):
        other.install()
