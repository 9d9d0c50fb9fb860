"""Guards what leads out of the simulation by the network: connections, datagrams, look-ups of names; in C, by grpc.

A socket that was connected before the simulation is guarded where it is used.
"""

from __future__ import annotations

import os
import socket
import ssl
import stat
from collections.abc import Callable
from functools import partial, wraps
from types import ModuleType
from typing import Any
from weakref import WeakSet

from retrysim.errors import UnservedHost
from retrysim.patches.audit_events import guard_events
from retrysim.patches.import_watch import in_each_module
from retrysim.patches.names import is_numeric, simulated_names
from retrysim.patches.places import call_site, module_of_caller
from retrysim.patches.reality import DATABASE_DRIVERS, SELECT, SUBPROCESS, THREADS, Reality
from retrysim.patches.stand_ins import StandIns
from retrysim.undo import UndoStack

#: The methods by which a connected socket is used.
_USES = ("send", "sendall", "sendmsg", "sendfile", "recv", "recv_into", "recvfrom", "recvmsg")
_USES_OF_TLS = ("send", "recv", "recv_into", "read", "write")
#: The functions of ``os`` whose first argument may be the descriptor of one.
_USES_BY_DESCRIPTOR = ("write", "writev", "sendfile", "read", "readv")
_NO_HOSTS = {THREADS, SUBPROCESS, SELECT}
#: The ports of mail servers: SMTP, and its forms with TLS.
_MAIL = {25, 465, 587}


def guard_the_network(stand_ins: StandIns, reality: Reality) -> None:
    """Let simulated processes reach only what is allowed."""
    guard = _Guard(reality)
    simulated_names(stand_ins, reality)
    guard_events(
        stand_ins.undo,
        {
            "socket.connect": guard.reaches,
            "socket.sendto": guard.reaches,
            "socket.sendmsg": guard.reaches,
            "socket.getaddrinfo": guard.looks_up,
            "socket.gethostbyname": guard.looks_up,
            "socket.gethostbyaddr": guard.looks_up_address,
            "syslog.syslog": guard.logs,
            "socket.getnameinfo": lambda sockaddr: guard.looks_up_address(sockaddr[0]),
        },
    )
    _guard_sockets_made_before(stand_ins, guard)
    _guard_grpc(stand_ins.undo, guard)


class _Guard:
    """Decides for one simulation."""

    def __init__(self, reality: Reality) -> None:
        self._reality = reality
        self._made_since: WeakSet[socket.socket] = WeakSet()

    def is_made(self, sock: Any, *_kind: Any) -> None:
        if isinstance(sock, socket.socket):  # of the class in C no reference can be weak
            self._made_since.add(sock)

    def uses(self, sock: Any) -> None:
        """A socket that may have been connected before the simulation began."""
        if not self._reality.inside or sock in self._made_since:
            return
        try:
            address = sock.getpeername()
        except OSError:  # it is not connected
            return
        if not any(_may_lead_to(permit, address) for permit in self._reality.allowed):
            self.reaches(sock, address, does="uses")

    def uses_file(self, descriptor: Any) -> None:
        """A descriptor that may be such a socket's."""
        if not (self._reality.inside and _is_socket(descriptor)):
            return
        with socket.socket(fileno=os.dup(descriptor)) as copy:
            self._made_since.discard(copy)
            self.uses(copy)

    def reaches(self, sock: Any, address: Any, does: str = "opens") -> None:
        """A connection, or a datagram, to an address."""
        if not address or not self._reality.inside:
            return
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            if address[:2] not in self._reality.addresses:
                self.check_host(address[0], address[1], does)
                self._reality.addresses.add(address[:2])
        elif sock.family == getattr(socket, "AF_UNIX", None):
            self.check_host(os.fsdecode(address), None, does)
            self._reality.addresses.add(address)

    def looks_up(self, host: Any, port: Any = None, *_more: Any) -> None:
        """A name, unless it is an address or this machine's own."""
        name = host.decode() if isinstance(host, bytes) else host
        if not self._reality.inside or not name or is_numeric(name):
            return
        if port is not None or name != "localhost":
            self.check_host(name, port)

    def looks_up_address(self, host: Any) -> None:
        if self._reality.inside:
            self.check_host(host, None)

    def logs(self, *_message: Any) -> None:
        if self._reality.inside:
            self.check_host("/dev/log", None)

    def check_host(self, host: Any, port: Any, does: str = "opens") -> None:
        """Raise ``UnservedHost`` for a host that is not allowed."""
        reality = self._reality
        name = host.decode() if isinstance(host, bytes) else str(host)
        full = name if port is None else f"{name}:{port}"
        caller = module_of_caller().partition(".")[0]
        if caller in DATABASE_DRIVERS or reality.permits(name, full):
            return
        served = reality.host_at(name)
        at = f" (the address of {served}, which is served to HTTP clients, not to a socket)" if served else ""
        raise reality.refusal(
            UnservedHost(
                f"{reality.who} {does} a real socket to {full}{at}\n  at {call_site()}\n"
                f'  {_instead(caller, port)}, or let it be real: sim.allow("{full}")'
            )
        )

    def check_target(self, target: Any) -> None:
        """A channel's target: ``dns:///db:443``, ``unix:/run/x.sock``, ``db:443``."""
        text = target.decode() if isinstance(target, bytes) else str(target)
        if text.startswith("unix"):
            self.check_host(text.partition(":")[2], None)
            return
        host, _, port = text.rpartition("/")[2].removeprefix("ipv4:").removeprefix("dns:").rpartition(":")
        self.check_host(host or port, port if host else None)


