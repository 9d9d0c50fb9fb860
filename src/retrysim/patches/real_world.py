"""Guards what leads a task out of the simulation: sockets to hosts, name look-ups, subprocesses."""

from __future__ import annotations

import os
import socket
import subprocess
from typing import Any

from retrysim.errors import UnservedHost
from retrysim.patches.places import call_site, module_of_caller
from retrysim.patches.reality import DATABASE_DRIVERS, SUBPROCESS, Reality
from retrysim.undo import UndoStack


def guard_the_real_world(undo: UndoStack, reality: Reality) -> None:
    """Let a task reach only what is allowed, until ``undo`` is unwound."""
    for name in ("fork", "forkpty", "system", "posix_spawn", "posix_spawnp"):
        if hasattr(os, name):
            guarded = reality.guarded(getattr(os, name), f"calls os.{name}", SUBPROCESS)
            undo.set_attribute(os, name, guarded)
    _guard_popen(undo, reality)
    _guard_sockets(undo, reality)


def _guard_popen(undo: UndoStack, reality: Reality) -> None:
    real = subprocess.Popen.__init__

    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        self._child_created = False  # for __del__, when the check fails
        reality.check("starts a subprocess", SUBPROCESS)
        real(self, *args, **kwargs)

    undo.set_attribute(subprocess.Popen, "__init__", init)


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
