"""The face of a child in the process that forked it: does there what the child asks for, and lets time pass for it.

It runs in the process of the simulation (``Process``) that stands for the child. So a child that waits is a process
that waits, and a run that is to stop at an event stops at one that happened in a child.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from os import _exit, kill, waitpid, waitstatus_to_exitcode
from typing import TYPE_CHECKING, Any, NoReturn

from retrysim.kernel.condition import Condition
from retrysim.kernel.forked.inside import Link, begin_inside
from retrysim.kernel.forked.messages import ANSWER, CALL, ERROR, NOTIFIED, ORDER, QUESTION, SIGNAL, WAIT
from retrysim.kernel.forked.pipe import Pipe, portable
from retrysim.kernel.interrupts import deferred_interrupts
from retrysim.kernel.process import Process, Wait

if TYPE_CHECKING:
    from retrysim.kernel.environment import Environment
    from retrysim.kernel.forked.faces import Faces

#: What a child exits with that its kernel has failed in (``EX_SOFTWARE``).
_FAILED = 70


class Face:
    """One child. ``process`` is what stands for it; ``on_death`` is called there with what the child exited with."""

    def __init__(self, faces: Faces, environment: Environment, process: Process, on_death: Callable[[int], Any]):
        self.environment = environment
        self.process = process
        self._faces = faces
        self._on_death = on_death
        self._pipe: Pipe | None = None
        self.pid = 0
        process.elsewhere = lambda: self.question("standing")
        #: notified when there is something to tell the child
        self.news = Condition("a task")
        self._messages: list[tuple[Any, ...]] = []
        #: asked, before each answer, for what there is to tell besides
        self.more_news: list[Callable[[], list[tuple[Any, ...]]]] = []
        self._services: dict[str, Any] = {}
        #: the wait of the child that is not over
        self._wait: tuple[Any, ...] | None = None

    # -- its life ------------------------------------------------------------------------------------------------------

    def fork(self, main: Callable[[Link], NoReturn]) -> None:
        """Fork the child, which calls ``main`` and never returns; comes back when the child waits for an order."""
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
        with deferred_interrupts():
            ours, theirs = Pipe.pair()
            try:
                pid = self._faces.fork()
            except BaseException:
                ours.close()
                theirs.close()
                raise
            if pid == 0:
                self._begin(main, ours, theirs)
            theirs.close()
            self.pid, self._pipe = pid, ours
            self._faces.alive.append(self)
        self._serve()

    def _begin(self, main: Callable[[Link], NoReturn], ours: Pipe, theirs: Pipe) -> NoReturn:
        try:
            ours.close()
            for face in self._faces.alive:
                if face._pipe is not None:
                    face._pipe.close()
            begin_inside(self.environment, self.process, Link(theirs, self.environment), self._faces, main)
        finally:
            _exit(_FAILED)

    def end(self) -> None:
        """Kill it and wait until it is gone; a second time does nothing."""
        with deferred_interrupts():
            if self._pipe is not None:
                with suppress(ProcessLookupError):
                    kill(self.pid, signal.SIGKILL)
                self._reap()

    def _reap(self) -> int:
        """Wait until it is gone; what it has exited with."""
        assert self._pipe is not None
        exit_code = _FAILED
        with suppress(ChildProcessError):
            exit_code = waitstatus_to_exitcode(waitpid(self.pid, 0)[1])
        self._pipe.close()
        self._pipe = None
        self._faces.alive.remove(self)
        for service in self._services.values():
            if hasattr(service, "end"):
                service.end()
        return exit_code

    def _has_died(self) -> NoReturn:
        with deferred_interrupts():
            exit_code = self._reap()
        self._on_death(exit_code)
        while True:  # whoever is told ends this process; a child that died at the end of all has nobody to tell
            self.environment.wait(Condition("the end of a process that has died"))

    # -- what the parent tells it --------------------------------------------------------------------------------------

    def order(self, *what: Any) -> Any:
        """Let it do something; returns what comes of that, when it waits for an order again."""
        self._messages.append((ORDER, *what))
        self._end_wait()
        return self._serve()

    def leave(self, exit_code: int) -> None:
        """Let it exit, and wait until it is gone."""
        if self._pipe is not None:
            self._messages.append((ORDER, "leave", exit_code))
            self._answer(ANSWER, None)
            with deferred_interrupts():
                self._reap()

    def idle(self) -> None:
        """Let time pass until somebody notifies ``news``, or threads of the child go on."""
        if self._wait_for_news() or self._messages:
            self._end_wait()
            self._serve()

    def signal(self, number: int) -> None:
        """Send it a signal of the simulation, which it gets when it goes on."""
        self.tell(SIGNAL, number)

    def tell(self, *what: Any) -> None:
        """Tell it something when it goes on, which is now if it waits."""
        self._messages.append(what)
        self.news.notify_all()

    def question(self, what: str) -> Any:
        """Ask it something while it waits; ``None`` if it does not."""
        if self._pipe is None or self._wait is None:
            return None
        try:
            self._pipe.send((QUESTION, what))
            return self._pipe.receive()
        except EOFError:
            return None

    # -- what it asks --------------------------------------------------------------------------------------------------

    def _serve(self) -> Any:
        """Do what it asks, until it waits for an order; returns the outcome of the last one."""
        while True:
            kind, *content = self._receive()
            if kind == WAIT:
                self._wait = tuple(content)
                outcome = content[-1]
                if outcome is not None:
                    return outcome[0]
                self._wait_for_news()
                self._end_wait()
            else:
                assert kind == CALL
                self._answer(*self._called(*content))

    def _called(self, key: str, name: str, args: Any, kwargs: Any) -> tuple[int, Any]:
        service = self._services.get(key)
        if service is None:
            make = _Kernel if key == "kernel" else self._faces.services[key]
            service = self._services[key] = make(self)
        try:
            return ANSWER, getattr(service, name)(*args, **kwargs)
        except Exception as error:
            return ERROR, portable(error)

    def _wait_for_news(self) -> bool:
        """Let time pass until the child is due or has a message; whether it is due."""
        assert self._wait is not None
        due_ns, foreground_ns, keys, name, _ = self._wait
        now_ns = self.environment.clock.ns
        if self._has_news():
            return True
        if due_ns is not None and due_ns <= now_ns:
            return True
        self.news.name = name
        relays = [self._relay(key) for key in keys]
        try:
            notified = self.environment.wait(
                self.news,
                timeout_ns=None if due_ns is None else due_ns - now_ns,
                daemon=foreground_ns is None,
                stands_for=None if foreground_ns in (None, due_ns) else lambda: foreground_ns,
            )
        finally:
            for relay in relays:
                relay.cancel()
        return not notified or self._has_news()

    def _has_news(self) -> bool:
        for more in self.more_news:
            self._messages += more()
        return bool(self._messages)

    def _relay(self, key: str) -> Wait:
        """Let what somebody notifies reach the child, too."""
        condition = self._faces.shared[key]
        relay = Wait(condition, lambda _: self.tell(NOTIFIED, key))
        condition.enter(relay)
        return relay

    def _end_wait(self) -> None:
        self._wait = None
        self._answer(ANSWER, None)

    def _answer(self, kind: int, value: Any) -> None:
        self._has_news()
        messages, self._messages = self._messages, []
        assert self._pipe is not None
        try:
            try:
                self._pipe.send((kind, value, self.environment.clock.ns, messages))
            except EOFError:
                raise
            except Exception as error:  # a value that cannot be pickled
                self._pipe.send((ERROR, portable(error), self.environment.clock.ns, messages))
        except EOFError:
            self._has_died()

    def _receive(self) -> Any:
        assert self._pipe is not None
        try:
            return self._pipe.receive()
        except EOFError:
            self._has_died()


class _Kernel:
    """What a child asks of the kernel of its parent."""

    def __init__(self, face: Face) -> None:
        self._face = face
        self._environment = face.environment

    def yield_now(self) -> None:
        self._environment.sleep(0)

    def fail(self, error: BaseException) -> None:
        self._environment.fail(error)

    def give_up(self, error: BaseException) -> None:
        self._environment.give_up(error)

    def stop(self) -> None:
        self._environment.stop()

    def notify(self, key: str) -> None:
        self._face._faces.shared[key].notify_all()

    def send(self, pid: int | None, number: int) -> None:
        """Send a signal to the child's parent, or to one of its siblings."""
        parent = self._face.process.host.parent
        assert parent is not None
        whom = parent if pid is None else next((one for one in parent.children if one.pid == pid), None)
        if whom is not None:
            whom.send(number)
