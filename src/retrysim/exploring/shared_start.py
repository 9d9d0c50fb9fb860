"""Runs that share their beginning: the simulation is started once, and forked for each run.

To start the workers takes as long as a short run. What a run decides, its faults and its order, comes after that, so
that a process of its own starts the simulation once and is copied for each run. The result is that of a run from
nothing; a run that changes the scenario itself is made that way.
"""

from __future__ import annotations

import os
import pickle
import signal
import traceback
import weakref
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import BinaryIO

from retrysim.errors import InternalError
from retrysim.exploring.forks import Forks, be_silent, fork
from retrysim.exploring.playing import hung, play_trial_on, player_of, silence
from retrysim.exploring.runner import Runner
from retrysim.exploring.subject import Subject
from retrysim.exploring.trial import Trial, TrialResult
from retrysim.playing import environment_variables
from retrysim.simulation.player import staged

_ENDED = "the process that holds the started simulation of this search has ended"


def runner_of(subject: Subject, *, jobs: int) -> Runner:
    """What makes runs in forks of this process: from a start that they share, where a copy is as good as its own."""
    if why_not_shared(subject) is None:
        return SharedStart(subject, jobs=jobs)
    forks: Forks[Trial, TrialResult] = Forks(player_of(subject), jobs=jobs, on_hang=hung)
    return forks


def why_not_shared(subject: Subject) -> str | None:
    """What a started simulation has that a copy of its process would not; ``None`` for nothing."""
    spec = subject.item.scenario.spec
    if spec.databases is not None:
        return "the scenario uses a database"
    if any(worker.isolated for worker in subject.with_decisions(Trial()).workers):
        return "its pool processes are processes of the machine"
    return f"the scenario allows what is real ({', '.join(spec.allow)})" if spec.allow else None


class SharedStart:
    """Makes runs, ``jobs`` at once."""

    def __init__(self, subject: Subject, *, jobs: int) -> None:
        self._subject = subject
        self._jobs = jobs
        self._fresh: Forks[Trial, TrialResult] = Forks(player_of(subject), jobs=jobs, on_hang=hung)
        self._holder: _Holder | None = None

    def results(self, trials: Sequence[Trial]) -> Iterator[tuple[int, TrialResult]]:
        """(index of the trial, its result), as they come."""
        changed = [index for index, trial in enumerate(trials) if trial.changes or trial.as_written]
        for number, result in self._fresh.results([trials[index] for index in changed]) if changed else ():
            yield changed[number], result
        same = sorted(set(range(len(trials))) - set(changed))
        for number, result in self._on_the_stage([trials[index] for index in same]) if same else ():
            yield same[number], result

    def close(self) -> None:
        """End the process that holds the started simulation; it ends with this object, too."""
        if self._holder is not None:
            self._holder.end()
            self._holder = None

    def _on_the_stage(self, trials: Sequence[Trial]) -> Iterator[tuple[int, TrialResult]]:
        holder = self._holder = self._holder or _Holder(self._subject, self._jobs)
        left = len(trials)
        try:
            holder.ask(trials)
            while left:
                yield holder.answer()
                left -= 1
        finally:
            if left:  # nobody waits for the others
                self.close()


class _Holder:
    """The process that has the simulation started; it ends with whoever asks it."""

    def __init__(self, subject: Subject, jobs: int) -> None:
        (questions, ask), (answer, answers) = os.pipe(), os.pipe()
        pid = fork()
        if pid == 0:
            os.close(ask)
            os.close(answer)
            _hold(subject, jobs, os.fdopen(questions, "rb"), os.fdopen(answers, "wb"))
        os.close(questions)
        os.close(answers)
        self._ask, self._answers = os.fdopen(ask, "wb"), os.fdopen(answer, "rb")
        self.end = weakref.finalize(self, _end, pid, self._ask, self._answers)

    def ask(self, trials: Sequence[Trial]) -> None:
        """Raises ``InternalError`` where nobody is there to be asked."""
        try:
            pickle.dump(list(trials), self._ask)
            self._ask.flush()
        except BrokenPipeError:
            raise InternalError(_ENDED) from None

    def answer(self) -> tuple[int, TrialResult]:
        """The next of the results. Raises ``InternalError`` for what no trial has caused."""
        try:
            answer = pickle.load(self._answers)
        except EOFError:
            raise InternalError(_ENDED) from None
        if isinstance(answer, str):
            raise InternalError(f"a search failed on a bug of retrysim:\n{answer}")
        return answer  # type: ignore[no-any-return]


def _end(pid: int, *pipes: BinaryIO) -> None:
    """With the runs that are under way: they are of its process group."""
    for pipe in pipes:
        with suppress(OSError):
            pipe.close()
    for kill in (os.killpg, os.kill):  # the group may not be there yet
        with suppress(ProcessLookupError):
            kill(pid, signal.SIGKILL)
    with suppress(ChildProcessError):
        os.waitpid(pid, 0)


def _hold(subject: Subject, jobs: int, questions: BinaryIO, answers: BinaryIO) -> None:
    """In the process that holds it. Never returns."""
    forks: Forks[Trial, TrialResult] = Forks(
        lambda trial: play_trial_on(subject, stage, trial), jobs=jobs, on_hang=hung
    )
    try:
        os.setpgid(0, 0)  # a Ctrl-C is for whoever asks
        be_silent()
        item = subject.with_decisions(Trial())
        with silence(), environment_variables(item), staged(item) as stage:
            while True:
                for answer in forks.results(pickle.load(questions)):
                    pickle.dump(answer, answers)
                    answers.flush()
    except (EOFError, BrokenPipeError):
        pass
    except BaseException:
        with suppress(OSError):
            pickle.dump(traceback.format_exc(), answers)
            answers.flush()
    finally:
        os._exit(0)
