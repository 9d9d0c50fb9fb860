"""A client's end of a connection in memory: what it waits for, and how it ends."""

from __future__ import annotations

import errno
import select
import socket
import ssl

import pytest
from wire_helpers import Scripted, ok

from retrysim.errors import Deadlock
from retrysim.fakes.response import Break
from retrysim.wire.dialer import Dialer
from retrysim.wire.origin import Origin

GET = b"GET / HTTP/1.1\r\nHost: api.test\r\n\r\n"
SECOND = 1_000_000_000


def connect(*responses, scheme="https", timeout=None, network=None):
    network = network or Dialer(lambda *_: Scripted(*responses))
    return network.dial(Origin(scheme, "api.test", 443), timeout=timeout)


def is_readable(sock):
    return bool(select.select([sock], [], [], 0)[0])


def test_answer_is_there_at_once_without_latency(slept):
    sock = connect(ok())

    sock.sendall(GET)

    assert sock.recv(15) + sock.recv(1000) == b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    assert slept == []


def test_latency_is_slept_before_the_first_byte_and_only_once(slept):
    sock = connect(ok(latency_ns=1_500_000_000))

    sock.sendall(GET)
    sock.recv(15)
    sock.recv(1000)

    assert slept == [1.5]


def test_latency_as_long_as_the_timeout_is_served(slept):
    sock = connect(ok(latency_ns=3 * SECOND), timeout=3)

    sock.sendall(GET)

    assert sock.recv(15) == b"HTTP/1.1 200 OK"
    assert slept == [3.0]


@pytest.mark.parametrize(("scheme", "message"), [("https", "The read operation timed out"), ("http", "timed out")])
def test_latency_beyond_the_timeout_is_a_timeout_after_exactly_that_time(slept, scheme, message):
    sock = connect(ok(latency_ns=3 * SECOND + 1), timeout=3, scheme=scheme)
    sock.sendall(GET)

    with pytest.raises(TimeoutError) as error:
        sock.recv(15)

    assert str(error.value) == message
    assert slept == [3]


def test_client_that_reads_on_after_a_timeout_waits_for_the_rest(slept):
    sock = connect(ok(latency_ns=5 * SECOND), timeout=3)
    sock.sendall(GET)
    with pytest.raises(TimeoutError):
        sock.recv(15)

    first = sock.recv(15)

    assert first == b"HTTP/1.1 200 OK"
    assert slept == [3, 2.0]


def test_silence_lasts_as_long_as_the_timeout(slept):
    sock = connect(ok(broken=Break.SILENCE), timeout=7.5)
    sock.sendall(GET)

    with pytest.raises(TimeoutError):
        sock.recv(1)

    assert slept == [7.5]


def test_silence_without_a_timeout_is_a_deadlock_that_says_what_to_do(slept):
    sock = connect(ok(broken=Break.SILENCE))
    sock.sendall(GET)

    with pytest.raises(Deadlock) as error:
        sock.recv(1)

    assert str(error.value) == (
        "https://api.test does not answer, and the client waits for it without a timeout: it would wait forever; "
        "give the call a timeout"
    )
    assert slept == []


def test_non_blocking_socket_says_that_nothing_is_there(slept):
    sock = connect(ok(latency_ns=SECOND))
    sock.setblocking(False)
    sock.sendall(GET)

    with pytest.raises(BlockingIOError):
        sock.recv(1)

    assert slept == []


def test_reset_comes_after_its_latency(slept):
    sock = connect(ok(broken=Break.RESET, latency_ns=SECOND))
    sock.sendall(GET)

    with pytest.raises(ConnectionResetError) as error:
        sock.recv(1)

    assert str(error.value) == "[Errno 104] Connection reset by peer"
    assert slept == [1.0]


def test_refusal_is_raised_when_the_request_is_complete():
    sock = connect(ok(broken=Break.REFUSED))
    sock.sendall(GET[:10])

    with pytest.raises(ConnectionRefusedError) as error:
        sock.sendall(GET[10:])

    assert str(error.value) == "[Errno 111] Connection refused"


def test_end_of_file_follows_a_truncated_answer_and_nothing_more_can_be_sent():
    sock = connect(ok(b"0123456789", broken=Break.TRUNCATED))
    sock.sendall(GET)

    received = sock.recv(1000), sock.recv(1000)

    assert received == (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234", b"")
    with pytest.raises(BrokenPipeError, match=r"^\[Errno 32\] Broken pipe$"):
        sock.sendall(GET)


def test_descriptor_polls_as_readable_when_an_answer_or_the_end_is_there():
    sock = connect(ok(b"", broken=Break.TRUNCATED))
    before = is_readable(sock)

    sock.sendall(GET)
    answered = is_readable(sock)
    sock.recv(1000)

    assert (before, answered, is_readable(sock)) == (False, True, True)


def test_descriptor_does_not_poll_as_readable_while_the_answer_is_late(slept):
    sock = connect(ok(latency_ns=SECOND))

    sock.sendall(GET)

    assert not is_readable(sock)


def test_connection_is_dropped_when_its_network_shuts_down():
    network = Dialer(lambda *_: Scripted(ok()))
    sock = connect(network=network)

    network.shut_down()

    assert is_readable(sock)
    assert sock.recv(1) == b""
    with pytest.raises(BrokenPipeError):
        sock.sendall(GET)


def test_file_outlives_the_socket_it_was_made_from():
    sock = connect(ok())
    file = sock.makefile("rb")
    sock.sendall(GET)

    sock.close()

    assert file.readline() == b"HTTP/1.1 200 OK\r\n"
    file.close()
    with pytest.raises(OSError, match=r"^\[Errno 9\] Bad file descriptor$"):
        sock.recv(1)


def test_nothing_can_be_sent_through_a_closed_socket():
    sock = connect(ok())

    sock.close()

    assert sock.fileno() == -1
    with pytest.raises(OSError, match=r"^\[Errno 9\] Bad file descriptor$"):
        sock.sendall(GET)


@pytest.mark.parametrize("kind", [socket.socket, ssl.SSLSocket])
def test_it_has_all_that_a_real_socket_has(kind):
    public = {name for name in dir(kind) if not name.startswith("_")}
    only_windows = {"ioctl", "share"}

    assert public - only_windows - set(dir(connect(ok()))) == set()


def test_the_calls_that_few_clients_make_do_what_they_do_on_a_connected_stream(slept):
    sock = connect(ok(), timeout=3)

    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 0
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) == socket.SOCK_STREAM
    assert (sock.timeout, sock.getblocking(), sock.server_hostname) == (3, True, "api.test")
    assert sock.sendmsg([GET[:10], GET[10:]]) == len(GET)
    assert sock.recvfrom(8) == (b"HTTP/1.1", None)
    assert sock.recvmsg(4)[0] == b" 200"
    assert sock.read(3) == b" OK"
    assert sock.connect_ex(("api.test", 443)) == errno.EISCONN
    with pytest.raises(OSError, match="Transport endpoint is already connected"):
        sock.connect(("api.test", 443))
    with pytest.raises(OSError, match="Invalid argument"):
        sock.listen()
    with sock:
        pass
    with pytest.raises(OSError, match="Bad file descriptor"):
        sock.send(b"x")
