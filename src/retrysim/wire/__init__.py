"""Carries a fake's answer to an HTTP client: the client's own code runs, from the request to the exception."""

from retrysim.wire.handler import Find, Handler
from retrysim.wire.interceptor import Interceptor
from retrysim.wire.loopback import LoopbackServer
from retrysim.wire.served import HandlerAt, Served
from retrysim.wire.serving import serving
from retrysim.wire.wsgi import wsgi_app

__all__ = ["Find", "Handler", "HandlerAt", "Interceptor", "LoopbackServer", "Served", "serving", "wsgi_app"]
