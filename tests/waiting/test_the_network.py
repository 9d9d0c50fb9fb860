"""Nothing leaves by the network: whoever opens a connection, sends a datagram or looks up a name, in or beside a task."""

import _socket
import asyncio
import ctypes
import os
import socket
import subprocess
import sys
import syslog
import threading
import urllib.request
from functools import partial
from pathlib import Path

import pytest
from celery import Celery, signals

from retrysim import Simulation, UnservedHost
from retrysim.errors import RealWait, Unsupported
from retrysim.fakes import API

CAPTURED = (socket.socket.connect, socket.getaddrinfo, os.fork, os.execv)  # where no name leads to


def udp():
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


async def opens_a_datagram_endpoint():
    await asyncio.get_running_loop().create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=("192.0.2.7", 53))


async def connects_a_socket():
    with socket.socket() as opened:
        opened.setblocking(False)
        await asyncio.get_running_loop().sock_connect(opened, ("192.0.2.7", 53))


async def looks_up():
    await asyncio.get_running_loop().getaddrinfo("db.invalid", 53)


LEAVES = {
    "sendto": (lambda: udp().sendto(b"x", ("192.0.2.7", 53)), "192.0.2.7:53"),
    "sendmsg": (lambda: udp().sendmsg([b"x"], [], 0, ("192.0.2.7", 53)), "192.0.2.7:53"),
    "connect_udp": (lambda: udp().connect(("192.0.2.7", 53)), "192.0.2.7:53"),
    "connect_ex": (lambda: socket.socket().connect_ex(("192.0.2.7", 53)), "192.0.2.7:53"),
    "connect_c": (lambda: _socket.socket().connect(("192.0.2.7", 53)), "192.0.2.7:53"),
    "connect_kept": (lambda: CAPTURED[0](socket.socket(), ("192.0.2.7", 53)), "192.0.2.7:53"),
    "connect_6": (lambda: socket.socket(socket.AF_INET6).connect(("2001:db8::7", 53)), "2001:db8::7:53"),
    "connect_unix": (lambda: socket.socket(socket.AF_UNIX).connect("/run/db.sock"), "/run/db.sock"),
    "syslog": (lambda: syslog.syslog("x"), "/dev/log"),
    "create_connection": (lambda: socket.create_connection(("db.invalid", 53)), "db.invalid:53"),
    "getaddrinfo_kept": (lambda: CAPTURED[1]("db.invalid", 53), "db.invalid:53"),
    "gethostbyname": (lambda: socket.gethostbyname("db.invalid"), "db.invalid"),
    "gethostbyname_ex": (lambda: socket.gethostbyname_ex("db.invalid"), "db.invalid"),
    "gethostbyaddr": (lambda: socket.gethostbyaddr("192.0.2.7"), "192.0.2.7"),
    "getfqdn": (lambda: socket.getfqdn("db.invalid"), "db.invalid"),
    "getnameinfo": (lambda: socket.getnameinfo(("192.0.2.7", 53), 0), "192.0.2.7"),
    "asyncio_datagram": (lambda: asyncio.run(opens_a_datagram_endpoint()), "192.0.2.7:53"),
    "asyncio_connect": (lambda: asyncio.run(connects_a_socket()), "192.0.2.7:53"),
    "asyncio_getaddrinfo": (lambda: asyncio.run(looks_up()), "db.invalid:53"),
}


@pytest.mark.parametrize("way", LEAVES)
def test_what_would_leave_a_task_is_refused_before_it_does(sim, submit, way):
    leaves, host = LEAVES[way]

    with pytest.raises(UnservedHost) as caught:
        submit(lambda: leaves() and None).get()

    first, line, remedy = str(caught.value).splitlines()
    assert first == f"a task opens a real socket to {host}"
    assert line.startswith(
        "  at " if way == "asyncio_getaddrinfo" else "  at test_the_network.py:"
    )  # its thread's line
    assert remedy == f'  Serve the host by a fake, or let it be real: sim.allow("{host}")'


