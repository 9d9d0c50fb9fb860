"""Makes a finding small: fewer faults, submissions, workers and slots, as long as the same harm has the same cause.

A change that keeps the finding is kept, one that loses it is undone. The faults name tasks by their number, so that
each is renamed along with what was taken away before it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from retrysim.durations import format_duration
from retrysim.exploring.subject import Subject
from retrysim.exploring.trial import Decision, Strike, Trial
from retrysim.playing import due_submissions
from retrysim.scenarios import ScenarioItem

#: Makes runs, all of them, and says which of them show the same finding.
Same = Callable[[Sequence[Trial]], Sequence[bool]]
#: The keys of an entry that make several submissions of it.
_SPREAD = ("times", "for_each", "at", "every", "rate", "kwargs")
#: More submissions than this are taken away by halves only.
_MANY = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One submission of one task, as a file has it."""

    entry: Mapping[str, Any]
    task: str  # its short name


def units_of(item: ScenarioItem) -> list[Unit]:
    """Each submission of a scenario by itself, in the order of time."""
    written = item.scenario.document.value
    assert isinstance(written, dict)
    entries: Any = written.get("submit", [])
    units = []
    for due in due_submissions(item):
        given = entries[due.index]
        offset_ns = due.at_ns - item.scenario.spec.start_ns
        kept = {key: value for key, value in given.items() if key not in _SPREAD}
        at = {"at": format_duration(offset_ns)} if offset_ns else {}
        kwargs = {"kwargs": due.kwargs} if due.kwargs else {}
        units.append(Unit(entry={**kept, **kwargs, **at}, task=due.submission.task.rpartition(".")[2]))
    return units


def merged(units: Sequence[Unit]) -> list[dict[str, Any]]:
    """The submissions as a file has them, alike ones that follow each other together."""
    entries: list[dict[str, Any]] = []
    for unit in units:
        if entries and {**entries[-1], "times": 1} == {**unit.entry, "times": 1}:
            entries[-1]["times"] = entries[-1].get("times", 1) + 1
        else:
            entries.append(dict(unit.entry))
    return entries


def shrunk(subject: Subject, trial: Trial, same: Same) -> Trial:
    """The smallest trial that was found. ``same`` is asked of several at once, and the first that shows it is taken."""
    trial = fewer_decisions(trial, same)
    units = units_of(subject.item)
    trial = _fewer_workers(subject, trial, same)  # first, for who has which task hangs on it
    trial = _fewer_submissions(units, trial, same)
    trial = _fewer_workers(subject, trial, same)
    return _plainer(trial, same)


def fewer_decisions(trial: Trial, same: Same) -> Trial:
    """The trial with as few faults and ties as still show the finding."""
    return _fewer_ties(_fewer_strikes(_without_order(trial, same), same), same)


def _first(candidates: Sequence[Trial], same: Same) -> Trial | None:
    """The first that shows the finding, asked in small groups."""
    for begin in range(0, len(candidates), 4):
        group = candidates[begin : begin + 4]
        for candidate, shows in zip(group, same(group), strict=True):
            if shows:
                return candidate
    return None


def _fewer_strikes(trial: Trial, same: Same) -> Trial:
    while len(trial.strikes) > (0 if trial.order else 1):
        without = [
            replace(trial, strikes=trial.strikes[:index] + trial.strikes[index + 1 :])
            for index in range(len(trial.strikes))
        ]
        found = _first(without, same)
        if found is None:
            return trial
        trial = found
    return trial


def _without_order(trial: Trial, same: Same) -> Trial:
    plain = replace(trial, order=())
    return plain if trial.order and trial.strikes and _first([plain], same) is not None else trial


