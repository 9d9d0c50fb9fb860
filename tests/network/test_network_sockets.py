"""A socket on the simulated network behaves as ``socket.socket`` does, in virtual time, to any server without I/O."""

import errno
import socket
import struct

import pytest

from retrysim.clock import VirtualClock
from retrysim.durations import MILLISECOND, SECOND
from retrysim.kernel import Environment
from retrysim.network import READ, Network, Poller, Socket

START_NS = 1_577_880_000 * SECOND


class Echo:
    """Answers each piece of data in capitals; ``b"later"`` after 2 seconds, ``b"bye"`` by hanging up."""

    name = "the echo server"

    def __init__(self):
        self.sessions = []

    def accept(self, connection, now_ns):
        session = EchoSession(connection)
        self.sessions.append(session)
        return session


class EchoSession:
    def __init__(self, connection):
        self.connection = connection
        self.received = []
        self.lost_at_s = None

    def data_received(self, data, now_ns):
        self.received.append(((now_ns - START_NS) / SECOND, data))
        if data == b"bye":
            self.connection.send(b"BYE")
            self.connection.hang_up()
        elif data == b"reset":
            self.connection.reset()
        else:
            self.connection.send(data.upper(), delay_ns=2 * SECOND if data == b"later" else 0)

    def connection_lost(self, now_ns):
        self.lost_at_s = (now_ns - START_NS) / SECOND


@pytest.fixture
def environment():
    environment = Environment(VirtualClock(START_NS))
    yield environment
    environment.abandon_all()


@pytest.fixture
def server():
    return Echo()


@pytest.fixture
def route(environment, server):
    return Network(environment).route_to(server)


@pytest.fixture
def sock(route):
    sock = Socket(route)
    sock.connect(("db.test", 5672))
    return sock


def seconds(environment):
    return (environment.clock.ns - START_NS) / SECOND


def test_what_nothing_delays_is_answered_before_send_returns(environment, sock):
    sock.sendall(b"hello")

    assert sock.recv(3) == b"HEL"
    assert sock.recv(100) == b"LO"
    assert seconds(environment) == 0


def test_a_read_waits_in_virtual_time_until_the_answer_comes(environment, sock):
    sock.sendall(b"later")

    assert sock.recv(100) == b"LATER"
    assert seconds(environment) == 2.0


def test_a_read_gives_up_at_its_timeout(environment, sock):
    sock.sendall(b"later")
    sock.settimeout(1.5)

    with pytest.raises(TimeoutError, match=r"^timed out$"):
        sock.recv(100)
    assert seconds(environment) == 1.5
    assert sock.recv(100) == b"LATER"


def test_a_non_blocking_read_raises_eagain(sock):
    sock.setblocking(False)

    with pytest.raises(BlockingIOError) as error:
        sock.recv(100)
    assert error.value.errno == errno.EAGAIN
    assert (sock.getblocking(), sock.gettimeout()) == (False, 0.0)


