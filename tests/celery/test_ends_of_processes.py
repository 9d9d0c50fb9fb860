"""What ends a process, or sends it a signal, in a task: the outcomes are those of real workers (Celery 5.7, billiard 4.3)."""

import _thread
import atexit
import faulthandler
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from functools import partial
from itertools import count
from pathlib import Path

import pytest
from billiard import VERSION as BILLIARD
from celery import Celery

from retrysim.errors import AppError, SimulationError, Unsupported
from retrysim.simulation import Simulation
from retrysim.trace import WorkerStopped

NUMBERS = count()
LINES = []
CAPTURED = {"abort": os.abort}


@pytest.fixture(autouse=True)
def no_lines():
    LINES.clear()


@pytest.fixture
def sim():
    with Simulation(broker="redis") as simulation:
        yield simulation


@pytest.fixture
def play(sim):
    """``play(function, pool)``: how the task ended, how the one after it ended, and how the worker did."""

    def play(function, pool="prefork"):
        app = Celery(f"ends{next(NUMBERS)}", broker="redis://nobody.example/0", set_as_current=False)
        app.conf.result_backend = "redis://nobody.example/1"

        @app.task(name="call", shared=False)
        def call():
            try:
                return function()
            finally:
                LINES.append("finally")

        @app.task(name="after", shared=False)
        def after():
            return "ok"

        sim.start_worker(app, pool=pool)
        result = call.delay()
        sim.run_for(30)
        next_one = after.delay()
        sim.run_for(30)
        ended = repr(result.result) if result.state in ("SUCCESS", "FAILURE") else result.state
        return ended, next_one.state, [event.how for event in sim.trace if isinstance(event, WorkerStopped)]

    return play


def lost(how):
    return f"WorkerLostError('Worker exited prematurely: {how} Job: 0.')", "SUCCESS", []


WAYS = {
    "os._exit": (lambda: os._exit(3), lost("exitcode 3"), "died"),
    "abort": (lambda: CAPTURED["abort"](), lost("signal 6 (SIGABRT)"), "died"),
    "SIGKILL": (lambda: os.kill(os.getpid(), signal.SIGKILL), lost("signal 9 (SIGKILL)"), "killed"),
    "SIGUSR2": (lambda: os.kill(os.getpid(), signal.SIGUSR2), lost("signal 12 (SIGUSR2)"), "died"),
    "SIGALRM": (lambda: os.kill(0, signal.SIGALRM) or time.sleep(1), None, "died"),
    "raise_signal": (lambda: signal.raise_signal(signal.SIGSEGV), lost("signal 11 (SIGSEGV)"), "died"),
    "pidfd": (lambda: by_a_pidfd(signal.SIGKILL), lost("signal 9 (SIGKILL)"), "killed"),
    "faulthandler": (lambda: faulthandler._sigsegv(), lost("signal 11 (SIGSEGV)"), "died"),
    "thread": (lambda: in_a_thread(lambda: os._exit(4)), lost("exitcode 4"), "died"),
    "watchdog": (lambda: faulthandler.dump_traceback_later(5, exit=True) or time.sleep(9), lost("exitcode 1"), "died"),
}  # fmt: skip


def note(where, what):
    where.append(what)


def by_a_pidfd(number):
    pidfd = os.pidfd_open(os.getpid())
    try:
        signal.pidfd_send_signal(pidfd, number)
    finally:
        os.close(pidfd)


def in_a_thread(function):
    thread = threading.Thread(target=function)
    thread.start()
    thread.join()


@pytest.mark.parametrize(
    ("pool", "way"),
    [*(("prefork", way) for way in WAYS), *(("solo", way) for way in WAYS)]
    + [(pool, way) for pool in ("threads", "gevent") for way in ("os._exit", "SIGKILL", "thread")],
)
def test_what_ends_a_process_ends_a_pools_child_or_the_worker_and_never_the_test(play, way, pool):
    function, of_a_child, of_a_worker = WAYS[way]
    if way == "SIGUSR2" and pool == "prefork" and BILLIARD < (4, 3):
        pytest.skip("billiard 4.2 handles SIGUSR2 as it does SIGTERM")

    outcome = play(function, pool)

    if pool == "prefork" and of_a_child is not None:
        assert outcome == of_a_child
    else:  # a signal to the group reaches the worker of a prefork pool, too
        assert outcome == ("PENDING", "PENDING", [of_a_worker])
    assert LINES == []


