"""While a program or a thread that the test has started lives in real time, real time passes for a sleep of the test."""

import asyncio
import http.server
import os
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

from retrysim.patches import companions

PROGRAM = "import sys; print('up', flush=True); sys.stdin.read()"


def would_sleep_for_real(sim, monkeypatch, seconds=60):
    """Whether a sleep of the test would take real time, too; here it takes none, and its virtual time."""
    before = sim.elapsed.total_seconds()
    asked = []
    monkeypatch.setattr(companions.Companions, "lives", property(lambda self: asked.append(LIVES(self)) and False))
    time.sleep(seconds)
    monkeypatch.undo()
    assert sim.elapsed.total_seconds() - before == seconds
    return asked == [True]


LIVES = companions.Companions.lives.fget


def test_a_sleep_is_real_while_a_program_of_the_test_runs(sim, monkeypatch):
    program = subprocess.Popen([sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    program.stdout.readline()

    while_it_runs = would_sleep_for_real(sim, monkeypatch)
    program.communicate()

    assert while_it_runs
    assert not would_sleep_for_real(sim, monkeypatch)


def test_a_sleep_is_real_while_a_server_of_the_test_runs(sim, monkeypatch):
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()

    while_it_runs = would_sleep_for_real(sim, monkeypatch)
    server.shutdown()
    thread.join()
    server.server_close()

    assert while_it_runs
    assert not would_sleep_for_real(sim, monkeypatch)


def test_a_program_that_somebody_else_has_waited_for_lives_no_more(sim, monkeypatch):
    program = subprocess.Popen([sys.executable, "-c", "pass"])
    os.waitpid(program.pid, 0)

    assert not would_sleep_for_real(sim, monkeypatch)
    program.returncode = 0


def test_a_test_that_polls_for_its_program_finds_it_before_the_deadline(sim, tmp_path):
    made = tmp_path / "made"
    program = subprocess.Popen([sys.executable, "-c", f"import json; open({str(made)!r}, 'w').close()"])
    deadline = time.monotonic() + 30

    while not made.exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    program.wait()


def test_a_sleep_beside_nothing_real_asks_for_no_time(sim, monkeypatch):
    assert not would_sleep_for_real(sim, monkeypatch)


def test_an_event_loop_of_the_test_waits_for_a_thread_of_the_test(sim):
    async def ask():
        loop = asyncio.get_running_loop()
        answer = loop.create_future()

        def work():
            subprocess.run([sys.executable, "-c", "import json"], check=True)
            loop.call_soon_threadsafe(answer.set_result, 42)

        threading.Thread(target=work).start()
        return await answer

    assert asyncio.run(ask()) == 42
    assert sim.elapsed.total_seconds() == 0


def test_a_thread_may_wake_an_event_loop_that_has_just_closed(sim):
    loop = asyncio.new_event_loop()
    own_pipe = loop._csock
    loop._csock = SimpleNamespace(send=lambda _byte: loop.close(), close=own_pipe.close)  # so fast it may be

    loop.call_soon_threadsafe(print)

    assert loop.is_closed()
