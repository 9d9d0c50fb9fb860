"""An exploration: the run without a fault, every single fault at every point, and what was found."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from retrysim.errors import InputError, Violation
from retrysim.exploring.bad_input import check_base
from retrysim.exploring.causes import cause_of
from retrysim.exploring.kinds import KINDS, FaultKind, left_out
from retrysim.exploring.matrix import Matrix
from retrysim.exploring.order import single_strikes
from retrysim.exploring.outcome import ORDER, Harm, harms_of
from retrysim.exploring.points import Point
from retrysim.exploring.runner import Runner
from retrysim.exploring.surroundings import AppSettings
from retrysim.exploring.trial import Trial, TrialResult
from retrysim.machine import cores
from retrysim.nearest import did_you_mean

_REAL = {"monotonic": time.monotonic}  # in a container: a simulation replaces a saved global
#: Runs that are made before what they found is looked at: the same whatever the number of processes.
ROUND = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much to try. ``seconds`` is real time; ``runs`` counts runs; ``None`` is no bound."""

    seconds: float | None = None
    runs: int | None = None
    jobs: int = 0
    seed: int = 0


@dataclass(slots=True, kw_only=True)
class Finding:
    """One cause of one kind of harm to one task."""

    task: str
    worst: str
    kind: str
    cause: str
    harm: Harm
    trial: Trial
    runs: int = 1  # in how many runs it showed
    kinds: list[str] = field(default_factory=list)
    accepted: bool = False
    scenario: str | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        return self.task, self.worst, self.cause


@dataclass(slots=True, kw_only=True)
class Exploration:
    """What was tried and found, so far or in the end."""

    base: TrialResult
    points: Sequence[Point]
    around: AppSettings
    left_out: Mapping[str, str]
    matrix: Matrix
    findings: dict[tuple[str, str, str], Finding] = field(default_factory=dict)
    states: set[int] = field(default_factory=set)
    runs: int = 0
    planned: int = 0  # how many runs there will be, as far as that is known
    untried: int = 0  # how many single faults the budget, or Ctrl-C, left no run for
    unapplied: int = 0
    errors: list[str] = field(default_factory=list)
    #: what a run did and its own file did not do again: no findings
    unconfirmed: list[str] = field(default_factory=list)
    seconds: float = 0.0
    jobs: int = 1
    interrupted: bool = False
    starts_anew: str | None = None  # why every run starts from nothing, which takes longer
    proof: str = ""  # what a bounded search of all orders came to
    new_states: list[int] = field(default_factory=list)  # for each round, how many states nobody had seen

    def check(self) -> None:
        """Raises ``Violation`` with all that is new, the worst first; nothing is raised for nothing."""
        __tracebackhide__ = True  # pytest shows the line of the test
        if self.new:
            from retrysim.exploring.text import report_lines

            raise Violation("\n".join(report_lines("explore", self)))

    @property
    def worst_first(self) -> list[Finding]:
        """The findings, the worst first; among alike ones, in the order in which they were found."""
        return sorted(self.findings.values(), key=lambda finding: -ORDER.index(finding.harm.worst))

    @property
    def new(self) -> list[Finding]:
        """Those that nobody has accepted."""
        return [finding for finding in self.worst_first if not finding.accepted]


#: Told of a trial and its result that reached a state which nobody had seen.
Learn = Callable[[Trial, TrialResult], None]
Watch = Callable[[Exploration], None]


def kinds_named(names: Sequence[str]) -> list[FaultKind]:
    """The kinds of these names, or all. Raises ``InputError`` for one that there is not."""
    for name in names:
        if name not in KINDS:
            raise InputError(f"no kind of fault {name!r}{did_you_mean(name, KINDS)} (there are {', '.join(KINDS)})")
    return [kind for kind in KINDS.values() if not names or kind.name in names]