@pytest.mark.parametrize(
    ("number", "ended"),
    [
        (signal.SIGTERM, "WorkerLostError('Worker exited prematurely: signal 15 (SIGTERM) Job: 0.')"),
        (signal.SIGHUP, "WorkerLostError('Worker exited prematurely: exitcode 70 Job: 0.')"),
        (signal.SIGQUIT, "WorkerLostError('Worker exited prematurely: exitcode 70 Job: 0.')"),
        (signal.SIGUSR1, "SoftTimeLimitExceeded()"),
        (signal.SIGINT, "None"),
        (signal.SIGPIPE, "None"),
        (signal.SIGCHLD, "None"),
    ],
)
def test_a_signal_of_a_pools_child_to_itself_is_handled_as_billiard_handles_it(play, number, ended):
    outcome = play(lambda: os.kill(os.getpid(), number))

    assert outcome == (ended, "SUCCESS", [])
    assert LINES == ["finally"]


@pytest.mark.parametrize(
    ("pool", "sends", "after", "stopped"),
    [
        ("prefork", lambda: os.kill(os.getppid(), signal.SIGTERM), "PENDING", ["warm"]),
        ("prefork", lambda: os.kill(os.getppid(), signal.SIGQUIT), "PENDING", ["cold"]),
        ("prefork", lambda: os.kill(os.getppid(), signal.SIGUSR1), "SUCCESS", []),
        ("prefork", lambda: os.kill(os.getppid(), signal.SIGHUP), "SUCCESS", ["warm"]),  # starts anew
        ("solo", lambda: os.kill(os.getpid(), signal.SIGTERM), "PENDING", ["warm"]),
        ("solo", lambda: os.kill(os.getpid(), signal.SIGHUP), "SUCCESS", ["warm"]),
        ("threads", lambda: signal.pthread_kill(threading.get_ident(), signal.SIGTERM), "PENDING", ["warm"]),
        ("threads", lambda: _thread.interrupt_main(), "PENDING", ["died"]),  # SIGINT: Celery exits with 1
        ("solo", lambda: os.killpg(os.getpgrp(), signal.SIGTERM), "PENDING", ["warm"]),
    ],
)
def test_a_signal_to_the_workers_main_process_is_handled_as_celery_handles_it(play, pool, sends, after, stopped):
    assert play(sends, pool) == ("None", after, stopped)


def test_sigkill_to_the_parent_kills_worker_and_pool(play):
    assert play(lambda: os.kill(os.getppid(), signal.SIGKILL)) == ("PENDING", "PENDING", ["killed"])
    assert LINES == []


def test_a_signal_to_a_process_outside_of_the_simulation_is_refused(play):
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        ended, _, _ = play(lambda: os.kill(other.pid, signal.SIGTERM))
        other.stdin.close()

    assert ended.startswith(
        f"RealWait('a task sends SIGTERM to process {other.pid}, which is none of the simulation\\n  at test_ends_of_"
    )
    assert other.returncode != -signal.SIGTERM


class Finalized:
    """Does something when it is freed."""

    def __init__(self, function):
        self.function = function

    def __del__(self):
        try:
            self.function()
        except Exception as error:
            LINES.append(type(error).__name__)


REAL = {
    "a signal": (lambda _: os.kill(os.getpid(), signal.SIGUSR2), "Unsupported"),
    "an alarm": (lambda _: signal.alarm(1), "Unsupported"),
    "a directory": (lambda _: os.chdir("/"), "Unsupported"),
    "a program": (lambda _: subprocess.run(["true"], check=True), "RealWait"),
    "a fork": (lambda _: os.fork(), "Unsupported"),
    "a connection": (lambda port: socket.socket().connect(("127.0.0.1", port)), "UnservedHost"),
    "a datagram": (lambda port: udp().sendto(b"x", ("127.0.0.1", port)), "UnservedHost"),
}


