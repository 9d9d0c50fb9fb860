"""Where the line that runs now is: on which host, on which thread."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from retrysim.kernel.host import Host
from retrysim.kernel.listeners import Listeners
from retrysim.kernel.thread import Thread


class Context:
    """The host and the thread that have control. Listeners who keep something for each are notified of every change."""

    def __init__(self, test: Host, ident: int, listeners: Listeners) -> None:
        self._test = test
        #: the thread of the test itself
        self.main_thread = Thread(ident, "the test")
        self._listeners = listeners
        self._host = test
        self._thread = self.main_thread
        self._enters = False

    def enter(self, host: Host, thread: Thread) -> None:
        if host is not self._host or self._enters:
            self._enters = True  # until it has ended: whoever enters after a signal that came between begins anew
            self._host = host
            for entered in self._listeners.host_entered:
                entered(host)
            self._enters = False
        if thread is not self._thread:
            self._thread = thread
            for switched in self._listeners.thread_entered:
                switched(thread)

    def leave(self) -> None:
        """Go back to the test itself."""
        self.enter(self._test, self.main_thread)

    @property
    def host(self) -> Host:
        """The host that has control."""
        return self._host

    @property
    def thread(self) -> Thread:
        """The thread that has control."""
        return self._thread

    @property
    def is_main_thread(self) -> bool:
        """Whether what runs has the test's own ``threading.local``s: the test, and what it runs eagerly."""
        return self._thread is self.main_thread

    @contextmanager
    def on(self, thread: Thread, host: Host | None = None) -> Iterator[None]:
        """Run a block, which must not wait, on another thread, and host; then control is where it was."""
        before = self._host, self._thread
        self.enter(host or self._host, thread)
        try:
            yield
        finally:
            self.enter(*before)
