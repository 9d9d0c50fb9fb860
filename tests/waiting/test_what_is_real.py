"""What leads a task out of virtual time is a named error that shows the line which allows it."""

import multiprocessing
import platform
import select
import selectors
import smtplib
import socket
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor

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


def test_a_mail_server_cannot_be_served_by_a_fake(sim, submit):
    with pytest.raises(UnservedHost) as caught:
        submit(lambda: smtplib.SMTP("smtp.invalid", 587)).get()

    assert str(caught.value).splitlines()[-1] == (
        "  Keep mail in memory, in Django by its locmem.EmailBackend (a fake answers HTTP only), "
        'or let it be real: sim.allow("smtp.invalid:587")'
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


def test_a_task_may_ask_what_machine_it_runs_on(sim, submit):
    known = submit(lambda: [*platform.architecture(), *platform.uname()])
    sim.run()

    assert known.get() == [*platform.architecture(), *platform.uname()]


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


@pytest.mark.parametrize("kind", ["poll", "epoll"])
def test_poll_objects_without_files_sleep_and_with_files_are_a_named_error(sim, submit, kind):
    ours, theirs = socket.socketpair()
    seconds = 5000 if kind == "poll" else 5

    def polls():
        poller = getattr(select, kind)()
        slept = poller.poll(seconds), now()
        poller.register(ours, select.POLLIN)
        theirs.sendall(b"x")
        ready = [fd == ours.fileno() for fd, _ in poller.poll()]
        ours.recv(1)
        try:
            poller.poll(seconds)
        except RealWait as error:
            return slept, ready, now(), str(error).splitlines()[-1]

    with ours, theirs:
        assert submit(polls).get() == [[[], 5.0], [True], 5.0, '  If that is meant: sim.allow("select")']


@pytest.mark.parametrize("selector", ["DefaultSelector", "SelectSelector", "PollSelector", "EpollSelector"])
def test_selectors_without_files_sleep_and_with_files_are_a_named_error(sim, submit, selector):
    ours, theirs = socket.socketpair()

    def selects():
        with getattr(selectors, selector)() as chosen:
            slept = chosen.select(5), now()
            chosen.register(ours, selectors.EVENT_READ)
            try:
                chosen.select(5)
            except RealWait as error:
                return slept, str(error).splitlines()[-1]

    with ours, theirs:
        assert submit(selects).get() == [[[], 5.0], '  If that is meant: sim.allow("select")']


def test_with_files_that_are_allowed_as_much_virtual_time_passes_as_was_waited_for_in_vain(sim, submit):
    ours, theirs = socket.socketpair()
    sim.allow("select")

    def selects():
        poller = select.poll()
        poller.register(ours)
        poller.modify(ours, select.POLLIN)
        return select.select([ours], [], [], 0.05)[0], now(), poller.poll(50), now()

    with ours, theirs:
        assert submit(selects).get() == [[], pytest.approx(0.05, abs=1e-5), [], pytest.approx(0.1, abs=1e-5)]


ENDLESS = [sys.executable, "-c", "import time; print('begun', flush=True); time.sleep(60)"]


@pytest.mark.parametrize("waits", ["wait", "communicate", "run"])
def test_a_subprocess_that_does_not_end_in_time_costs_that_much_virtual_time(sim, submit, waits):
    sim.allow("subprocess")

    def runs():
        try:
            if waits == "run":
                subprocess.run(ENDLESS, timeout=0.05, capture_output=True)
            with subprocess.Popen(ENDLESS, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
                try:
                    getattr(process, waits)(timeout=0.05)
                finally:
                    process.kill()
        except subprocess.TimeoutExpired as error:
            return error.timeout, now()

    timeout, passed = submit(runs).get()
    assert timeout == 0.05
    assert passed == pytest.approx(0.05, abs=1e-5)


@pytest.mark.parametrize("waits", ["wait", "communicate", "run"])
def test_a_subprocess_that_ends_in_time_costs_no_virtual_time(sim, submit, waits):
    sim.allow("subprocess")
    command = [sys.executable, "-c", "print('ran')"]

    def runs():
        if waits == "run":
            return subprocess.run(command, timeout=60, capture_output=True).stdout, now()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        ended = getattr(process, waits)(timeout=60)
        output = process.stdout.read() if waits == "wait" else ended[0]
        process.stdout.close()
        process.stderr.close()
        return output, now()

    output, passed = submit(lambda: [part.decode() if isinstance(part, bytes) else part for part in runs()]).get()
    assert (output, passed) == ("ran\n", 0.0)


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("starts", ["Process", "Pool", "executor"])
def test_multiprocessing_in_a_task_is_a_named_error(sim, submit, method, starts):
    context = multiprocessing.get_context(method)

    def forks():
        if starts == "Process":
            context.Process(target=print).start()
        elif starts == "Pool":
            context.Pool(1)
        else:
            ProcessPoolExecutor(1, mp_context=context).submit(print)

    with pytest.raises(RealWait) as caught:
        submit(forks).get()
    first, line, last = str(caught.value).splitlines()
    said = "a task starts a process by multiprocessing, which takes real time, and virtual time stands still meanwhile"
    assert first == said
    assert line.startswith("  at test_what_is_real.py:")
    assert last == '  If that is meant: sim.allow("subprocess")'
