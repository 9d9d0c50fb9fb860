"""The environment: it runs processes until all of them wait, then lets time jump to the next due event.

The simulation is *idle* when every process waits for something that only another process or the clock can bring, and
no foreground event is scheduled. Whoever calls ``run`` is the *driver*: processes run on its stack's thread, and
every wait switches back to it.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from threading import get_ident

from greenlet import getcurrent, greenlet

from retrysim.clock import GRID_NS, MANY_READINGS, VirtualClock, no_time_passes
from retrysim.durations import MILLISECOND, format_duration
from retrysim.errors import Deadlock, InputError, SimulationError
from retrysim.kernel.beat import NEVER_AGAIN, Beat, Stillness
from retrysim.kernel.condition import Condition
from retrysim.kernel.context import Context
from retrysim.kernel.forked.faces import Faces
from retrysim.kernel.forked.messages import SKEW
from retrysim.kernel.host import Host, Role
from retrysim.kernel.interrupts import Interrupt, routed_interrupts
from retrysim.kernel.limits import Limits, Meter
from retrysim.kernel.listeners import Listeners
from retrysim.kernel.process import Process, Wait, free
from retrysim.kernel.schedule import Schedule, ScheduledCall
from retrysim.kernel.skews import Skews
from retrysim.kernel.thread import Thread

#: Who waits by reading the clock lets time pass at each so many readings more, and is late by one in so many at most.
_MORE_READINGS, _LATE_BY = 500, 64
#: After how many jumps of time it is looked how far away what keeps the run alive is.
_LOOK_AHEAD = 256


class Environment:
    """Processes, their schedule and the virtual clock that they share."""

    #: whether this is what a forked child has of it
    is_forked = False

    def __init__(self, clock: VirtualClock, *, limits: Limits | None = None) -> None:
        self.clock = clock
        clock.on_many_readings = self._let_time_pass
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
        #: whether the driver is in a condition of the test's
        self._asks = False
        self._stopping = False
        self._stillness = Stillness(clock, self._schedule)
        self._interventions: deque[Callable[[], None]] = deque()
        #: asked which of several ready processes goes on; ``None``: first come, first served
        self.choose: Callable[[Sequence[Process]], Process] | None = None
        self._stepped_aside: Process | None = None
        self._daemon_steps = self._jumps = 0
        #: those that were abandoned: what they hold is freed at the end, when nothing that is freed changes the run
        self._killed: list[Process] = []
        self.listeners = Listeners()
        #: the process that the test itself runs in
        self.test = Host(self, "the test's own process", role=Role.TEST)
        #: where the line that runs now is
        self.context = Context(self.test, self._thread_ident, self.listeners)
        #: how far the wall clocks of machines are ahead
        self.skews = Skews(clock, self.context, self.listeners)
        self._threads = itertools.count(1)
        #: the process that was resumed last and has not come back; it may have gone on in another greenlet
        self.running: Process | None = None
        #: no process runs any more, and none will
        self.over = False
        #: what to do instead of waiting in a thread that runs in real time
        self.instead_of_a_thread = "instead of the thread, start its function by sim.start_program(function)"
        #: whether what processes held is being freed just now, by finalizers that are the code of processes that ended
        self.frees = False
        #: hosts that are processes of the machine
        self.faces = Faces()

    # -- processes ---------------------------------------------------------------------------------------------------

    def spawn(
        self,
        function: Callable[[], None],
        *,
        name: str,
        service: bool = False,
        host: Host | None = None,
        thread: Thread | None = None,
        owner: Process | None = None,
        daemon: bool = False,
    ) -> Process:
        """A new process, ready to run; by default on the host that asks, on a thread of its own.

        With an ``owner`` it is one more thread of that process and dies with it. Nothing that a ``daemon`` waits for
        keeps a run alive, but for a process that could not go on without it.
        """
        host = host or self.host
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
        return self._processes.get(getcurrent()) or self._started_by()

    def _started_by(self) -> Process | None:
        """The process that has started the greenlet which runs now: what that does, the process does."""
        running = self.running
        if running is None or running.gone or not self.owns_thread or getcurrent() in (self._driver, running.greenlet):
            return None
        return running

    @property
    def host(self) -> Host:
        """The host that runs now: that of the process, or the test."""
        process = self.current
        return self.test if process is None else process.host

    def processes_of(self, host: Host) -> list[Process]:
        """Those that run on this host, in the order of their beginning."""
        return [process for process in self._processes.values() if process.host is host]

    def outside_of_all(self) -> bool:
        """Whether the caller is no process: the test itself, or another thread."""
        return self.current is None

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
        return self.context.main_thread

    @property
    def thread(self) -> Thread:
        """The thread that the caller runs on, as far as it can tell."""
        process = None if self.over else self.current
        return self.main_thread if process is None else process.thread

    def abandon_all(self) -> None:
        """End the simulation: no process runs again, and what outlives it keeps nothing of it alive."""
        self.over = True
        self.faces.end()
        self.context.leave()
        for process in self._processes.values():
            process.abandon()
        gone = (*self._killed, *self._processes.values())
        for process in gone:
            process.thread.kept = None
        try:
            for over in self.listeners.over:
                over(gone)
            self.frees = True
            free(gone)
        finally:
            self.frees = False
            for emptied in (self._killed, self._processes, self._ready, self._schedule):
                emptied.clear()
            self.listeners.end()
            self.clock.on_many_readings = no_time_passes

    def kill(self, host: Host) -> None:
        """End a host and its children at once: no line of them runs again, and listeners are notified."""
        for child in list(host.children):
            self.kill(child)
        for process in self.processes_of(host):
            self.abandon(process)
        host.ended()
        for died in self.listeners.died:
            died(host)

    def abandon(self, process: Process) -> None:
        """Let one process never run again, whatever it is doing: SIGKILL."""
        if process.gone:  # with the process that it is a thread of
            return
        process.abandon()
        self._killed.append(process)
        process.thread.lost = process.thread is not self.main_thread
        self._processes.pop(process.greenlet, None)
        if process in self._ready:
            self._ready.remove(process)
        for thread in [other for other in self._processes.values() if other.owner is process]:
            self.abandon(thread)
        for killed in self.listeners.killed:
            killed(process)

    # -- waiting -----------------------------------------------------------------------------------------------------

    def schedule(
        self, ns: int, callback: Callable[[], None], *, daemon: bool = False, beat: Beat | None = None
    ) -> ScheduledCall:
        """Call back at an instant (now, if it has passed), unless a ``beat`` passes. The callback must not wait."""
        event = self._schedule.enter(max(ns, self.clock.ns), callback, daemon=daemon)
        event.beat = beat
        return event

    def sleep(self, ns: int) -> None:
        """Suspend the running process; outside of all processes, let the simulation run that long."""
        if self.current is None:
            self._run_for(ns)
        elif ns <= 0:
            self._yield_now()
        else:
            self.wait(Condition(f"{format_duration(ns)} to pass"), timeout_ns=ns)

    def _let_time_pass(self) -> None:
        """A process has read the clock many times and not waited: it waits for a time by reading it.

        What passes grows with what has passed, so that it comes late by less than two per cent.
        """
        process = None if self.over or not self.owns_thread else self.current
        self.clock.readings = 0
        if process is not None:
            so_far_ns = process.read_for_ns
            step_ns = max(MILLISECOND, so_far_ns // _LATE_BY // GRID_NS * GRID_NS)
            self.sleep(step_ns)
            process.read_for_ns = so_far_ns + step_ns
            self.clock.readings = MANY_READINGS - _MORE_READINGS

    def _run_for(self, ns: int) -> None:
        until_ns, next_ns = self.clock.ns + ns, self._schedule.next_ns()
        if self._ready or next_ns is None or next_ns <= until_ns or not self.at_rest:
            self.run(until_ns=until_ns)
        else:
            self.clock.advance_to(until_ns)  # nothing happens meanwhile: a driver would cost more than the wait

    def wait(
        self,
        condition: Condition,
        *,
        timeout_ns: int | None = None,
        daemon: bool = False,
        stands_for: Callable[[], int | None] | None = None,
        beat: Beat | None = None,
        has_nothing_to_do: Callable[[], bool] | None = None,
    ) -> bool:
        """Wait until notified (``True``) or until the timeout has passed (``False``).

        A ``daemon`` wait's timeout does not keep the run alive; another one may ``stands_for`` a later instant, for
        whose sake it does. The timeout of a ``beat`` may pass without an end of the wait. Outside of all processes
        the simulation runs meanwhile; if it becomes idle first, that is a ``Deadlock``.

        Without a timeout, ``has_nothing_to_do`` is asked after a suggestion (``Condition.suggest_all``), outside of all
        processes: what it says of goes on waiting.
        """
        process = self.current
        if process is None:
            return self._drive_until(condition, timeout_ns)
        self._before_wait(process)
        process.read_for_ns = 0
        wait = process.wait = Wait(condition, partial(self._on_wait_over, process))
        self._begin(wait, timeout_ns, daemon or process.daemon)
        if wait.timeout is not None:
            wait.timeout.beat = beat
            wait.timeout.stands_for = stands_for or wait.timeout.stands_for
        else:
            wait.has_nothing_to_do = has_nothing_to_do
        if process.signals:  # one more came before the last one's handler raised
            self._make_ready(process)
        try:
            while not wait.over:
                self._switch_to_driver(process)
        finally:
            wait.cancel()
            process.wait = None
        return wait.notified

    def wait_anew(self, process: Process, timeout_ns: int) -> None:
        """Let the timeout of what a process waits for begin now."""
        wait = process.wait
        assert wait is not None
        assert wait.timeout is not None
        before = wait.timeout
        before.cancel()
        wait.timeout = self.schedule(self.clock.ns + timeout_ns, wait.expire, daemon=before.daemon, beat=before.beat)
        wait.timeout.stands_for = before.stands_for

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

    def _before_wait(self, process: Process) -> None:
        for before_wait in self.listeners.before_wait:
            before_wait(process)

    def _begin(self, wait: Wait, timeout_ns: int | None, daemon: bool) -> None:
        wait.condition.enter(wait)
        if timeout_ns is not None:
            wait.timeout = self.schedule(self.clock.ns + timeout_ns, wait.expire, daemon=daemon)

    def _yield_now(self) -> None:
        process = self.current
        assert process is not None
        self._before_wait(process)
        self._make_ready(process)
        self._switch_to_driver(process)

    def _switch_to_driver(self, process: Process) -> None:
        self._leave(process)
        if process.signals:
            process.handle_signals()

    def _leave(self, process: Process) -> None:
        """Give control to the driver, until it resumes the process just here."""
        assert self._driver is not None
        process.stands_in = getcurrent()
        self._driver.switch()

    def _drive_until(self, condition: Condition, timeout_ns: int | None) -> bool:
        wait = Wait(condition, _nothing)
        self._begin(wait, timeout_ns, daemon=False)
        self.run(until=lambda: wait.over)
        if not wait.over:
            wait.cancel()
            raise self.in_vain(f"the test waits for {condition.name}, but nothing is left that could bring it")
        return wait.notified

    def skew_clock(self, machine: str, ns: int) -> None:
        """Let the wall clock of a machine be so far ahead from now on, for all of its processes; below zero: behind."""
        self.skews.set(machine, ns)
        for face in self.faces.alive:
            face.tell(SKEW, machine, ns)

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
                self._before_wait(process)
            except Exception as error:
                self.fail(error)
            self._goes_on_first(process)
            self._switch_to_driver(process)

    def _goes_on_first(self, process: Process) -> None:
        process.ready = True
        self._ready.appendleft(process)
        self._stepped_aside = process

    def fail(self, error: BaseException) -> None:
        """Let ``run`` raise; for what is found out inside a process and concerns the whole run."""
        self._failure = error

    def refuse_inside_a_run(self) -> None:
        """Raise ``InputError`` while a run is under way, for whoever would let time pass."""
        if self._driver is not None:
            raise self.refused("lets time pass, which only the test itself can", "to wait, use time.sleep")

    def refused(self, what: str, instead: str) -> InputError:
        """The error of somebody inside a run who does what only the test may do; it ends the run, too."""
        process = self.current
        if process is None:
            error = InputError(f"a condition or a callback of the run {what}: it may look, and must not wait")
        else:
            who = process.thread.tasks[-1] if process.thread.tasks else process.name
            error = InputError(f"{who} {what}: {instead}")
        self.fail(error)
        return error

    def give_up(self, error: BaseException) -> None:
        """Let ``run`` raise at once, from a signal handler on the stack of a process that blocks: it never goes on.

        The handler may also be in a greenlet that the process has started, or outside of all processes.
        """
        process = self.running
        if process is None or self._driver is None or getcurrent() is self._driver:
            raise error
        self.fail(error)
        process.anywhere = True
        self.abandon(process)
        self._driver.switch()

    @property
    def is_driven(self) -> bool:
        """Whether a run is under way."""
        return self._driver is not None

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left that could happen."""
        return not (self._ready or self._schedule.foreground or self._daemon_is_due())

    def run(self, *, until: Callable[[], bool] | None = None, until_ns: int | None = None) -> None:
        """Run until idle, until ``until()`` holds, or until an instant (then time stands at that instant).

        Raises ``Runaway`` when a limit is crossed, and whatever a signal handler raises meanwhile.
        """
        if not self.owns_thread:
            raise InputError(
                f"a thread that runs in real time waits for what happens in virtual time: {self.instead_of_a_thread}"
            )
        self.refuse_inside_a_run()
        self._stopping = False
        self._stillness.end()
        try:
            self._driver = getcurrent()
            with routed_interrupts(self._on_interrupt):
                try:
                    with ExitStack() as stack:
                        for around in self.listeners.around_run:
                            stack.enter_context(around())
                        self._raise_failure()  # what failed outside of a run
                        self._loop(until, until_ns)
                finally:
                    self.context.leave()
        finally:
            self._driver = None
            if self._interrupt is not None:
                self._serve_interrupt()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def _loop(self, until: Callable[[], bool] | None, until_ns: int | None) -> None:
        while True:
            if self._interrupt is not None:
                self._serve_interrupt()
            while self._interventions:
                self.context.leave()  # who intervenes is outside of all, like a test
                self._interventions.popleft()()
            if self._stopping or (until is not None and self.holds(until)):
                return
            if self._ready:
                self._resume(self._ready.popleft() if self.choose is None else self._chosen(self.choose))
            elif not self._jump(until, until_ns):
                return

    def _chosen(self, choose: Callable[[Sequence[Process]], Process]) -> Process:
        """Who goes on where somebody decides: whoever stepped aside for the driver is never overtaken."""
        if self._ready[0] is self._stepped_aside or len(self._ready) == 1:
            return self._ready.popleft()
        chosen = choose(self._ready)
        self._ready.remove(chosen)
        return chosen

    def holds(self, condition: Callable[[], bool]) -> bool:
        """What a condition of the test's says, asked on the test's own thread, whoever runs."""
        clock = self.clock
        with self.context.on(self.main_thread):
            self._asks = True
            skew_ns, clock.skew_ns = clock.skew_ns, self.skews.of(self.test)
            try:
                return condition()
            finally:
                clock.skew_ns = skew_ns
                self._asks = False

    def _jump(self, until: Callable[[], bool] | None, until_ns: int | None) -> bool:
        """Let time jump to the next event and fire it; ``False`` when the run is over."""
        schedule, clock = self._schedule, self.clock
        due_ns = schedule.next_ns()
        foreground = schedule.foreground or until_ns is not None
        if not foreground and not self._waits_for_a_daemon():
            return False
        if until_ns is not None and (due_ns is None or due_ns > until_ns):
            clock.advance_to(max(clock.ns, until_ns))
            return False
        assert due_ns is not None
        if due_ns > clock.ns:
            self.meter.time_may_move_to(due_ns, self._why_so_late)
            self._jumps += 1
            if until_ns is None and not self._jumps % _LOOK_AHEAD:
                self._look_ahead()
            clock.advance_to(due_ns)
        if not self._fire_or_pass():
            self._daemon_steps += not foreground
            if self.choose is not None:
                self._fire_what_else_is_due()
        elif until is None and foreground:
            self._jump_over_beats(until_ns)
        return True

    def _look_ahead(self) -> None:
        """Raise ``Runaway`` now if what keeps the run alive is too far away."""
        self.meter.time_may_move_to(self._schedule.next_foreground_ns() or self.clock.ns, self._why_so_late)

    def _jump_over_beats(self, until_ns: int | None) -> None:
        end_ns = self.clock.start_ns + self.limits.virtual_ns + 1
        ns = self._stillness.whole_periods_ns(end_ns if until_ns is None else min(end_ns, until_ns))
        if ns:
            if until_ns is None:
                self._look_ahead()
            self._stillness.jump(ns)

    def _fire_or_pass(self) -> bool:
        """Fire the next event, or let it pass; returns whether it passed."""
        schedule = self._schedule
        event = schedule.first()
        next_ns = None if event.beat is None else event.beat.pass_by()
        self.meter.count_step()
        if next_ns is None:
            self._stillness.end()
            schedule.pop()()
        elif next_ns == NEVER_AGAIN:
            schedule.pop()
        else:
            schedule.repeat(next_ns)
        return next_ns is not None

    def _fire_what_else_is_due(self) -> None:
        """Fire all events of this instant, so that whoever decides sees all processes that they wake."""
        for _ in range(self._schedule.due_at(self.clock.ns)):
            if self._schedule.next_ns() == self.clock.ns:
                self._fire_or_pass()

    def _daemon_is_due(self) -> bool:
        return any(process.owner is not None and process.due for process in self._processes.values())

    def _waits_for_a_daemon(self) -> bool:
        """Whether a process that is no service waits, and a daemon thread is due that may bring what it waits for.

        A thread that only ever sleeps is not waited for without end: to the process it makes no difference.
        """
        if not self._daemon_is_due() or not self.blocked():
            return False
        return self._daemon_steps + 1 < self.limits.daemon_steps

    def _resume(self, process: Process) -> None:
        running = process.greenlet
        process.ready = False
        if process.wait is not None and not process.signals and process.wait.goes_on():
            self.meter.count_step()
            return
        self.context.enter(process.host, process.thread)
        if self._interrupt is not None:
            self._goes_on_first(process)
            return
        if running.parent is not self._driver:
            running.parent = self._driver
        if not process.service:
            self._daemon_steps = 0
        self.running = process
        process.host.top.activity += 1
        self.clock.readings = 0
        process.stands_in.switch()
        self.running = None
        self.meter.count_step()
        if not (running.dead or process.wait or process.ready or process.gone):
            raise SimulationError(
                f"{process.name} has switched to another greenlet by itself, and nobody would switch back: "
                "a greenlet of a task may switch to those that the task has started, and wait as everybody does"
            )
        if process.wait is not None and (not process.service or process.owner is not None):
            self.meter.count_task_step(lambda: self.describe(process))
        if running.dead:
            self._processes.pop(running, None)
            if process.thread is not self.main_thread:
                process.thread.kept = None
            if process.error is not None:
                raise _wrapped(process, process.error)
        self._raise_failure()

    def leave_to_a_child(self, end: greenlet) -> None:
        """In a child that was forked for real: all is real there, and it ends where the running process would wait."""
        current, driver = self.current, self._driver
        self._thread_ident, self._driver = -1, end
        if current is not None and driver is not None:
            end.parent = driver
            current.greenlet.parent = end

    # -- interrupts: Ctrl-C and timeouts belong to the driver ----------------------------------------------------------

    def _on_interrupt(self, interrupt: Interrupt) -> None:
        """The driver ends what it does first, so that nothing is done by halves; a second signal does not wait."""
        process, driver = self.current, self._driver
        if driver is None or self._asks or (process is None and (getcurrent() is not driver or self._interrupt)):
            interrupt.serve()
            return
        self._interrupt = interrupt
        if process is not None:
            if not process.ready:
                self._goes_on_first(process)
            before, process.anywhere = process.anywhere, True
            self._leave(process)
            process.anywhere = before

    def _serve_interrupt(self) -> None:
        assert self._interrupt is not None
        interrupt, self._interrupt = self._interrupt, None
        interrupt.serve()

    # -- what a person wants to know -----------------------------------------------------------------------------------

    def describe(self, process: Process) -> str:
        """What a process that waits waits for, and where."""
        return "\n".join(explain(process) for explain in self.listeners.explain_wait) or repr(process)

    def _why_so_late(self, ns: int) -> str:
        return "".join(explain(ns) for explain in self.listeners.explain_late)

    def blocked(self) -> list[Process]:
        """The processes that wait, without a timeout, for what no schedule will bring; services left out."""
        return [p for p in self._processes.values() if p.wait is not None and not p.service]

    def blocked_threads_of(self, process: Process) -> list[Process]:
        """The threads of a process that wait for what no schedule will bring."""
        return [p for p in self._processes.values() if p.owner is process and p.wait is not None and not p.due]

    def in_vain(self, text: str) -> Deadlock:
        """The error of a test that waits for what can never come, with what is known of the reason."""
        for explain in self.listeners.explain:
            text = explain(text)
        return Deadlock(text)


def _wrapped(process: Process, error: BaseException) -> BaseException:
    """What a process has raised; but what would end the interpreter, and so the test, is reported as an error."""
    if not isinstance(error, SystemExit | KeyboardInterrupt):
        return error
    raised = SimulationError(f"{process.name} raises {error!r}, which would end the process that plays the simulation")
    raised.__cause__ = error
    return raised


def _nothing(_told: object) -> None:
    pass


def _raise(error: BaseException) -> None:
    raise error
