"""What happens to the findings: each is shrunk, written down, and played again from the file that was written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from retrysim.exploring.accept import is_accepted
from retrysim.exploring.causes import cause_of
from retrysim.exploring.exploration import Explorer, Finding, Interrupted
from retrysim.exploring.forks import Forks
from retrysim.exploring.found import file_name, forget_earlier, headline, scenario_text, scenario_values, write
from retrysim.exploring.outcome import Harm, harms_of
from retrysim.exploring.shrink import shrunk, units_of
from retrysim.exploring.subject import Subject
from retrysim.exploring.trial import Trial, TrialResult
from retrysim.scenarios import items_of, loads
from retrysim.simulation.player import play

#: Findings beyond these are reported and not written down: who has so many reads the matrix first.
MOST_FILES = 40


class Settling:
    """Shrinks the findings of one exploration and writes them into a folder."""

    def __init__(self, explorer: Explorer, subject: Subject, folder: Path) -> None:
        self._explorer = explorer
        self._subject = subject
        self._folder = folder
        self._bases: dict[str, TrialResult] = {}
        self._units = len(units_of(subject.item))

    def settle(self, report: Callable[[Finding], None] = lambda _finding: None) -> None:
        """Shrink and write each finding that nobody has accepted, the worst first."""
        mark_accepted(self._explorer, self._subject)
        source = Path(self._subject.item.file).name
        forget_earlier(self._folder, source)
        written = 0
        try:
            for finding in self._explorer.exploration.new:
                if self._settle_one(written + 1, finding, source):
                    written += 1
                    report(finding)
                else:
                    self._drop(finding)
        except (Interrupted, KeyboardInterrupt):
            self._explorer.exploration.interrupted = True
        _note_scenarios(self._explorer)

    def _settle_one(self, number: int, finding: Finding, source: str) -> bool:
        """Whether its file fails for the same reason when it is played alone; only then it is written."""
        before = f"shrunk from {self._units} submission{'s' if self._units != 1 else ''}"
        for trial, harm in self._forms(finding, shrinks=number <= MOST_FILES):
            values = scenario_values(self._subject, trial, harm, self._base(trial))
            text = scenario_text(values, source=source, cause=finding.cause, shrunk_from=before)
            path = self._folder / file_name(number, harm)
            if self._replays(str(path), text):
                finding.trial, finding.harm = trial, harm
                if number <= MOST_FILES:
                    finding.scenario = str(write(self._folder, path.name, text))
                return True
        return False

    def _forms(self, finding: Finding, *, shrinks: bool) -> Iterator[tuple[Trial, Harm]]:
        """The finding as small as it gets, then as it was found."""
        if shrinks:
            trial = shrunk(self._subject, finding.trial, partial(self._same, finding))
            harm = self._shown(finding, trial)
            if harm is not None:
                yield trial, harm
        yield finding.trial, finding.harm

    def _drop(self, finding: Finding) -> None:
        exploration = self._explorer.exploration
        del exploration.findings[finding.key]
        exploration.unconfirmed.append(headline(finding.harm, finding.trial))

    def _same(self, finding: Finding, trials: Sequence[Trial]) -> list[bool]:
        """Which of the trials do the same harm to the same task for the same cause."""
        wanted = {json.dumps(trial.changes, sort_keys=True): trial for trial in trials}
        missing = {key: Trial(changes=trial.changes) for key, trial in wanted.items() if key not in self._bases}
        results = self._explorer.results([*missing.values(), *trials])
        self._bases |= dict(zip(missing, results, strict=False))
        found = results[len(missing) :]
        return [self._harm(finding, trial, result) is not None for trial, result in zip(trials, found, strict=True)]

    def _base(self, trial: Trial) -> TrialResult:
        key = json.dumps(trial.changes, sort_keys=True)
        if key not in self._bases:
            (self._bases[key],) = self._explorer.results([Trial(changes=trial.changes)])
        return self._bases[key]

    def _shown(self, finding: Finding, trial: Trial) -> Harm | None:
        (result,) = self._explorer.results([trial])
        self._base(trial)
        return self._harm(finding, trial, result)

    def _harm(self, finding: Finding, trial: Trial, result: TrialResult) -> Harm | None:
        base = self._bases[json.dumps(trial.changes, sort_keys=True)]
        if result.error or result.unapplied or base.error or base.stuck:
            return None
        if any(facts.settled_ns is None for facts in base.tasks.values()):
            return None
        around = self._explorer.exploration.around
        kinds = [strike.kind for strike in trial.strikes]
        for harm in harms_of(result, base, lasts_ns=trial.lasts_ns):
            if (harm.task, harm.worst, cause_of(harm, kinds, around)) == finding.key:
                return harm
        return None

    def _replays(self, file: str, text: str) -> bool:
        """Whether a file with this text fails for what it is written for when it is played as any other."""
        fails = partial(_fails, self._subject, file)
        forks: Forks[str, bool] = Forks(fails, jobs=1, on_hang=lambda _text: False)
        ((_, shows),) = forks.results([text])
        return shows


def _fails(subject: Subject, file: str, text: str) -> bool:
    (item,) = items_of(loads(text, file=file, project=subject.project))
    asked = item.expect.invariants or ()
    shows = (asked[0].name, "Deadlock", "Runaway")  # a run that could not go on is not judged
    outcome = play(item, throw_away=True)
    return any(finding.invariant.partition("(")[0] in shows for finding in outcome.findings)


def mark_accepted(explorer: Explorer, subject: Subject) -> None:
    """Mark what the scenario accepts."""
    accepted = subject.item.scenario.spec.accept
    for finding in explorer.exploration.findings.values():
        finding.accepted = all(is_accepted(finding.harm, kind, accepted) for kind in finding.kinds)


def _note_scenarios(explorer: Explorer) -> None:
    """Let each cell of the matrix name the file behind it."""
    matrix = explorer.exploration.matrix
    for finding in explorer.exploration.worst_first:
        for kind in finding.kinds:
            cell = matrix.cell(finding.task, kind)
            if cell is not None and cell.worst == finding.worst:
                cell.scenario = cell.scenario or finding.scenario
                cell.accepted = cell.accepted or finding.accepted
