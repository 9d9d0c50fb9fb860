"""What a test asks of a run: its tasks, the messages that were published, what it cost, and whether it was right."""

from __future__ import annotations

import warnings
from collections import Counter
from datetime import datetime

from retrysim.durations import Duration
from retrysim.errors import InputError, RanAgainWarning
from retrysim.invariants import BY_NAME, DEFAULT, VACUOUS_IS_FINE, Invariant, base_name, judge
from retrysim.nearest import did_you_mean, nearest
from retrysim.outcomes.again import ran_again
from retrysim.outcomes.verdict import raise_findings
from retrysim.simulation.views import Published, Wanted, published
from retrysim.trace import TaskHistory, Trace, is_named


class RunView:
    """A run, read off its trace; it may go on."""

    def __init__(self, trace: Trace, *, seed: int) -> None:
        self.trace = trace
        self.seed = seed
        #: the line that runs this test again, where somebody knows it
        self.replay: str | None = None

    @property
    def notes(self) -> list[str]:
        """What was replaced or left out, one line each."""
        return []

    @property
    def states(self) -> Counter[str]:
        """How many tasks are in which state: ``{"SUCCESS": 200}``."""
        return self.trace.states

    def task(self, task_id: str) -> TaskHistory:
        """All that happened to one task. Raises ``InputError`` for an id that was never sent."""
        try:
            return self.trace.tasks[task_id]
        except KeyError:
            raise InputError(self._no_such_task(task_id)) from None

    def _no_such_task(self, asked: object) -> str:
        names = sorted({task.name for task in self.trace.tasks.values() if task.name})
        near = nearest(asked if isinstance(asked, str) else str(getattr(asked, "name", "")), names)
        if near is not None:
            return f"sim.task takes the id of a task, and {asked!r} is none: did you mean sim.tasks(name={near!r})?"
        return f"no task {asked!r} in this run: {len(self.trace.tasks)} others were sent"

    def tasks(self, *, name: str | None = None, state: str | None = None) -> list[TaskHistory]:
        """The tasks of a name and a state, in the order in which they were sent."""
        return [
            task
            for task in self.trace.tasks.values()
            if (name is None or is_named(task.name, name)) and state in (None, task.state)
        ]

    def published(
        self,
        *,
        task: str | None = None,
        count: int | None = None,
        eta: datetime | Duration | None = None,
        queue: str | None = None,
        retries: int | None = None,
    ) -> Published:
        """The messages that were published so far; raises ``Violation`` if they are not ``count`` (or none at all).

        ``task`` is a task's name or its end, ``eta`` an aware ``datetime`` or a delay from the sending
        (``"15 minutes"``, seconds, a ``timedelta``), ``retries`` 0 for submissions, 1 for first retries, ... .
        """
        __tracebackhide__ = True  # pytest shows the line of the test
        return published(self.trace, Wanted(task=task, queue=queue, retries=retries, eta=eta), count)

    def check(self, *invariants: Invariant) -> None:
        """Judge the run by the default invariants and these; raises ``Violation`` with all that is wrong.

        One of the default invariants that is given with arguments takes the place of the default one:
        ``sim.check(no_task_fails(but="fetch_tweets"))``.
        """
        __tracebackhide__ = True  # pytest shows the line of the test
        for given in invariants:
            if not (callable(given) and hasattr(given, "__name__")):
                hint = did_you_mean(str(given), BY_NAME)
                raise InputError(f"sim.check takes invariants, such as no_task_fails; got {given!r}{hint}")
        asked = {base_name(invariant) for invariant in invariants}
        defaults = [invariant for invariant in DEFAULT if invariant.__name__ not in asked]
        findings = judge(self.trace, (*defaults, *invariants), vacuous_is_fine=VACUOUS_IS_FINE - asked)
        again = ran_again(self.trace)
        notes = [*self.notes, *again]
        raise_findings(self.trace, findings, replay=self.replay or f"Simulation(seed={self.seed})", notes=notes)
        for text in again:
            warnings.warn(RanAgainWarning(text), stacklevel=2)