def test_so_rcvtimeo_ends_a_read_of_a_blocking_socket_with_eagain(environment, sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", 3, 500_000))

    with pytest.raises(BlockingIOError):
        sock.recv(100)
    assert seconds(environment) == 3.5


def test_after_the_server_hung_up_the_rest_can_be_read_and_then_the_end(sock, server):
    sock.sendall(b"bye")

    assert (sock.recv(100), sock.recv(100), sock.recv(100)) == (b"BYE", b"", b"")
    with pytest.raises(BrokenPipeError):
        sock.sendall(b"more")
    assert server.sessions[0].lost_at_s is None  # it knows


def test_a_reset_is_an_error_once_and_then_the_end(sock):
    sock.sendall(b"reset")

    with pytest.raises(ConnectionResetError):
        sock.recv(100)
    assert sock.recv(100) == b""


def test_a_socket_that_nobody_holds_is_closed_before_the_next_one_connects(route, server):
    for _ in range(2):
        Socket(route).connect(("db.test", 5672))
    held = Socket(route)
    held.connect(("db.test", 5672))

    assert [session.lost_at_s for session in server.sessions] == [0, 0, None]
    assert route.connections == [server.sessions[2].connection]


def test_the_connection_of_a_file_number_that_was_given_away_stays_open(route, server):
    sock = Socket(route)
    sock.connect(("db.test", 5672))
    sock.detach()
    del sock
    other = Socket(route)
    other.connect(("db.test", 5672))

    assert [session.lost_at_s for session in server.sessions] == [None, None]


def test_the_server_is_told_once_when_the_client_closes(sock, server):
    sock.close()
    sock.close()

    assert server.sessions[0].lost_at_s == 0.0
    assert sock.fileno() == -1
    with pytest.raises(OSError, match="Bad file descriptor"):
        sock.recv(1)


def test_a_shutdown_in_both_directions_ends_the_connection(sock, server):
    sock.shutdown(socket.SHUT_RDWR)

    assert server.sessions[0].lost_at_s == 0.0
    assert sock.recv(100) == b""
    with pytest.raises(BrokenPipeError):
        sock.sendall(b"more")


def test_bytes_go_into_a_buffer_and_stay_there_when_peeked_at(sock):
    sock.sendall(b"hello")
    buffer = bytearray(4)

    assert sock.recv(2, socket.MSG_PEEK) == b"HE"
    assert (sock.recv_into(buffer), bytes(buffer)) == (4, b"HELL")


def test_a_file_of_a_socket_outlives_its_close(sock, server):
    with sock.makefile("rwb") as file:
        sock.close()
        file.write(b"line\n")
        file.flush()
        assert file.readline() == b"LINE\n"
        assert server.sessions[0].lost_at_s is None
    assert server.sessions[0].lost_at_s == 0.0


def test_a_socket_knows_both_of_its_addresses(sock, route):
    other = Socket(route)
    other.connect(("db.test", 5672))

    assert sock.getpeername() == ("db.test", 5672)
    assert sock.getsockname() != other.getsockname()
    assert sock.connect_ex(("db.test", 5672)) == errno.EISCONN
    with pytest.raises(OSError, match="not connected"):
        Socket(route).recv(1)


def test_an_option_that_was_set_can_be_asked_for(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 0


def test_a_poller_waits_for_the_file_number(environment, sock, route):
    poller = Poller(route.network)
    poller.register(sock.fileno(), READ)
    sock.sendall(b"later")

    assert poller.poll(1) == []
    assert poller.poll(None) == [(sock.fileno(), READ)]
    assert seconds(environment) == 2.0
    poller.unregister(sock)
    assert poller.poll(0) == []


def test_a_poller_reports_the_end_of_a_connection(sock, route):
    poller = Poller(route.network)
    poller.register(sock, READ)
    route.cut_connections()

    assert poller.poll(0) == [(sock.fileno(), READ)]
    assert sock.recv(100) == b""


# -- faults, said of the route -----------------------------------------------------------------------------------------


def test_a_server_that_is_down_refuses(route):
    route.shut_down()
    sock = Socket(route)

    assert sock.connect_ex(("db.test", 5672)) == errno.ECONNREFUSED
    route.start_up()
    assert sock.connect_ex(("db.test", 5672)) == 0


def test_a_server_can_refuse_a_client_itself(route, server, monkeypatch):
    def refuse(connection, now_ns):
        raise ConnectionRefusedError

    monkeypatch.setattr(server, "accept", refuse)
    with pytest.raises(ConnectionRefusedError):
        Socket(route).connect(("db.test", 5672))
    assert route.connections == []


def test_in_a_partition_a_connect_times_out(environment, route):
    route.partition(environment.test.machine)
    sock = Socket(route)
    sock.settimeout(4)

    with pytest.raises(TimeoutError, match=r"^timed out$"):
        sock.connect(("db.test", 5672))
    assert seconds(environment) == 4.0
    sock.settimeout(None)
    assert sock.connect_ex(("db.test", 5672)) == errno.ETIMEDOUT
    assert seconds(environment) == 4.0 + 127.0


def test_what_is_sent_in_a_partition_arrives_after_the_repair(environment, sock, route, server):
    route.partition(environment.test.machine)
    sock.sendall(b"hello")
    route.call_at(START_NS + 10 * SECOND, lambda: route.repair(environment.test.machine), daemon=False)

    assert sock.recv(100) == b"HELLO"
    assert server.sessions[0].received == [(10.0, b"hello")]


def test_tcp_gives_up_on_a_partition_that_lasts(environment, sock, route):
    route.partition(environment.test.machine)
    sock.sendall(b"hello")

    with pytest.raises(TimeoutError) as error:
        sock.recv(100)
    assert error.value.errno == errno.ETIMEDOUT
    assert seconds(environment) == 924.6


def test_cut_connections_can_be_made_anew(sock, route, server):
    route.cut_connections()

    assert server.sessions[0].lost_at_s == 0.0
    assert sock.recv(100) == b""
    again = Socket(route)
    again.connect(("db.test", 5672))
    again.sendall(b"hello")
    assert again.recv(100) == b"HELLO"


def test_an_answer_that_is_cut_in_the_middle_arrives_by_half(sock, route, server):
    route.cut_in_mid_answer()
    sock.sendall(b"hello!")

    assert sock.recv(100) == b"HEL"
    with pytest.raises(ConnectionResetError):
        sock.recv(100)
    assert server.sessions[0].lost_at_s == 0.0


def test_a_slow_route_delays_both_directions_and_keeps_the_order(environment, sock, route, server):
    undo = route.slow_down(100 * MILLISECOND)
    sock.sendall(b"one ")
    undo()
    sock.sendall(b"two")

    assert (sock.recv(100), sock.recv(100)) == (b"ONE ", b"TWO")
    assert server.sessions[0].received == [(0.1, b"one "), (0.1, b"two")]
    assert seconds(environment) == 0.1


def test_a_host_that_died_is_forgotten_by_the_server(environment, sock, route, server):
    route.drop(environment.test)

    assert server.sessions[0].lost_at_s == 0.0
    assert route.connections == []
