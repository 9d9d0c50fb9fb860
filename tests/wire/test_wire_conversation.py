"""The server's side of a connection: what a client's bytes mean, and which bytes an answer is."""

from __future__ import annotations

import pytest
from wire_helpers import Scripted, ok

from retrysim.errors import FakeError
from retrysim.fakes.request import Request
from retrysim.fakes.response import Break, Response
from retrysim.wire.conversation import Conversation
from retrysim.wire.origin import Origin
from retrysim.wire.reply import Ending, WireReply

ORIGIN = Origin("https", "api.test", 443)


def test_request_reaches_handler_as_the_client_wrote_it():
    handler = Scripted(ok())
    conversation = Conversation(ORIGIN, handler)

    conversation.receive(b"GET /a%20b?x=1&y HTTP/1.1\r\nHost: api.test\r\nX-MiXed: v\r\n\r\n")

    assert handler.requests == [
        Request(
            method="GET",
            host="api.test",
            path="/a%20b",
            scheme="https",
            query_string="x=1&y",
            headers=(("Host", "api.test"), ("X-MiXed", "v")),
        )
    ]


def test_answer_keeps_header_case_and_order_and_gets_a_length_and_a_reason():
    headers = (("x-rate-limit-remaining", "0"), ("Retry-After", "30"))
    conversation = Conversation(ORIGIN, Scripted(Response(status=429, headers=headers, body=b"slow")))

    replies = conversation.receive(b"GET / HTTP/1.1\r\nHost: api.test\r\n\r\n")

    assert replies == [
        WireReply(
            data=b"HTTP/1.1 429 Too Many Requests\r\nx-rate-limit-remaining: 0\r\nRetry-After: 30\r\n"
            b"Content-Length: 4\r\n\r\nslow"
        )
    ]


def test_handler_is_asked_only_when_the_request_is_complete():
    handler = Scripted(ok())
    conversation = Conversation(ORIGIN, handler)

    replies_to_parts = [
        conversation.receive(part)
        for part in (b"POST / HT", b"TP/1.1\r\nHost: api.test\r\nContent-Length: 4\r\n\r\n", b"ab", b"", b"cd")
    ]

    assert [len(replies) for replies in replies_to_parts] == [0, 0, 0, 0, 1]
    assert handler.requests[0].body == b"abcd"


def test_chunked_upload_arrives_whole():
    handler = Scripted(ok())
    conversation = Conversation(ORIGIN, handler)

    conversation.receive(
        b"POST / HTTP/1.1\r\nHost: api.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )

    assert handler.requests[0].body == b"abcde"


def test_connection_is_kept_alive_for_the_next_request():
    handler = Scripted(ok(b"1"), ok(b"2"))
    conversation = Conversation(ORIGIN, handler)

    replies = [conversation.receive(b"GET / HTTP/1.1\r\nHost: api.test\r\n\r\n")[0] for _ in range(2)]

    assert [(reply.data[-1:], reply.ending) for reply in replies] == [(b"1", Ending.OPEN), (b"2", Ending.OPEN)]


def test_body_of_one_request_is_not_that_of_the_next():
    handler = Scripted(ok())
    conversation = Conversation(ORIGIN, handler)

    conversation.receive(b"POST / HTTP/1.1\r\nHost: api.test\r\nContent-Length: 1\r\n\r\nx")
    conversation.receive(b"GET / HTTP/1.1\r\nHost: api.test\r\n\r\n")

    assert [request.body for request in handler.requests] == [b"x", b""]


def test_requests_sent_together_are_answered_in_their_order():
    handler = Scripted(ok(b"1"), ok(b"2"))

    replies = Conversation(ORIGIN, handler).receive(b"GET / HTTP/1.1\r\nHost: api.test\r\n\r\n" * 2)

    assert [reply.data[-1:] for reply in replies] == [b"1", b"2"]


@pytest.mark.parametrize("request_line", [b"GET / HTTP/1.0\r\n", b"GET / HTTP/1.1\r\nConnection: close\r\n"])
def test_connection_ends_when_the_client_will_have_it_so(request_line):
    conversation = Conversation(ORIGIN, Scripted(ok()))

    [reply] = conversation.receive(request_line + b"Host: api.test\r\n\r\n")

    assert reply.ending is Ending.CLOSED
    assert b"Connection: close\r\n" in reply.data


def test_client_that_waits_for_100_continue_is_told_to_go_on():
    conversation = Conversation(ORIGIN, Scripted(ok()))

    [go_on] = conversation.receive(
        b"PUT / HTTP/1.1\r\nHost: api.test\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"
    )
    [answer] = conversation.receive(b"x")

    assert go_on == WireReply(data=b"HTTP/1.1 100 \r\n\r\n")
    assert answer.data.startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    ("method", "status", "expected"),
    [
        (b"HEAD", 200, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        (b"DELETE", 204, b"HTTP/1.1 204 No Content\r\n\r\n"),
        (b"GET", 304, b"HTTP/1.1 304 Not Modified\r\n\r\n"),
    ],
)
def test_body_is_left_out_where_http_forbids_one(method, status, expected):
    conversation = Conversation(ORIGIN, Scripted(Response(status=status, body=b"hello")))

    [reply] = conversation.receive(method + b" / HTTP/1.1\r\nHost: api.test\r\n\r\n")

    assert reply.data == expected


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"http://api.test/a?b=c", "/a", "b=c"),
        (b"http://api.test", "/", ""),
        (b"http://api.test?b=http://c/d", "/", "b=http://c/d"),
        (b"*", "*", ""),
    ],
)
def test_target_of_a_proxied_request_is_reduced_to_its_path(target, path, query):
    handler = Scripted(ok())

    Conversation(ORIGIN, handler).receive(b"GET " + target + b" HTTP/1.1\r\nHost: api.test\r\n\r\n")

    assert (handler.requests[0].path, handler.requests[0].query_string) == (path, query)