def _fewer_ties(trial: Trial, same: Same) -> Trial:
    """Delta debugging of the ties: none but the first half, quarters, ... is needed."""
    size = max(1, len(trial.order) // 2)
    while trial.order:
        candidates = [
            replace(trial, order=trial.order[:begin] + trial.order[begin + size :])
            for begin in range(0, len(trial.order), size)
        ]
        wanted = [one for one in candidates if one.order or one.strikes]
        found = _first(wanted, same)
        if found is not None:
            trial, size = found, min(size, max(1, len(found.order) // 2))
        elif size == 1:
            break
        else:
            size //= 2
    return trial


# -- submissions -------------------------------------------------------------------------------------------------------


def _fewer_submissions(units: list[Unit], trial: Trial, same: Same) -> Trial:
    """Delta debugging: first a single one, then halves, quarters, ... are taken away."""
    struck = {_short(text) for strike in trial.strikes for text in _tasks_of(strike.decisions)}
    singles = [unit for unit in units if unit.task in struck] or units
    alone = [_with_units(trial, units, [units.index(unit)]) for unit in _different(singles)]
    found = _first([one for one in alone if one is not None], same) if len(units) > 1 else None
    if found is not None:
        return found
    kept = list(range(len(units)))
    size = max(1, len(kept) // 2)
    while size >= 1 and len(kept) > 1:
        candidates = []
        for begin in range(0, len(kept), size):
            rest = kept[:begin] + kept[begin + size :]
            candidate = _with_units(trial, units, rest)
            if rest and candidate is not None:
                candidates.append((rest, candidate))
        found = _first([candidate for _, candidate in candidates], same)
        if found is not None:
            kept = next(rest for rest, candidate in candidates if candidate is found)
            size = min(size, max(1, len(kept) // 2))
        elif size == 1 or len(units) > _MANY:
            break
        else:
            size //= 2
    return _with_units(trial, units, kept) or trial if len(kept) < len(units) else trial


def _different(units: Sequence[Unit]) -> list[Unit]:
    seen: list[Unit] = []
    for unit in units:
        if unit not in seen:
            seen.append(unit)
    return seen[:4]


def _with_units(trial: Trial, units: Sequence[Unit], kept: Sequence[int]) -> Trial | None:
    """The trial with these submissions alone, its faults renamed; ``None`` where a fault's task is gone."""
    renamed = []
    for strike in trial.strikes:
        decisions = [_renamed(decision, units, kept) for decision in strike.decisions]
        if None in decisions:
            return None
        renamed.append(replace(strike, decisions=tuple(one for one in decisions if one is not None)))
    return replace(
        trial, strikes=tuple(renamed), changes={**trial.changes, "submit": merged([units[one] for one in kept])}
    )


def _renamed(decision: Decision, units: Sequence[Unit], kept: Sequence[int]) -> Decision | None:
    """The decision with the task's new number: how many of its name are left up to it; the first, if it is gone."""
    for key, value in decision.items():
        if isinstance(value, dict) and "#" in str(value.get("task", "")):
            name, _, number = value["task"].partition("#")
            own = [index for index, unit in enumerate(units) if unit.task == name]
            if not own:  # a task that another one sends: the first of them, if fewer are sent
                new = 1 if len(kept) < len(units) else int(number)
                return {**decision, key: {**value, "task": f"{name}#{new}"}}
            left = [index for index in own if index in kept]
            if not left:
                return None
            place = own[min(int(number), len(own)) - 1]
            new = left.index(place) + 1 if place in left else 1
            return {**decision, key: {**value, "task": f"{name}#{new}"}}
        if isinstance(value, dict) and "retries" in value and "nth" in value:
            return {**decision, key: {one: own for one, own in value.items() if one != "nth"}}
    return decision


def _tasks_of(decisions: Sequence[Decision]) -> Iterator[str]:
    for decision in decisions:
        for value in decision.values():
            if isinstance(value, dict) and "task" in value:
                yield value["task"]


def _short(task: str) -> str:
    return task.partition("#")[0].rpartition(".")[2]


# -- workers and the rest ----------------------------------------------------------------------------------------------


def _fewer_workers(subject: Subject, trial: Trial, same: Same) -> Trial:
    workers = trial.changes.get("workers", subject.values["workers"])
    if not isinstance(workers, dict):
        return trial
    for fewer in _smaller_crews(workers):
        strikes = tuple(
            replace(strike, decisions=tuple(_on_worker(one, fewer["count"]) for one in strike.decisions))
            for strike in trial.strikes
        )
        candidate = replace(trial, strikes=strikes, changes={**trial.changes, "workers": fewer})
        if _first([candidate], same) is not None:
            return candidate
    return trial


def _smaller_crews(workers: dict[str, Any]) -> Iterator[dict[str, Any]]:
    count, concurrency = workers.get("count", 1), workers.get("concurrency", 1)
    for fewer, slots in ((1, 1), (1, concurrency), (2, 1), (count, 1)):
        if (fewer, slots) != (count, concurrency) and fewer <= count and slots <= concurrency:
            yield {**workers, "count": fewer, "concurrency": slots}


def _on_worker(decision: Decision, count: int) -> Decision:
    """The decision on a worker that there is."""
    return {
        key: "worker-1" if (number := re.fullmatch(r"worker-(\d+)", str(value))) and int(number[1]) > count else value
        for key, value in decision.items()
    }


def _plainer(trial: Trial, same: Same) -> Trial:
    """Without the time after the event, and without the cost of bodies, if that shows it, too."""
    for candidate in _plainer_ones(trial):
        if _first([candidate], same) is not None:
            trial = candidate
    return trial


def _plainer_ones(trial: Trial) -> Iterator[Trial]:
    for index, strike in enumerate(trial.strikes):
        for number, decision in enumerate(strike.decisions):
            when = decision.get("when")
            if when and "after" in when:
                plain = {**decision, "when": {key: value for key, value in when.items() if key != "after"}}
                decisions = (*strike.decisions[:number], plain, *strike.decisions[number + 1 :])
                strikes: tuple[Strike, ...] = (
                    *trial.strikes[:index], replace(strike, decisions=decisions), *trial.strikes[index + 1 :],
                )  # fmt: skip
                yield replace(trial, strikes=strikes)