def _guard_sockets_made_before(stand_ins: StandIns, guard: _Guard) -> None:
    undo = stand_ins.undo
    guard_events(undo, {"socket.__new__": guard.is_made})
    for name in filter(partial(hasattr, os), _USES_BY_DESCRIPTOR):
        stand_ins.put(os, name, _guarded_use(guard.uses_file, getattr(os, name)))
    for kind, uses in ((socket.socket, _USES), (ssl.SSLSocket, _USES_OF_TLS)):
        for name in uses:
            if hasattr(kind, name):
                undo.set_attribute(kind, name, _guarded_use(guard.uses, getattr(kind, name)))


def _guarded_use(check: Callable[[Any], None], real: Any) -> Any:
    @wraps(real)
    def use(*args: Any, **kwargs: Any) -> Any:
        if args:
            check(args[0])
        return real(*args, **kwargs)

    return use


def _is_socket(descriptor: Any) -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(descriptor).st_mode)
    except (OSError, TypeError):  # the real function says what is wrong with it
        return False


def _may_lead_to(permit: str, address: Any) -> bool:
    """Whether the host of a permit may be at an address: its name was looked up before, and nobody knows the answer."""
    if not isinstance(address, tuple):
        return False
    names_a_port = f":{address[1]}" in permit
    return names_a_port or not (permit in _NO_HOSTS or is_numeric(permit) or set(permit) & set(":/ "))


#: The modules of grpc whose classes connect, and the methods by which they do.
_CALLS = {
    "grpc._channel": ("__call__", "with_call", "future", "subscribe"),
    "grpc.aio._channel": ("__call__", "get_state", "__init__"),
}


def _guard_grpc(undo: UndoStack, guard: _Guard) -> None:
    """Its core is in C, and opens a connection of its own when the first procedure is called."""

    def patch(module: ModuleType) -> None:
        for kind in [value for value in vars(module).values() if isinstance(value, type)]:
            if kind.__module__ == module.__name__ and kind.__name__.endswith(("MultiCallable", "Channel")):
                for method in _CALLS[module.__name__]:
                    if method in vars(kind) and (method != "__init__" or kind.__name__ == "Channel"):
                        undo.set_attribute(kind, method, _guarded_call(guard, vars(kind)[method]))

    in_each_module(undo, _CALLS, patch)


def _instead(caller: str, port: Any) -> str:
    """What to do where the real host is not meant."""
    if caller == "redis":
        return "Let the simulated Redis answer: Simulation(redis=True)"
    if port in _MAIL:
        return "Keep mail in memory, in Django by its locmem.EmailBackend (a fake answers HTTP only)"
    return "Serve the host by a fake"


def _guarded_call(guard: _Guard, real: Any) -> Any:
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if guard._reality.inside:
            channel = getattr(self, "_channel", None)  # none, of one that is being made: its target comes first
            target = args[0] if channel is None else channel.target
            guard.check_target(target() if callable(target) else target)
        return real(self, *args, **kwargs)

    return call