@pytest.mark.parametrize(
    ("broken", "ending"),
    [(Break.REFUSED, Ending.REFUSED), (Break.RESET, Ending.RESET), (Break.SILENCE, Ending.SILENT)],
)
def test_broken_connection_carries_no_bytes(broken, ending):
    conversation = Conversation(ORIGIN, Scripted(ok(broken=broken, latency_ns=5)))

    replies = conversation.receive(b"GET / HTTP/1.1\r\nHost: api.test\r\n\r\n")

    assert replies == [WireReply(latency_ns=5, ending=ending)]


def test_truncated_answer_promises_the_whole_body_and_ends_in_its_middle():
    conversation = Conversation(ORIGIN, Scripted(ok(b"hello world", broken=Break.TRUNCATED)))

    replies = conversation.receive(b"GET / HTTP/1.1\r\nHost: api.test\r\n\r\n")

    assert replies == [WireReply(data=b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello", ending=Ending.CLOSED)]


def test_truncated_answer_without_a_body_is_none_at_all():
    conversation = Conversation(ORIGIN, Scripted(Response(status=204, broken=Break.TRUNCATED)))

    replies = conversation.receive(b"GET / HTTP/1.1\r\nHost: api.test\r\n\r\n")

    assert replies == [WireReply(ending=Ending.CLOSED)]


def test_client_that_breaks_http_is_answered_400_and_the_connection_ends():
    handler = Scripted(ok())
    conversation = Conversation(ORIGIN, handler)

    [reply] = conversation.receive(b"GET / HTTP/1.1\r\n\r\n")

    assert reply == WireReply(
        data=b"HTTP/1.1 400 Bad Request\r\nContent-Length: 43\r\nConnection: close\r\n\r\n"
        b"Bad Request: Missing mandatory Host: header",
        ending=Ending.CLOSED,
        refusal="400 Bad Request: Missing mandatory Host: header",
    )
    assert handler.requests == []


def test_wrong_length_given_by_a_handler_is_a_clear_error():
    conversation = Conversation(ORIGIN, Scripted(ok(headers=(("Content-Length", "3"),))))

    with pytest.raises(FakeError) as error:
        conversation.receive(b"GET / HTTP/1.1\r\nHost: api.test\r\n\r\n")

    assert str(error.value) == (
        "a handler's answer is no HTTP/1.1 response: Too much data for declared Content-Length; "
        "check its headers, and leave Content-Length out: it is computed"
    )


def test_header_beyond_ascii_travels_as_latin_1():
    handler = Scripted(ok(headers=(("X-Name", "J\xf6rg"),)))
    conversation = Conversation(ORIGIN, handler)

    [reply] = conversation.receive(b"GET / HTTP/1.1\r\nHost: api.test\r\nX-City: K\xf6ln\r\n\r\n")

    assert b"X-Name: J\xf6rg\r\n" in reply.data
    assert handler.requests[0].header("x-city") == "K\xf6ln"