class Explorer:
    """Makes the runs of one exploration, round by round."""

    def __init__(
        self,
        runner: Runner,
        around: AppSettings,
        *,
        kinds: Sequence[FaultKind],
        budget: Budget,
        watch: Watch | None = None,
    ) -> None:
        self.kinds = [kind for kind in kinds if kind.needs(around) is None]
        self.budget = budget
        self.runner = runner
        self.jobs = budget.jobs or cores()
        #: runs that are made before what they found is looked at
        self.round_size = ROUND
        #: asked between two rounds whether what was found is enough
        self.enough: Callable[[Exploration], bool] | None = None
        self._in_matrix = False  # whether the runs are those that the matrix counts points of
        self._watch = watch or (lambda _exploration: None)
        self._began = _REAL["monotonic"]()
        base, points = self._base()
        self.exploration = Exploration(
            base=base,
            points=points,
            around=around,
            left_out=left_out(around, kinds),
            matrix=Matrix(dict.fromkeys(facts.name for facts in base.tasks.values())),
            states=set(base.states),
            jobs=self.jobs,
        )

    def _base(self) -> tuple[TrialResult, list[Point]]:
        """The run without a fault, made twice. Raises ``InputError`` for one that shows nothing."""
        trial = Trial(wants_points=True, wants_trace=True)
        results = dict(self.runner.results([replace(trial, as_written=True), trial]))
        return check_base(results[0], results[1])

    # -- rounds --------------------------------------------------------------------------------------------------------

    def single_faults(self, *, learn: Learn | None = None, share: tuple[int, int] = (0, 1)) -> None:
        """Every kind at every point, as far as the budget goes; ``share`` is which of how many parts of them."""
        strikes = single_strikes(self.exploration.points, self.exploration.around, self.kinds)
        if not strikes:
            raise InputError("there is no point at which any of these kinds of fault can strike; nothing to explore")
        strikes = strikes[share[0] :: share[1]]
        self.exploration.planned = len(strikes) if self.budget.runs is None else self.budget.runs
        self._in_matrix, before = True, self.exploration.runs
        try:
            self.run_all([Trial(strikes=(strike,), wants_points=True) for strike in strikes], learn=learn)
        finally:
            self.exploration.untried = len(strikes) - (self.exploration.runs - before)
        self._in_matrix = False

    def run_all(self, trials: Sequence[Trial], *, learn: Learn | None = None) -> None:
        """Make these runs, in rounds, until the budget is used up; ``learn`` receives what reached a new state."""
        for begin in range(0, len(trials), self.round_size):
            batch = list(trials[begin : begin + self.round_size])
            if self.budget.runs is not None:
                batch = batch[: max(0, self.budget.runs - self.exploration.runs)]
            if not batch or self.is_over or self._enough():
                return
            before = len(self.exploration.states)
            for trial, result in self.made(batch):
                is_new = not result.states <= self.exploration.states
                self.take(with_order(trial, result), result)
                if is_new and learn is not None:
                    learn(trial, result)
            self.exploration.new_states.append(len(self.exploration.states) - before)

    def each(self, trials: Sequence[Trial]) -> Iterator[tuple[Trial, TrialResult]]:
        """Make these runs in rounds, note what they did, and give each with its result, as far as the budget goes."""
        for begin in range(0, len(trials), self.round_size):
            if self.is_bounded and self.is_used_up:
                return
            for trial, result in self.made(list(trials[begin : begin + self.round_size])):
                self.take(with_order(trial, result), result)
                yield trial, result

    @property
    def is_used_up(self) -> bool:
        """Whether no run is left; without any bound, that is at once."""
        runs = self.budget.runs
        used = not self.is_bounded or self.is_over or (runs is not None and self.exploration.runs >= runs)
        return used or self._enough()

    @property
    def is_bounded(self) -> bool:
        """Whether the budget says how long to go on after all single faults."""
        return self.budget.seconds is not None or self.budget.runs is not None

    def _enough(self) -> bool:
        return self.enough is not None and self.enough(self.exploration)

    @property
    def is_over(self) -> bool:
        """Whether the time is up."""
        return self.budget.seconds is not None and self.elapsed >= self.budget.seconds

    @property
    def elapsed(self) -> float:
        return _REAL["monotonic"]() - self._began

    def made(self, trials: Sequence[Trial]) -> Iterator[tuple[Trial, TrialResult]]:
        """The runs of a round with their results, in the order of the trials; what was made before Ctrl-C, too."""
        results: dict[int, TrialResult] = {}
        try:
            for index, result in self.runner.results(trials):
                results[index] = result
                self.exploration.runs += 1
                self.exploration.seconds = self.elapsed
                self._watch(self.exploration)
                if self.is_over:
                    break
        except KeyboardInterrupt:
            self.exploration.interrupted = True
        for index in sorted(results):
            yield trials[index], results[index]
        if self.exploration.interrupted:
            raise Interrupted

    def results(self, trials: Sequence[Trial]) -> list[TrialResult]:
        """The results of some runs in their order, whatever the budget; they count as runs."""
        results = dict(self.runner.results(trials))
        self.exploration.runs += len(results)
        self._watch(self.exploration)
        return [results[index] for index in range(len(trials))]

    def take_known(self, trial: Trial, result: TrialResult) -> None:
        """Note what another search found in a run that this one has not made: one with several faults, or an order."""
        if trial.changes or trial.as_written or (len(trial.strikes) < 2 and not trial.draw and not trial.order):
            return
        self.take(with_order(trial, result), result)

    def take(self, trial: Trial, result: TrialResult) -> list[Harm]:
        """Note what a run did."""
        exploration = self.exploration
        if result.error is not None:
            where = ", then ".join(strike.point for strike in trial.strikes)
            exploration.errors.append(f"{trial.kind or 'another order'}{' at ' * bool(where)}{where}: {result.error}")
            return []
        if result.unapplied is not None:
            exploration.unapplied += 1
            return []
        exploration.states |= result.states
        harms = harms_of(result, exploration.base, lasts_ns=trial.lasts_ns)
        if self._in_matrix or len(trial.strikes) > 1:
            exploration.matrix.add(trial, harms)
        for harm in harms:
            if not harm.follows:
                self._note(harm, trial)
        return harms

    def _note(self, harm: Harm, trial: Trial) -> None:
        kinds = [strike.kind for strike in trial.strikes]
        cause = cause_of(harm, kinds, self.exploration.around)
        finding = Finding(task=harm.task, worst=harm.worst, kind=trial.kind, cause=cause, harm=harm, trial=trial)
        known = self.exploration.findings.setdefault(finding.key, finding)
        if known is not finding:
            known.runs += 1
            if _rank(finding.trial) < _rank(known.trial):  # shrinking begins where least is to be taken away
                known.trial, known.harm, known.kind = finding.trial, finding.harm, finding.kind
        if trial.kind not in known.kinds:
            known.kinds.append(trial.kind)


def _rank(trial: Trial) -> tuple[int, int, bool]:
    """Which of two trials shows a finding better: fewer decisions, then a body that runs.

    What meets a message on its way depends on microseconds when it is played on real workers.
    """
    events = [
        decision["when"]["event"] for strike in trial.strikes for decision in strike.decisions if "when" in decision
    ]
    return *trial.size, any(event in ("task-sent", "task-received") for event in events)


def with_order(trial: Trial, result: TrialResult) -> Trial:
    """The trial with the ties that were drawn in its run written out: it does the same without drawing."""
    return replace(trial, draw="", order=tuple(result.order)) if trial.draw else trial


class Interrupted(Exception):  # noqa: N818 - not an error
    """Ctrl-C: what was found so far stands."""
