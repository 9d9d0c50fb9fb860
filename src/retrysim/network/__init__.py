"""The simulated network: connections from hosts to servers, sockets and pollers for clients, and everything that fails.

A server does no I/O, and the time is an argument (``server.py``). A client that opens real sockets gets a ``Socket``;
one that hands over something better than bytes uses a ``Connection``. Faults belong to the ``Route`` to a server, so
they mean the same for each server.
"""

from retrysim.network.connection import Connection
from retrysim.network.network import Network
from retrysim.network.poller import READ, Events, Poller
from retrysim.network.route import Route
from retrysim.network.server import Server, Session
from retrysim.network.sockets import Socket

__all__ = ["READ", "Connection", "Events", "Network", "Poller", "Route", "Server", "Session", "Socket"]
