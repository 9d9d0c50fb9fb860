"""Where the line that runs now is: on which host, on which thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from retrysim.kernel.thread import Thread


class Standpoint:
    """The host and the thread that have control; whoever keeps something for each of them is told of every change."""

    def __init__(self, ident: int) -> None:
        #: the thread of whoever is no process: the test itself
        self.main_thread = Thread(ident, "the test")
        self._host: object = None
        self._thread = self.main_thread
        #: told whenever control goes to another host; ``None`` is the test itself
        self.on_host: Callable[[object], None] = _nobody
        #: told whenever control goes to another thread
        self.on_thread: Callable[[Thread], None] = _nobody

    def enter(self, host: object, thread: Thread) -> None:
        if host is not self._host:
            self._host = host
            self.on_host(host)
        if thread is not self._thread:
            self._thread = thread
            self.on_thread(thread)

    def leave(self) -> None:
        """Go back to the test itself."""
        self.enter(None, self.main_thread)

    @property
    def thread(self) -> Thread:
        """The thread that has control."""
        return self._thread

    @property
    def is_main_thread(self) -> bool:
        """Whether what runs has the test's own ``threading.local``s: the test, and what it runs eagerly."""
        return self._thread is self.main_thread

    @contextmanager
    def on(self, thread: Thread) -> Iterator[None]:
        """Run a block, which must not wait, on another thread; then control is where it was."""
        before = self._thread
        self.enter(self._host, thread)
        try:
            yield
        finally:
            self.enter(self._host, before)


def _nobody(_told: object) -> None:
    pass
