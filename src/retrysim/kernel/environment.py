"""The environment: it runs processes until all of them wait, then lets time jump to the next due event.

The simulation is *idle* when every process waits for something that only another process or the clock can bring, and
no foreground event is scheduled. Whoever calls ``run`` is the *driver*: processes run on its stack's thread, and
every wait switches back to it.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable
from functools import partial
from threading import get_ident

from greenlet import getcurrent, greenlet

from retrysim.clock import VirtualClock
from retrysim.durations import format_duration
from retrysim.errors import Deadlock, InputError
from retrysim.kernel.condition import Condition
from retrysim.kernel.interrupts import Interrupt, routed_interrupts
from retrysim.kernel.limits import Limits, Meter
from retrysim.kernel.process import Process, Wait
from retrysim.kernel.schedule import Event, Schedule
from retrysim.kernel.standpoint import Standpoint
from retrysim.kernel.thread import Thread


class Environment:
    """Processes, their schedule and the virtual clock that they share."""

    def __init__(self, clock: VirtualClock, *, limits: Limits | None = None) -> None:
        self.clock = clock
        self.limits = limits or Limits()
        #: how many steps it took so far
        self.meter = Meter(clock, self.limits)
        self._schedule = Schedule()
        self._ready: deque[Process] = deque()
        self._processes: dict[greenlet, Process] = {}
        self._driver: greenlet | None = None
        self._thread_ident = get_ident()
        self._failure: BaseException | None = None
        self._interrupt: Interrupt | None = None
        self._stopping = False
        self._interventions: deque[Callable[[], None]] = deque()
        self._daemon_steps = 0
        #: where the line that runs now is
        self.standpoint = Standpoint(self._thread_ident)
        #: asked before a process gives way to whoever comes next; what it raises, the process gets
        self.on_leave: Callable[[Process], None] = _nothing
        self._threads = itertools.count(1)
        #: no process runs any more, and none will
        self.over = False
        #: what a person should know when the test waits in vain
        self.explain: Callable[[], str] = str

    # -- processes ---------------------------------------------------------------------------------------------------

    def spawn(
        self,
        function: Callable[[], None],
        *,
        name: str,
        service: bool = False,
        host: object = None,
        thread: Thread | None = None,
        owner: Process | None = None,
        daemon: bool = False,
    ) -> Process:
        """A new process, ready to run; unless told, on the host of the process that asks, on a thread of its own.

        With an ``owner`` it is one more thread of that process and dies with it. Nothing that a ``daemon`` waits for
        keeps a run alive, but for a process that could not go on without it.
        """
        current = self.current
        if host is None and current is not None:
            host = current.host
        thread = thread or self.new_thread(name)
        process = Process(function, name=name, service=service, host=host, thread=thread, owner=owner, daemon=daemon)
        self._processes[process.greenlet] = process
        self._make_ready(process)
        return process

    def new_thread(self, name: str) -> Thread:
        """A thread on which nothing runs yet."""
        return Thread(next(self._threads), name)

    def _make_ready(self, process: Process) -> None:
        if not process.ready:
            process.ready = True
            self._ready.append(process)

    @property
    def current(self) -> Process | None:
        """The process that runs now; ``None`` outside of all."""
        return self._processes.get(getcurrent())

    def outside_of_all(self) -> bool:
        """Whether the caller is no process: the test itself, or another thread."""
        return getcurrent() not in self._processes

    @property
    def at_rest(self) -> bool:
        """Whether nothing runs but the caller, who may drive: the test itself, on the simulation's thread."""
        return self._driver is None and self.owns_thread

    @property
    def owns_thread(self) -> bool:
        """Whether the caller is on the simulation's thread, where waiting is virtual."""
        return get_ident() == self._thread_ident

    @property
    def main_thread(self) -> Thread:
        """The thread of whoever is no process: the test itself."""
        return self.standpoint.main_thread

    @property
    def thread(self) -> Thread:
        """The thread that the caller runs on, as far as it can tell."""
        process = None if self.over else self._processes.get(getcurrent())
        return self.main_thread if process is None else process.thread

    def abandon_all(self) -> None:
        """End the simulation: no process runs again."""
        self.over = True
        for process in self._processes.values():
            process.abandon()
        self._processes.clear()
        self._ready.clear()

    def abandon_host(self, host: object) -> None:
        """Let no process of a host run again: its machine is gone."""
        for process in [process for process in self._processes.values() if process.host is host]:
            self.abandon(process)

    def abandon(self, process: Process) -> None:
        """Let one process never run again, whatever it is doing: SIGKILL."""
        process.abandon()
        process.thread.lost = process.thread is not self.main_thread
        self._processes.pop(process.greenlet, None)
        if process in self._ready:
            self._ready.remove(process)
        for thread in [other for other in self._processes.values() if other.owner is process]:
            self.abandon(thread)

    # -- waiting -----------------------------------------------------------------------------------------------------

    def schedule(self, ns: int, callback: Callable[[], None], *, daemon: bool = False) -> Event:
        """Call back at an instant (now, if it has passed). The callback must not wait."""
        return self._schedule.enter(max(ns, self.clock.ns), callback, daemon=daemon)

    def sleep(self, ns: int) -> None:
        """Suspend the running process; outside of all processes, let the simulation run that long."""
        if self.current is None:
            self._run_for(ns)
        elif ns <= 0:
            self._yield_now()
        else:
            self.wait(Condition(f"{format_duration(ns)} to pass"), timeout_ns=ns)

    def _run_for(self, ns: int) -> None:
        until_ns, next_ns = self.clock.ns + ns, self._schedule.next_ns()
        if self._ready or next_ns is None or next_ns <= until_ns or not self.at_rest:
            self.run(until_ns=until_ns)
        else:
            self.clock.advance_to(until_ns)  # nothing happens meanwhile: a driver would cost more than the wait

    def wait(self, condition: Condition, *, timeout_ns: int | None = None, daemon: bool = False) -> bool:
        """Wait until notified (``True``) or until the timeout has passed (``False``).

        A ``daemon`` wait's timeout does not keep the run alive. Outside of all processes the simulation runs
        meanwhile; if it becomes idle first, that is a ``Deadlock``.
        """
        process = self.current
        if process is None:
            return self._drive_until(condition, timeout_ns)
        self.on_leave(process)
        wait = process.wait = Wait(condition, partial(self._on_wait_over, process))
        self._begin(wait, timeout_ns, daemon or process.daemon)
        if process.signals:  # one more came before the last one's handler raised
            self._make_ready(process)
        try:
            while not wait.over:
                self._switch_to_driver(process)
        finally:
            wait.cancel()
            process.wait = None
        return wait.notified

    def _on_wait_over(self, process: Process, wait: Wait) -> None:
        if process.wait is wait:  # else a signal handler runs, and looks at it when it has ended
            self._make_ready(process)

    def signal(self, process: Process, handler: Callable[[], None]) -> None:
        """Run a handler on the stack of a process, between two of its lines; then it goes on waiting for what it did.

        As the interpreter runs a signal's handler: one that raises ends what the process was doing, one that waits
        keeps it from going on.
        """
        process.signals.append(handler)
        if process.wait is not None:
            self._make_ready(process)

    def interrupt(self, process: Process, error: BaseException) -> None:
        """End what a process does by an exception, as a signal handler that raises would."""
        self.signal(process, partial(_raise, error))

    def _begin(self, wait: Wait, timeout_ns: int | None, daemon: bool) -> None:
        wait.condition.enter(wait)
        if timeout_ns is not None:
            wait.timeout = self.schedule(self.clock.ns + timeout_ns, wait.expire, daemon=daemon)

    def _yield_now(self) -> None:
        process = self.current
        assert process is not None
        self.on_leave(process)
        self._make_ready(process)
        self._switch_to_driver(process)

    def _switch_to_driver(self, process: Process) -> None:
        assert self._driver is not None
        self._driver.switch()
        if process.signals:
            process.handle_signals()

    def _drive_until(self, condition: Condition, timeout_ns: int | None) -> bool:
        wait = Wait(condition, _nothing)
        self._begin(wait, timeout_ns, daemon=False)
        self.run(until=lambda: wait.over)
        if not wait.over:
            raise self.in_vain(f"the test waits for {condition.name}, but nothing is left that could bring it")
        return wait.notified

    # -- running -----------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Let ``run`` return; the running process goes on with the next ``run``, before all others."""
        self._stopping = True
        self._step_aside()

    def intervene(self, act: Callable[[], None]) -> None:
        """Let the driver act before any process goes on, the running one included. The act must not wait."""
        if self._driver is None:
            act()
            return
        self._interventions.append(act)
        self._step_aside()

    def _step_aside(self) -> None:
        """Give way to the driver; the running process is the next to go on."""
        process = self.current
        if process is not None:
            try:
                self.on_leave(process)
            except Exception as error:
                self.fail(error)
            process.ready = True
            self._ready.appendleft(process)
            self._switch_to_driver(process)

    def fail(self, error: BaseException) -> None:
        """Let ``run`` raise; for what is found out inside a process and concerns the whole run."""
        self._failure = error

    def give_up(self, error: BaseException) -> None:
        """Let ``run`` raise at once, from a signal handler on the stack of a process that blocks: it never goes on."""
        process = self.current
        assert process is not None
        assert self._driver is not None
        self.fail(error)
        self.abandon(process)
        self._driver.switch()

    def run(self, *, until: Callable[[], bool] | None = None, until_ns: int | None = None) -> None:
        """Run until idle, until ``until()`` holds, or until an instant (then time stands at that instant).

        Raises ``Runaway`` when a limit is crossed, and whatever a signal handler raises meanwhile.
        """
        if not self.owns_thread:
            raise InputError(
                "a thread that runs in real time waits for what happens in virtual time: "
                "instead of the thread, start its function by sim.start_program(function)"
            )
        assert self._driver is None, "run() inside run()"
        self._driver = getcurrent()
        self._stopping = False
        try:
            with routed_interrupts(self._on_interrupt):
                self._raise_failure()  # what failed outside of a run
                self._loop(until, until_ns)
        finally:
            self._driver = None
            self.standpoint.leave()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def _loop(self, until: Callable[[], bool] | None, until_ns: int | None) -> None:
        while True:
            while self._interventions:
                self.standpoint.leave()  # who intervenes is outside of all, like a test
                self._interventions.popleft()()
            if self._stopping or (until is not None and self.holds(until)):
                return
            if self._ready:
                self._resume(self._ready.popleft())
            elif not self._jump(until_ns):
                return

    def holds(self, condition: Callable[[], bool]) -> bool:
        """What a condition of the test's says, asked on the test's own thread, whoever runs."""
        with self.standpoint.on(self.main_thread):
            return condition()

    def _jump(self, until_ns: int | None) -> bool:
        """Let time jump to the next event and fire it; ``False`` when the run is over."""
        schedule, clock = self._schedule, self.clock
        due_ns = schedule.next_ns()
        if until_ns is None:
            if not schedule.foreground and not self._waits_for_a_daemon():
                return False
        elif due_ns is None or due_ns > until_ns:
            clock.advance_to(max(clock.ns, until_ns))
            return False
        assert due_ns is not None
        if due_ns > clock.ns:
            clock.advance_to(due_ns)
            self.meter.time_has_moved()
        schedule.pop()()
        self.meter.count_step()
        return True

    def _waits_for_a_daemon(self) -> bool:
        """Whether a process that is no service waits, and a daemon thread is due that may bring what it waits for.

        A thread that only ever sleeps is not waited for without end: to the process it makes no difference.
        """
        daemons = any(process.owner is not None and process.due for process in self._processes.values())
        if not daemons or not self.blocked():
            return False
        self._daemon_steps += 1
        return self._daemon_steps < self.limits.daemon_steps

    def _resume(self, process: Process) -> None:
        running = process.greenlet
        process.ready = False
        self.standpoint.enter(process.host, process.thread)
        if running.parent is not self._driver:
            running.parent = self._driver
        if not process.service:
            self._daemon_steps = 0
        running.switch()
        self.meter.count_step()
        while self._interrupt is not None:
            self._serve_interrupt(running)
        if running.dead:
            self._processes.pop(running, None)
            if process.thread is not self.main_thread:
                process.thread.kept = None
            if process.error is not None:
                raise process.error
        self._raise_failure()

    # -- interrupts: Ctrl-C and timeouts belong to the driver ----------------------------------------------------------

    def _on_interrupt(self, interrupt: Interrupt) -> None:
        if self.current is None or self._driver is None:
            interrupt.serve()
            return
        self._interrupt = interrupt
        self._driver.switch()

    def _serve_interrupt(self, running: greenlet) -> None:
        assert self._interrupt is not None
        interrupt, self._interrupt = self._interrupt, None
        interrupt.serve()
        running.switch()

    # -- what a person wants to know -----------------------------------------------------------------------------------

    def blocked(self) -> list[Process]:
        """The processes that wait, without a timeout, for what no schedule will bring; services left out."""
        return [p for p in self._processes.values() if p.wait is not None and not p.service]

    def blocked_threads_of(self, process: Process) -> list[Process]:
        """The threads of a process that wait for what no schedule will bring."""
        return [p for p in self._processes.values() if p.owner is process and p.wait is not None and not p.due]

    def in_vain(self, text: str) -> Deadlock:
        """The error of a test that waits for what can never come, with what is known of the reason."""
        return Deadlock(text + self.explain())


def _nothing(_told: object) -> None:
    pass


def _raise(error: BaseException) -> None:
    raise error