@pytest.mark.parametrize("pool", ["prefork", "solo", "threads", "gevent"])
@pytest.mark.parametrize("what", REAL)
def test_a_finalizer_of_a_task_that_never_ended_does_nothing_real(pool, what):
    """A process that is killed runs no finalizers. Here they run when the simulation ends, and frees what it held."""
    does, error = REAL[what]
    received, directory = [], Path.cwd()
    before = signal.signal(signal.SIGUSR2, lambda *_: received.append("signal"))
    app = Celery(f"ends{next(NUMBERS)}", broker="redis://nobody.example/0", set_as_current=False)
    with udp() as other:
        other.bind(("127.0.0.1", 0))
        other.setblocking(False)
        port = other.getsockname()[1]

        @app.task(name="wait", shared=False)
        def wait():
            _held = Finalized(partial(does, port))
            time.sleep(10**6)

        with Simulation() as sim:
            sim.start_worker(app, pool=pool)
            wait.delay()
            sim.run_for(30)
            sim.leave_workers()
        signal.signal(signal.SIGUSR2, before)

        with pytest.raises(BlockingIOError):
            other.recv(1)
    assert [error] == LINES
    assert received == []
    assert Path.cwd() == directory


def udp():
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


@pytest.mark.parametrize("broker", ["redis", "memory"])
def test_a_handler_of_a_task_is_its_processs_own_and_ends_with_it(broker):
    before = signal.getsignal(signal.SIGUSR2)
    seen = []

    def installs():
        signal.signal(signal.SIGUSR2, lambda number, frame: seen.append((number, frame.f_code.co_name)))
        os.kill(os.getpid(), signal.SIGUSR2)

    with Simulation(broker=broker) as sim:
        app = Celery("handlers", broker="redis://nobody.example/0", set_as_current=False)
        app.task(installs, name="installs", shared=False)
        sim.start_worker(app)
        app.tasks["installs"].delay()
        sim.run()
        assert signal.getsignal(signal.SIGUSR2) is before

    assert seen == [(signal.SIGUSR2, "installs")]
    assert signal.getsignal(signal.SIGUSR2) is before


@pytest.mark.parametrize("rings", ["alarm", "setitimer"])
@pytest.mark.parametrize("pool", ["prefork", "solo"])
def test_an_alarm_rings_in_virtual_time_and_ends_what_waits(play, sim, rings, pool):
    def times_out():
        def raises(number, frame):
            raise TimeoutError("too long")

        signal.signal(signal.SIGALRM, raises)
        getattr(signal, rings)(*((signal.ITIMER_REAL,) if rings == "setitimer" else ()), 10)
        before = time.monotonic()
        try:
            time.sleep(60)
        except TimeoutError:
            return time.monotonic() - before, signal.alarm(0)

    assert play(times_out, pool)[0] == "[10.0, 0]"


def test_an_alarm_without_a_handler_kills_the_child_at_its_instant(play, sim):
    ended, after, _ = play(lambda: signal.alarm(10) or time.sleep(60))

    assert ended == "WorkerLostError('Worker exited prematurely: signal 14 (SIGALRM) Job: 0.')"
    assert after == "SUCCESS"


def test_an_alarm_that_is_taken_back_tells_what_was_left(play):
    def takes_back():
        signal.alarm(10)
        time.sleep(2.5)
        return signal.alarm(0), signal.setitimer(signal.ITIMER_REAL, 5, 1), signal.getitimer(signal.ITIMER_REAL)

    assert play(lambda: [list(part) if isinstance(part, tuple) else part for part in takes_back()])[0] == (
        "[8, [0.0, 0.0], [5.0, 1.0]]"
    )


