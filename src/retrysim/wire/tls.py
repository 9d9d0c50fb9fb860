"""SSL contexts that read their certificates when they are used, not when they are made.

Reading a bundle of certificates costs 25 to 50 ms, and urllib.request pays it for every call, although a served host
needs no TLS at all. While this is installed the reading is put off; a context that comes to wrap a real connection
catches up first, be it after the uninstallation.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from retrysim.undo import UndoStack
from retrysim.wire.memory_socket import MemorySocket

_Context = ssl.SSLContext
_BEGIN = b"-----BEGIN "
_LOOKED_AT = 65_536
_PENDING = "_retrysim_pending"


class _LateContext(_Context):
    """A context with loads put off; it becomes an ordinary one as soon as somebody uses it."""

    def wrap_socket(self, sock: Any, *args: Any, **options: Any) -> Any:
        return sock if isinstance(sock, MemorySocket) else _catch_up(self).wrap_socket(sock, *args, **options)

    def wrap_bio(self, *args: Any, **options: Any) -> Any:
        return _catch_up(self).wrap_bio(*args, **options)

    def get_ca_certs(self, *args: Any, **options: Any) -> Any:
        return _catch_up(self).get_ca_certs(*args, **options)

    def cert_store_stats(self) -> Any:
        return _catch_up(self).cert_store_stats()


def make_contexts_cheap(undo: UndoStack) -> None:
    """Put off the reading of certificates from now on, and leave sockets in memory as they are.

    ``load_default_certs`` is covered: it calls the two that are replaced here.
    """
    real_locations, real_defaults = _Context.load_verify_locations, _Context.set_default_verify_paths
    real_wrap = _Context.wrap_socket

    def load_verify_locations(self: ssl.SSLContext, cafile: Any = None, capath: Any = None, cadata: Any = None) -> None:
        if capath is None and cadata is None and _is_pem(cafile) and _can_wait(self):
            _put_off(self, partial(real_locations, cafile=cafile))
        else:
            real_locations(self, cafile=cafile, capath=capath, cadata=cadata)

    def set_default_verify_paths(self: ssl.SSLContext) -> None:
        if _can_wait(self):
            _put_off(self, real_defaults)
        else:
            real_defaults(self)

    def wrap_socket(self: ssl.SSLContext, sock: Any, *args: Any, **options: Any) -> Any:
        return sock if isinstance(sock, MemorySocket) else real_wrap(self, sock, *args, **options)

    undo.set_attribute(_Context, "wrap_socket", wrap_socket)
    undo.set_attribute(_Context, "load_verify_locations", load_verify_locations)
    undo.set_attribute(_Context, "set_default_verify_paths", set_default_verify_paths)


def _can_wait(context: ssl.SSLContext) -> bool:
    """A subclass of the user's has ways of its own: it loads at once."""
    return type(context) in (_Context, _LateContext)


def _is_pem(cafile: Any) -> bool:
    """Is it a file of certificates? Of anything else OpenSSL itself complains, at once and in its own words."""
    try:
        path = Path(os.fsdecode(cafile))
        stat = path.stat()
        return _begins_as_pem(path, stat.st_ino, stat.st_mtime_ns, stat.st_size)
    except (OSError, TypeError, ValueError):
        return False


@lru_cache(64)
def _begins_as_pem(path: Path, *_version: int) -> bool:
    """Looked into once: a client that makes a context for each call names the same file each time."""
    with path.open("rb") as file:
        return _BEGIN in file.read(_LOOKED_AT)


def _put_off(context: ssl.SSLContext, load: Callable[[ssl.SSLContext], None]) -> None:
    vars(context).setdefault(_PENDING, []).append(load)
    context.__class__ = _LateContext


def _catch_up(context: ssl.SSLContext) -> ssl.SSLContext:
    """Load what was put off. Two threads may both do it: loading twice is harmless, using it too early is not."""
    for load in vars(context).get(_PENDING, ()):
        load(context)
    context.__class__ = _Context
    vars(context).pop(_PENDING, None)
    return context
