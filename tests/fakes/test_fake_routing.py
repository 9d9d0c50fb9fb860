"""Routes: templates, what wins, what overlaps, what came close."""

import pytest

from retrysim.errors import FakeError
from retrysim.fakes.endpoint import Endpoint
from retrysim.fakes.request import Request
from retrysim.fakes.routing import Router


def router(*names):
    return Router([Endpoint.parse(name, lambda visit: None) for name in names])


def matched(routes, method, path):
    found = routes.match(Request(method=method, host="h", path=path))
    return None if found is None else (found[0].name, found[1])


def test_a_parameter_is_one_decoded_segment():
    routes = router("GET /users/:id/posts")

    assert matched(routes, "GET", "/users/a%20b/posts") == ("GET /users/:id/posts", {"id": "a b"})
    assert matched(routes, "GET", "/users/a/b/posts") is None
    assert matched(routes, "GET", "/users//posts") is None
    assert matched(routes, "POST", "/users/a/posts") is None


def test_a_parameter_may_have_a_fixed_ending():
    assert matched(router("GET /show/:id.json"), "GET", "/show/17.json") == ("GET /show/:id.json", {"id": "17"})


def test_a_colon_inside_a_segment_is_text():
    assert matched(router("POST /models/x:run"), "POST", "/models/x:run") == ("POST /models/x:run", {})


def test_the_more_exact_template_wins_whatever_the_order():
    names = ("GET /users/:id", "GET /users/me", "GET /users/:id.json")

    for order in (names, names[::-1]):
        assert matched(router(*order), "GET", "/users/me")[0] == "GET /users/me"
        assert matched(router(*order), "GET", "/users/7")[0] == "GET /users/:id"
        assert matched(router(*order), "GET", "/users/7.json") == ("GET /users/:id.json", {"id": "7"})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("GET /a/:x", "GET /a/:y"),
        ("GET /:x/b", "GET /a/:y"),
        ("GET /a/:x.json/:y", "GET /a/:z/b"),
    ],
)
def test_equally_exact_templates_that_overlap_are_an_error(one, other):
    with pytest.raises(FakeError) as error:
        router(one, other)

    assert str(error.value) == (
        f"the endpoints {one!r} and {other!r} overlap: a path could mean either; "
        "make one of them the more exact one in every segment, or drop it"
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("GET /a/:x", "POST /a/:x"),
        ("GET /a/:x", "GET /a/:x/b"),
        ("GET /a/:x.json", "GET /a/:x.xml"),
        ("GET /a/:x/b", "GET /a/:y/c"),
    ],
)
def test_templates_that_share_no_request_live_together(one, other):
    assert router(one, other).names() == [one, other]


def test_the_same_endpoint_twice_is_an_error():
    with pytest.raises(FakeError) as error:
        router("GET /a", "GET /a")

    assert str(error.value) == "the endpoint 'GET /a' is given twice: drop one of them"


@pytest.mark.parametrize("name", ["/a", "get /a", "GET a", "GET", "GET /a b", ""])
def test_an_endpoint_is_a_method_and_a_path(name):
    with pytest.raises(FakeError) as error:
        Endpoint.parse(name, lambda visit: None)

    assert str(error.value) == (f'{name!r} is no endpoint: expected a method and a path, such as "GET /users/:id"')


def test_an_endpoint_needs_a_function():
    with pytest.raises(FakeError) as error:
        Endpoint.parse("GET /a", {"ok": True})

    assert str(error.value) == "the endpoint 'GET /a' has no function: expected a callable, got {'ok': True}"


def test_a_parameter_named_twice_is_an_error():
    with pytest.raises(FakeError) as error:
        router("GET /:id/:id")

    assert str(error.value) == "the endpoint 'GET /:id/:id' names a parameter twice: give each its own name"


@pytest.mark.parametrize(
    ("method", "path", "difference"),
    [
        ("GET", "/contact/7", "segment 1 is 'contact', expected 'contacts'"),
        ("GET", "/contacts/7/notes", "the path has 3 segments, expected 2"),
        ("PUT", "/contacts/:id", "the method is PUT, expected GET"),
    ],
)
def test_what_matches_nothing_is_told_the_first_difference(method, path, difference):
    routes = router("GET /contacts/:id", "POST /orders")

    assert routes.explain(Request(method=method, host="h", path=path)) == (
        f"no endpoint for {method} {path}; nearest: GET /contacts/:id, POST /orders; first difference: {difference}"
    )