def test_on_a_thread_no_handler_is_installed(play):
    ended, _, _ = play(lambda: signal.signal(signal.SIGALRM, print), "threads")

    assert ended == "ValueError('signal only works in main thread of the main interpreter')"


def test_masked_signals_wait_and_are_waited_for(play):
    def waits():
        came = []
        signal.signal(signal.SIGUSR2, lambda number, frame: came.append("handled"))
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2, signal.SIGALRM})
        os.kill(os.getpid(), signal.SIGUSR2)
        came.append(sorted(signal.sigpending()))
        signal.alarm(7)
        began = time.monotonic()
        came.append((signal.sigwait({signal.SIGALRM}), time.monotonic() - began))
        came.append(signal.sigtimedwait({signal.SIGALRM}, 3))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR2})
        return repr(came)

    assert play(waits)[0] == ("\"[[<Signals.SIGUSR2: 12>], (<Signals.SIGALRM: 14>, 7.0), None, 'handled']\"")


def test_what_a_task_registers_for_the_exit_of_its_interpreter_is_not_called_by_the_tests(sim):
    called = []
    app = Celery("leaves", broker="redis://nobody.example/0", set_as_current=False)
    before = atexit._ncallbacks()

    @app.task(name="call", shared=False)
    def call(pool):
        atexit.register(note, called, pool)

    for pool in ("solo", "prefork"):
        with sim.start_worker(app, pool=pool):
            call.delay(pool)
            sim.run()

    assert called == ["solo"]  # a worker's interpreter calls it, a pool's child ends by os._exit
    assert atexit._ncallbacks() == before


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda: os._exit(3), "a task exits with code 3, and with it the test"),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), "a task is ended by SIGTERM, and with it the test"),
        (lambda: os.killpg(0, signal.SIGKILL), "a task is ended by SIGKILL, and with it the test"),
    ],
)
def test_what_runs_eagerly_cannot_end_the_test(sim, function, message):
    app = Celery("eager", broker="memory://", backend="cache+memory://", set_as_current=False)

    @app.task(name="call", shared=False)
    def call():
        function()

    sim.run_eagerly(app)
    result = call.delay()

    with pytest.raises(Unsupported) as caught:
        result.get()
    first, where, remedy = str(caught.value).splitlines()
    assert first == f"{message}: it runs in the test's own process"
    assert where.startswith("  at test_ends_of_processes.py:")
    assert remedy == "  Let a worker run it, whose process is simulated: sim.start_worker(app)"


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt()])
def test_what_is_raised_eagerly_to_end_the_interpreter_is_an_error_of_the_run(sim, error):
    app = Celery("eager", broker="memory://", backend="cache+memory://", set_as_current=False)

    @app.task(name="call", shared=False)
    def call():
        raise error

    sim.run_eagerly(app)
    with pytest.raises(SimulationError, match=r"call\[.*\] raises .*, which would end the process that plays"):
        call.delay()


def test_a_program_that_exits_ends_and_nothing_else_does(sim):
    program = sim.start_program(lambda: os._exit(3), name="monitor")
    assert not program.running

    sleeper = sim.start_program(lambda: (signal.alarm(5) and None) or time.sleep(60), name="sleeper")
    sim.run_for(4)
    assert sleeper.running
    sim.run_for(2)
    assert not sleeper.running


def test_a_keyboard_interrupt_of_a_program_is_told_as_its_end(sim):
    def interrupts():
        raise KeyboardInterrupt

    with pytest.raises(AppError, match="the program 'interrupts' ended with KeyboardInterrupt"):
        sim.start_program(interrupts)


def test_the_functions_are_the_real_ones_afterwards():
    modules = (os, signal, faulthandler, atexit, _thread)
    before = [dict(vars(module)) for module in modules]
    with pytest.raises(KeyError), Simulation():  # noqa: PT012 - what is undone is what was raised in
        assert [dict(vars(module)) for module in modules] != before
        raise KeyError
    assert [dict(vars(module)) for module in modules] == before
