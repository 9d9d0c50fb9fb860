"""What leads a task out of virtual time is a named error that shows the line which allows it."""

import select
import socket
import subprocess
import sys
import time

import pytest

from retrysim.errors import RealWait, UnservedHost

START = 1577880000


def now():
    return time.time() - START


def test_a_real_socket_is_refused_before_any_packet(sim, submit):
    def connects():
        socket.create_connection(("db.invalid", 5432))

    with pytest.raises(UnservedHost) as caught:
        submit(connects).get()
    text = str(caught.value)
    assert text.startswith("a task opens a real socket to db.invalid:5432\n  at test_what_is_real.py:")
    assert text.endswith(
        'socket.create_connection(("db.invalid", 5432))\n'
        '  Serve the host by a fake, or let it be real: sim.allow("db.invalid:5432")'
    )


def test_a_socket_that_is_allowed_is_real_and_time_stands_still(sim, submit):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        sim.allow(f"localhost:{port}")

        def connects():
            with socket.create_connection(("localhost", port)) as connection:
                accepted, _ = server.accept()
                with accepted:
                    accepted.sendall(b"hello")
                    ready = select.select([connection], [], [], 10)[0]
                    return connection.recv(5).decode(), len(ready), now()

        assert submit(connects).get() == ["hello", 1, 0.0]


def test_outside_of_tasks_sockets_are_let_be(sim, submit):
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as connection:
        assert connection.getpeername() == server.getsockname()


@pytest.mark.parametrize("allowed", [False, True])
def test_a_subprocess_is_real_if_it_is_allowed(sim, submit, allowed):
    def runs():
        return subprocess.run([sys.executable, "-c", "print('ran')"], capture_output=True, text=True).stdout, now()

    if allowed:
        sim.allow("subprocess")
        assert submit(runs).get() == ["ran\n", 0.0]
        return
    with pytest.raises(RealWait) as caught:
        submit(runs).get()
    assert str(caught.value).startswith(
        "a task starts a subprocess, which takes real time, and virtual time stands still meanwhile\n"
        "  at test_what_is_real.py:"
    )
    assert str(caught.value).endswith('If that is meant: sim.allow("subprocess")')


def test_select_without_files_is_a_sleep_and_with_files_a_named_error(sim, submit):
    ours, theirs = socket.socketpair()

    def selects():
        select.select([], [], [], 5)
        slept = now()
        try:
            select.select([ours], [], [], 5)
        except RealWait as error:
            return slept, str(error).splitlines()[-1]

    with ours, theirs:
        assert submit(selects).get() == [5.0, '  If that is meant: sim.allow("select")']