@pytest.fixture
def made_before():
    """A connection that was opened before the simulation: its ends, and a look at what arrived at the other one."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname(), timeout=5) as ours,
        server.accept()[0] as theirs,
    ):
        theirs.setblocking(False)
        yield ours, theirs


def arrived_at(end):
    try:
        return end.recv(100)
    except BlockingIOError:
        return b""


def send_a_file(sock):
    with Path(__file__).open("rb") as file:
        sock.sendfile(file)


USES = {
    "send": lambda sock: sock.send(b"x"),
    "sendall": lambda sock: sock.sendall(b"x"),
    "sendmsg": lambda sock: sock.sendmsg([b"x"]),
    "sendfile": send_a_file,
    "recv": lambda sock: sock.recv(1),
    "recv_into": lambda sock: sock.recv_into(bytearray(1)),
    "recvfrom": lambda sock: sock.recvfrom(1),
    "os.write": lambda sock: os.write(sock.fileno(), b"x"),
    "os.writev": lambda sock: os.writev(sock.fileno(), [b"x"]),
    "os.read": lambda sock: os.read(sock.fileno(), 1),
    "makefile": lambda sock: sock.makefile("wb", buffering=0).write(b"x"),
}


@pytest.mark.parametrize("way", USES)
def test_a_socket_connected_before_the_simulation_is_refused_where_a_task_uses_it(made_before, sim, submit, way):
    ours, theirs = made_before
    port = ours.getpeername()[1]

    with pytest.raises(UnservedHost, match=f"a task uses a real socket to 127.0.0.1:{port}\n  at test_the_network.py"):
        submit(lambda: USES[way](ours) and None).get()

    assert arrived_at(theirs) == b""


@pytest.mark.parametrize("pool", ["solo", "threads", "gevent"])
def test_it_is_refused_in_each_pool(made_before, pool):
    ours, theirs = made_before
    app = Celery(broker="memory://", backend="redis://nobody.example/1", set_as_current=False)

    @app.task(name="send", shared=False)
    def send():
        ours.sendall(b"x")

    with Simulation() as sim:
        sim.start_worker(app, pool=pool)
        with pytest.raises(UnservedHost, match="a task uses a real socket"):
            send.delay().get()

    assert arrived_at(theirs) == b""


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "db.internal"])
def test_it_is_used_where_its_host_or_a_name_with_its_port_is_allowed(made_before, sim, submit, host):
    ours, theirs = made_before
    sim.allow(f"{host}:{ours.getpeername()[1]}")

    submit(lambda: ours.sendall(b"x")).get()

    assert arrived_at(theirs) == b"x"


def test_the_test_uses_its_own_socket(made_before, sim, submit):
    ours, theirs = made_before

    ours.sendall(b"x")

    assert arrived_at(theirs) == b"x"


def test_a_connection_that_a_program_accepts_is_used(sim):
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        client.connect(server.getsockname())

        def serve():
            with server.accept()[0] as accepted:
                accepted.sendall(b"x")

        sim.start_program(serve)
        sim.run()

        assert client.recv(1) == b"x"


def test_a_datagram_to_a_host_that_is_allowed_arrives(sim, submit):
    with udp() as server:
        server.bind(("127.0.0.1", 0))
        address = server.getsockname()
        sim.allow(f"127.0.0.1:{address[1]}")

        submit(lambda: udp().sendto(b"hello", address)).get()

        assert server.recv(5) == b"hello"


def test_what_needs_no_look_up_is_answered(sim, submit):
    def asks():
        own = socket.gethostname()
        return [
            socket.getfqdn() == own,
            socket.gethostbyname(own),
            socket.gethostbyname("192.0.2.7"),
            socket.getaddrinfo("192.0.2.7", 80, type=socket.SOCK_STREAM)[0][4][0],
        ]

    assert submit(asks).get() == [True, "127.0.0.1", "192.0.2.7", "192.0.2.7"]


def test_a_served_host_resolves_to_a_public_address_that_leads_to_the_fake(sim, submit):
    import ipaddress

    fake = sim.serve(API("http://crm.acme.io", answer={"ok": True}))

    def guards_and_calls():
        address = socket.getaddrinfo("crm.acme.io", 80, type=socket.SOCK_STREAM)[0][4][0]
        assert ipaddress.ip_address(address).is_global
        with urllib.request.urlopen(f"http://{address}/", timeout=5) as answer:
            body = answer.read().decode()
        return [address, socket.gethostbyname("crm.acme.io"), socket.gethostbyaddr(address)[0], body]

    address, same, name, body = submit(guards_and_calls).get()
    assert (same, name, body) == (address, "crm.acme.io", '{"ok":true}')
    assert len(fake.calls) == 1
    with pytest.raises(UnservedHost, match=r"the address of crm\.acme\.io, which is served to HTTP clients"):
        submit(lambda: socket.create_connection((address, 80))).get()


ELSEWHERE = [
    "before_task_publish",
    "worker_init",
    "worker_process_init",
    "worker_ready",
    "task_received",
    "task_prerun",
]


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_receiver_of_a_signal_reaches_no_more_than_a_task(app, name):
    def receives(**_):
        socket.create_connection(("db.invalid", 5432))

    @app.task(name="call", shared=False)
    def call():
        pass

    getattr(signals, name).connect(receives)
    try:
        with Simulation() as sim, pytest.raises(UnservedHost) as caught:  # noqa: PT012 - whichever of them sends it
            sim.start_worker(app)
            call.delay()
            sim.run()
    finally:
        getattr(signals, name).disconnect(receives)
    assert str(caught.value).startswith(
        f"a receiver of {name} opens a real socket to db.invalid:5432\n  at test_the_network.py:"
    )


def test_beat_and_the_end_of_a_worker_reach_no_more_than_a_task(app):
    def receives(**_):
        socket.create_connection(("db.invalid", 5432))

    for signal in (signals.beat_init, signals.worker_shutdown):
        signal.connect(receives)
        try:
            with pytest.raises(UnservedHost, match="a receiver of"), Simulation() as sim:  # noqa: PT012
                if signal is signals.beat_init:
                    sim.start_beat(app)
                    sim.run_for(10)
                else:
                    sim.start_worker(app).stop()
        finally:
            signal.disconnect(receives)


def test_a_program_reaches_no_more_than_a_task():
    with pytest.raises(UnservedHost) as caught, Simulation(broker="memory") as sim:
        sim.start_program(lambda: socket.create_connection(("db.invalid", 5432)), name="monitor")
    assert str(caught.value).startswith("the program 'monitor' opens a real socket to db.invalid:5432\n  at test_the_")


def test_celerys_own_eager_mode_reaches_no_more_than_a_task(sim, app):
    @app.task(name="call", shared=False)
    def call():
        socket.create_connection(("db.invalid", 5432))

    sim.run_always_eagerly(app)
    with pytest.raises(UnservedHost):
        call.delay().get()


def test_the_test_itself_may_call_whom_it_likes(sim, app):
    sim.start_worker(app)
    with socket.create_server(("127.0.0.1", 0)) as server, udp() as client:
        client.sendto(b"x", server.getsockname())
        assert socket.gethostbyname("localhost") == "127.0.0.1"


# -- programs ----------------------------------------------------------------------------------------------------------

SPAWNS = {
    "execv": lambda: os.execv(sys.executable, [sys.executable, "-c", ""]),
    "execlp": lambda: os.execlp("true", "true"),
    "spawnv": lambda: os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-c", ""]),
    "fork": lambda: os.fork(),
    "fork_kept": lambda: CAPTURED[2](),
    "forkpty": lambda: os.forkpty(),
    "pty": lambda: __import__("pty").spawn("true"),
    "system": lambda: os.system("true"),
    "popen": lambda: os.popen("true"),
    "posix_spawn": lambda: os.posix_spawn(sys.executable, [sys.executable, "-c", ""], {}),
}


@pytest.mark.parametrize("way", SPAWNS)
def test_no_way_to_start_or_become_another_program_is_open(sim, submit, way):
    with pytest.raises(RealWait) as caught:
        submit(lambda: SPAWNS[way]() and None).get()
    assert str(caught.value).splitlines()[0].startswith("a task ")
    assert str(caught.value).endswith('sim.allow("subprocess")')


def test_an_exec_that_went_round_every_name_is_refused(sim, submit):
    sim.allow("subprocess")

    with pytest.raises(Unsupported, match="by a function that was kept from before the simulation"):
        submit(lambda: CAPTURED[3](sys.executable, [sys.executable, "-c", ""])).get()


@pytest.mark.parametrize("name", ["_exit", "kill", "connect"])
def test_a_c_function_that_goes_below_python_is_refused_when_it_is_looked_up(sim, submit, name):
    with pytest.raises(Unsupported) as caught:
        submit(lambda: getattr(ctypes.CDLL(None), name) and None).get()
    assert str(caught.value).startswith(
        f"a task looks up the C function {name} by ctypes, for which nothing here can stand in\n  at test_the_network.py:"
    )


def test_an_exec_that_is_allowed_runs_beside_the_test_and_ends_the_child_as_the_program_ended(sim, submit, tmp_path):
    sim.allow("subprocess")
    written = tmp_path / "written"
    code = f"import sys; open({str(written)!r}, 'w').write('here'); sys.exit(7)"

    with pytest.raises(Exception, match="Worker exited prematurely: exitcode 7 Job: 0"):
        submit(lambda: os.execv(sys.executable, [sys.executable, "-c", code])).get()
    assert written.read_text() == "here"


def test_a_fork_that_is_allowed_has_a_child_that_is_real_and_plays_no_simulation(sim, submit, tmp_path):
    sim.allow("subprocess")

    def forks(end):
        pid = os.fork()
        if pid == 0:
            Path(tmp_path / "child").write_text(f"{threading.main_thread().ident}")
            end()
            return None  # the task's own end, in the child: it goes no further
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    assert submit(partial(forks, lambda: os._exit(5))).get() == 5
    assert submit(partial(forks, lambda: None)).get() == 0
    assert Path(tmp_path / "child").read_text() == f"{threading.main_thread().ident}"


# -- imports -----------------------------------------------------------------------------------------------------------


def test_an_import_in_a_task_may_do_what_an_import_does(sim, submit, tmp_path, monkeypatch):
    (tmp_path / "finds_a_library.py").write_text(
        "import subprocess, sys, threading, _thread\n"
        "FOUND = subprocess.run([sys.executable, '-c', 'print(7)'], capture_output=True, text=True, timeout=60).stdout\n"
        "_thread.start_new_thread(lambda: None, ())\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))

    def imports():
        import finds_a_library

        return finds_a_library.FOUND

    assert submit(imports).get() == "7\n"
    with pytest.raises(RealWait):
        submit(lambda: subprocess.run([sys.executable, "-c", ""])).get()


def test_remote_procedures_of_grpc_are_refused_before_its_core_connects(sim, submit):
    grpc = pytest.importorskip("grpc")
    channel = grpc.insecure_channel("127.0.0.1:1")  # made by the test: nothing connects before the first call
    kept = channel.unary_unary("/service/procedure")

    async def asynchronous():
        async with grpc.aio.insecure_channel("dns:///db.invalid:443") as channel:
            await channel.unary_unary("/service/procedure")(b"")

    calls = {
        "127.0.0.1:1": lambda: kept(b"", timeout=1),
        "db.invalid:443": lambda: asyncio.run(asynchronous()),
    }
    for host, call in calls.items():
        with pytest.raises(UnservedHost, match=f"a task opens a real socket to {host}"):
            submit(call).get()
