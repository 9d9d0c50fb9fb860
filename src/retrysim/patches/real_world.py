"""Guards what leads a task out of the simulation: sockets to hosts, name look-ups, subprocesses of every kind."""

from __future__ import annotations

import multiprocessing.process
import os
import socket
import subprocess
from time import monotonic, sleep
from typing import Any

from retrysim.clock import grid_ns
from retrysim.errors import UnservedHost
from retrysim.kernel import Environment
from retrysim.patches.places import call_site, module_of_caller
from retrysim.patches.reality import DATABASE_DRIVERS, SUBPROCESS, Reality
from retrysim.undo import UndoStack

#: How often a process is looked at that is waited for with a timeout, in real seconds.
_LOOK = 0.005


def guard_the_real_world(undo: UndoStack, environment: Environment, reality: Reality) -> None:
    """Let a task reach only what is allowed, until ``undo`` is unwound."""
    for name in ("fork", "forkpty", "system", "posix_spawn", "posix_spawnp"):
        if hasattr(os, name):
            guarded = reality.guarded(getattr(os, name), f"calls os.{name}", SUBPROCESS)
            undo.set_attribute(os, name, guarded)
    _guard_popen(undo, environment, reality)
    started = multiprocessing.process.BaseProcess.start
    guarded = reality.guarded(started, "starts a process by multiprocessing", SUBPROCESS)
    undo.set_attribute(multiprocessing.process.BaseProcess, "start", guarded)
    _guard_sockets(undo, reality)


def _guard_popen(undo: UndoStack, environment: Environment, reality: Reality) -> None:
    real, real_wait = subprocess.Popen.__init__, subprocess.Popen.wait

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        self._child_created = False  # for __del__, when the check fails
        reality.check("starts a subprocess", SUBPROCESS)
        real(self, *args, **kwargs)

    def wait(self: Any, timeout: float | None = None) -> int:
        """In real time, as the process lives in it; when it does not end, that much virtual time has passed, too."""
        if timeout is None or environment.over or not environment.owns_thread:
            return real_wait(self, timeout)
        until = monotonic() + timeout
        while self.poll() is None:
            if monotonic() >= until:
                environment.sleep(grid_ns(timeout))
                raise subprocess.TimeoutExpired(self.args, timeout)
            sleep(min(_LOOK, timeout))
        return int(self.returncode)

    undo.set_attribute(subprocess.Popen, "__init__", init)
    undo.set_attribute(subprocess.Popen, "wait", wait)


def _guard_sockets(undo: UndoStack, reality: Reality) -> None:
    real_look_up, real_connect, real_connect_ex = socket.getaddrinfo, socket.socket.connect, socket.socket.connect_ex

    def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        if not reality.inside_task:
            return real_look_up(host, port, *args, **kwargs)
        _check_host(reality, host, port)
        found = real_look_up(host, port, *args, **kwargs)
        reality.addresses.update((address[0], address[1]) for *_, address in found)
        return found

    def connect(self: Any, address: Any) -> None:
        _check_address(reality, address)
        real_connect(self, address)

    def connect_ex(self: Any, address: Any) -> int:
        _check_address(reality, address)
        return real_connect_ex(self, address)

    undo.set_attribute(socket, "getaddrinfo", getaddrinfo)
    undo.set_attribute(socket.socket, "connect", connect)
    undo.set_attribute(socket.socket, "connect_ex", connect_ex)


def _check_address(reality: Reality, address: Any) -> None:
    if not reality.inside_task:
        return
    if not isinstance(address, tuple):  # a Unix socket's path
        _check_host(reality, os.fsdecode(address), None)
        reality.addresses.add(address)
    elif address[:2] not in reality.addresses:
        _check_host(reality, address[0], address[1])
        reality.addresses.add(address[:2])


def _check_host(reality: Reality, host: Any, port: Any) -> None:
    name = host.decode() if isinstance(host, bytes) else str(host)
    full = name if port is None else f"{name}:{port}"
    caller = module_of_caller().partition(".")[0]
    if caller not in DATABASE_DRIVERS and not reality.permits(name, full):
        is_redis = caller == "redis"
        instead = "Let the simulated Redis answer: Simulation(redis=True)" if is_redis else "Serve the host by a fake"
        raise UnservedHost(
            f"a task opens a real socket to {full}\n  at {call_site()}\n"
            f'  {instead}, or let it be real: sim.allow("{full}")'
        )
