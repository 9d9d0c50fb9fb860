"""The kernel inside of a forked child: it runs the child's threads until all of them wait, then asks its parent."""

from __future__ import annotations

import gc
import os
import signal
from collections import deque
from collections.abc import Callable
from os import _exit
from signal import SIG_DFL, SIG_IGN
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from greenlet import greenlet

from retrysim.errors import InputError
from retrysim.kernel.condition import Condition
from retrysim.kernel.environment import Environment
from retrysim.kernel.forked.messages import CALL, ERROR, NOTIFIED, ORDER, QUESTION, SIGNAL, SKEW, WAIT
from retrysim.kernel.forked.pipe import Pipe, portable
from retrysim.kernel.host import Host
from retrysim.kernel.schedule import Schedule

if TYPE_CHECKING:
    from retrysim.kernel.forked.faces import Faces
    from retrysim.kernel.process import Process

#: What a child exits with whose parent is gone, and one whose kernel has failed.
_PARENT_GONE, _FAILED = 1, 70
_set_handler, _set_wakeup = signal.signal, signal.set_wakeup_fd
_mask_signals = signal.pthread_sigmask
_kill, _getpid = os.kill, os.getpid


class Link:
    """The child's end of the line to its parent."""

    def __init__(self, pipe: Pipe, environment: Environment) -> None:
        self._pipe = pipe
        self._environment = environment
        #: who is told what, by its kind
        self.on: dict[str, Callable[..., object]] = {}
        #: what answers the questions of the parent
        self.answers: dict[str, Callable[[], Any]] = {}
        self.answers["standing"] = self._standing
        #: called when an order has been carried out
        self.before_outcome: list[Callable[[], object]] = []
        #: whether the parent has the turn
        self.is_asking = False
        #: whether this is a child that a task has forked, which has no part in the simulation
        self.is_cut = False
        self._orders: deque[tuple[Any, ...]] = deque()
        self._ordered = Condition("a task")
        self.on[ORDER] = self._take_order
        #: what came of the last order, while it waits for the next
        self._outcome: tuple[Any, ...] | None = None

    def call(self, service: str, method: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of a service of the parent. Raises what that raises."""
        return self._ask((CALL, service, method, args, kwargs))

    def method(self, service: str, method: str) -> Callable[..., Any]:
        """A method of a service, as a function."""

        def far(*args: Any, **kwargs: Any) -> Any:
            return self._ask((CALL, service, method, args, kwargs))

        return far

    def replace(self, owner: Any, service: str, *methods: str) -> None:
        """Let methods of an object (or a class) be those of a service, from here on."""
        for method in methods:
            far = self.method(service, method)
            setattr(owner, method, _without_self(far) if isinstance(owner, type) else far)

    def wait(self, *content: Any) -> None:
        """Hand over to the parent until the child is due."""
        self._ask((WAIT, *content, self._outcome))

    def next_order(self, outcome: Any) -> tuple[Any, ...]:
        """Tell the parent the outcome of the last order, and wait for the next."""
        for before in self.before_outcome:
            before()
        self._outcome = (outcome,)
        while not self._orders:
            self._environment.wait(self._ordered)
        self._outcome = None
        return self._orders.popleft()

    def _standing(self) -> list[str]:
        """Where the threads of this process stand that wait for what no schedule will bring."""
        environment = self._environment
        blocked = environment.blocked()
        blocked += [thread for process in blocked for thread in environment.blocked_threads_of(process)]
        lines = [line for process in dict.fromkeys(blocked) for line in environment.describe(process).splitlines()]
        return [line.removeprefix("  ") for line in lines]

    def _take_order(self, *order: Any) -> None:
        self._orders.append(order)
        self._ordered.notify_all()

    def _ask(self, message: Any) -> Any:
        if self.is_cut:
            _exit(0)
        self.is_asking = True
        try:
            self._pipe.send(message)
            while True:
                kind, value, *more = self._pipe.receive()
                if kind != QUESTION:
                    break
                self._pipe.send(self.answers[value]())
        except EOFError:
            _exit(_PARENT_GONE)
        finally:
            self.is_asking = False
        now_ns, messages = more
        clock = self._environment.clock
        if now_ns > clock.ns:
            clock.advance_to(now_ns)
        for what, *content in messages:
            self.on[what](*content)
        if kind == ERROR:
            raise value
        return value


def _without_self(far: Callable[..., Any]) -> Callable[..., Any]:
    def method(_self: Any, *args: Any, **kwargs: Any) -> Any:
        return far(*args, **kwargs)

    return method


class ForkedEnvironment(Environment):
    """The environment of the simulation, as a child has it: only its own processes are in it."""

    is_forked = True
    link: Link
    main: Process
    shared: dict[str, Condition]

    def drive(self) -> NoReturn:
        """Run what can go on; when nothing can, hand over."""
        try:
            while not self.main.greenlet.dead:
                try:
                    if self._ready:
                        self._resume(self._ready.popleft())
                    else:
                        self._hand_over()
                except Exception as error:
                    self.fail(error)
        finally:
            _exit(_FAILED)

    @property
    def is_driven(self) -> bool:
        """Whether anything runs here: not while the parent has the turn."""
        return not self.link.is_asking

    def _hand_over(self) -> None:
        schedule = self._schedule
        due_ns = schedule.next_ns()
        if due_ns is not None and due_ns <= self.clock.ns:
            schedule.pop()()
            return
        kept_until_ns = schedule.next_foreground_ns() if schedule.foreground else None
        if kept_until_ns is None and due_ns is not None and self._waits_for_a_daemon():
            kept_until_ns = due_ns
            self._daemon_steps += 1
        keys = tuple(key for key, condition in self.shared.items() if condition.is_waited_for)
        waits = self.main.wait
        name = "a task" if waits is None else waits.condition.name
        self.link.wait(due_ns, kept_until_ns, keys, name)

    def _yield_now(self) -> None:
        self.link.call("kernel", "yield_now")
        if self._ready:
            super()._yield_now()

    def fail(self, error: BaseException) -> None:
        self.link.call("kernel", "fail", portable(error))

    def give_up(self, error: BaseException) -> None:
        """The parent ends the run, and this process with it."""
        self.link.call("kernel", "give_up", portable(error))

    def stop(self) -> None:
        self.link.call("kernel", "stop")

    def leave_to_a_child(self, end: greenlet) -> None:
        super().leave_to_a_child(end)
        self.link.is_cut = True

    def intervene(self, act: Callable[[], None]) -> None:
        """Nothing here can reach what is in the parent."""
        raise self._far_from_it()

    def skew_clock(self, machine: str, ns: int) -> None:
        """The clock is the machine's, not this process' own."""
        raise self._far_from_it()

    def _far_from_it(self) -> InputError:
        return self.refused(
            "acts on the simulation from an isolated pool process, which has a copy of it",
            "do it in the test, or start the worker without isolated=True",
        )


class _SharedCondition(Condition):
    """A condition of the parent: whoever notifies it here notifies it there, too."""

    __slots__ = ()

    keys: ClassVar[dict[int, str]] = {}
    link: Link

    def notify_all(self) -> None:
        self.wake_here()
        self.link.call("kernel", "notify", self.keys[id(self)])

    def wake_here(self) -> None:
        super().notify_all()


def begin_inside(
    environment: Environment, process: Process, link: Link, faces: Faces, main: Callable[[Link], NoReturn]
) -> None:
    """Called in the child, on the greenlet of ``process``: make the environment the child's own, and call ``main``."""
    gc.freeze()  # a collection would touch, and so copy, all that is inherited
    _set_real_signals()
    _leave_the_others(environment, process)
    environment.__class__ = ForkedEnvironment
    assert isinstance(environment, ForkedEnvironment)
    environment.link, environment.main, environment.shared = link, process, faces.shared
    _SharedCondition.link = link
    for key, condition in faces.shared.items():
        condition.forget_all()
        condition.__class__ = _SharedCondition
        _SharedCondition.keys[id(condition)] = key
    link.on[NOTIFIED] = lambda key: faces.shared[key].wake_here()  # type: ignore[attr-defined]
    faces.alive = []
    _be_a_process(process.host, link)
    link.on[SIGNAL] = process.host.send
    link.on[SKEW] = environment.skews.set
    for begin in faces.in_child:
        begin(link)
    main(link)


def _set_real_signals() -> None:
    """Signals of the machine: as a pool process has them. A Ctrl-C is the parent's, which ends its children."""
    _mask_signals(signal.SIG_SETMASK, ())
    _set_wakeup(-1)
    _set_handler(signal.SIGINT, SIG_IGN)
    for name in ("SIGTERM", "SIGALRM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGURG"):
        if hasattr(signal, name):
            _set_handler(getattr(signal, name), SIG_DFL)


def _leave_the_others(environment: Any, process: Process) -> None:
    """No other process of the simulation goes on here; none is freed, either, which would run its ``finally``."""
    others = [other for other in environment._processes.values() if other is not process]
    for other in others:
        other.abandon()
    environment.left_behind = others
    environment._processes = {process.greenlet: process}
    environment._ready, environment._schedule = deque(), Schedule()
    environment._interventions, environment._killed = deque(), []
    process.ready, process.elsewhere = False, None
    process.signals.clear()
    environment._driver = greenlet(ForkedEnvironment.drive.__get__(environment), parent=environment._driver)
    process.greenlet.parent = environment._driver


def _be_a_process(host: Host, link: Link) -> None:
    """Let the host be this process of the machine: what ends it ends this, and its relatives are elsewhere."""
    host.__class__ = Host  # in the parent it stands for this one
    host.on_end = _end
    parent = host.parent
    if parent is not None:
        parent.send = lambda number: link.call("kernel", "send", None, number)  # type: ignore[method-assign]
        for sibling in parent.children:
            if sibling is not host:
                sibling.send = _Far(link, sibling.pid)  # type: ignore[method-assign]


class _Far:
    def __init__(self, link: Link, pid: int | None) -> None:
        self._link = link
        self._pid = pid

    def __call__(self, number: int) -> None:
        self._link.call("kernel", "send", self._pid, number)


def _end(status: int) -> NoReturn:
    """End this process: with an exit code, or below zero by a signal."""
    if status < 0:
        if -status not in (signal.SIGKILL, signal.SIGSTOP):
            _set_handler(-status, SIG_DFL)
        _kill(_getpid(), -status)
    _exit(status if status >= 0 else 128 - status)
