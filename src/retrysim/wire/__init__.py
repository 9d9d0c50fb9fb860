"""Carries a fake's answer to an HTTP client: the client's own code runs, from the request to the exception."""

from retrysim.wire.handler import Find, Handler
from retrysim.wire.interceptor import Interceptor

__all__ = ["Find", "Handler", "Interceptor"]
