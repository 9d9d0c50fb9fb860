"""Makes the run of one trial in this process, and reads the facts off it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from retrysim.errors import InputError
from retrysim.exploring.draws import named, pick_of
from retrysim.exploring.facts import facts
from retrysim.exploring.subject import Subject
from retrysim.exploring.trial import Trial, TrialResult
from retrysim.simulation.order import Ties
from retrysim.simulation.player import Stage, play, play_on
from retrysim.simulation.simulation import Simulation

#: Makes one run.
Play = Callable[[Trial], TrialResult]


def player_of(subject: Subject) -> Play:
    """What plays trials of a scenario."""
    return partial(play_trial, subject)


def hung(trial: Trial) -> TrialResult:
    """The result of a run that did not end."""
    return TrialResult(error="the run did not end within 120 s of real time")


def play_trial(subject: Subject, trial: Trial) -> TrialResult:
    """One run; an error that only this trial meets is part of its result."""

    def run(drawn: Drawn) -> TrialResult:
        outcome = play(subject.with_decisions(trial), throw_away=True, look=drawn.look)
        result = facts(outcome.trace, outcome.findings, outcome.elapsed_ns, trial)
        if trial.as_written and outcome.findings:
            return replace(result, unmet=outcome.text().splitlines()[0])
        return result

    with silence():
        return _noted(trial, run)


def play_trial_on(subject: Subject, stage: Stage, trial: Trial) -> TrialResult:
    """One run on a stage that this process of the machine throws away."""

    def run(drawn: Drawn) -> TrialResult:
        item = subject.with_decisions(trial)
        played = play_on(stage, item, throw_away=True, look=drawn.look)
        trace = played.run.trace
        return facts(trace, played.judged(item), played.run.end_ns - trace.start_ns, trial)

    for begin in stage.sim.environment.listeners.copied:
        begin()
    return _noted(trial, run)


@contextmanager
def silence() -> Iterator[None]:
    """The runs of a search log what they provoke."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


def _noted(trial: Trial, run: Callable[[Drawn], TrialResult]) -> TrialResult:
    drawn = Drawn(trial)
    try:
        return drawn.noted(run(drawn))
    except InputError as error:  # the worker was gone already, or ran no task
        return TrialResult(unapplied=str(error))
    except Exception as error:
        return TrialResult(error=f"{type(error).__name__}: {error}")


class Drawn:
    """Draws the ties of one run, and notes those that it decided."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._ties: Ties | None = None

    def look(self, sim: Simulation) -> None:
        if self._trial.draw:
            self._ties = Ties(sim.environment.clock, named(self._trial.order, pick_of(self._trial.draw)))
            sim.environment.choose = self._ties.choose

    def noted(self, result: TrialResult) -> TrialResult:
        return result if self._ties is None else replace(result, **self._ties.noted())
