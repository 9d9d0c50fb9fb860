"""Judges what a scenario expects: one function for each key of ``expect``, each a pure look at the run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from retrysim.durations import format_duration
from retrysim.invariants import BY_NAME, DEFAULT, VACUOUS_IS_FINE, Invariant, base_name, judge
from retrysim.invariants.invariant import BrokenInvariant, Problem
from retrysim.nearest import did_you_mean
from retrysim.scenarios import ALL, Expect, InvariantCall, Range, ScenarioItem, fits
from retrysim.trace import ApiCalled, TaskHistory, Trace, is_named
from retrysim.trace.story import groups_of, story_of

#: A figure, or the range in which it lies.
Claim = int | Range


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a run left behind to be judged."""

    trace: Trace
    end_ns: int
    results: Mapping[str, Any] = field(default_factory=dict)  # task id -> what it returned
    submitted: Sequence[str] = ()  # task ids, in the order of the scenario
    notes: Sequence[str] = ()  # what was replaced or left out
    task_log: Mapping[str, Sequence[str]] = field(default_factory=dict)  # task id -> the last lines that it logged


def judge_run(item: ScenarioItem, run: Run) -> list[BrokenInvariant]:
    """Everything that does not hold: first the invariants that were asked for, then the default ones, then the rest."""
    findings = [*_judge_invariants(item, run.trace), *_judge_violated(item, run.trace)]
    for key, claim in _CLAIMS.items():
        expected = getattr(item.expect, key)
        if expected is not None and key in item.expect.model_fields_set:
            problems = tuple(claim(expected, run))
            if problems:
                findings.append(BrokenInvariant(invariant=key.removesuffix("_ns"), problems=problems))
    return findings


# -- invariants --------------------------------------------------------------------------------------------------------


def _judge_invariants(item: ScenarioItem, trace: Trace) -> list[BrokenInvariant]:
    asked = [_invariant(item, "invariants", index) for index in range(len(item.expect.invariants or ()))]
    if item.expect.retried is not None and item.expect.retried.at_ns == "reset":
        asked.append(BY_NAME["retries_start_at_reset"])
    names = {base_name(invariant) for invariant in asked}
    left_out = names | _contradicted(item.expect) | {call.name for call in item.expect.violates or ()}
    defaults = [invariant for invariant in DEFAULT if invariant.__name__ not in left_out]
    everything = list(dict.fromkeys([*asked, *defaults]))
    return judge(trace, everything, vacuous_is_fine=VACUOUS_IS_FINE - names)


def _judge_violated(item: ScenarioItem, trace: Trace) -> Iterator[BrokenInvariant]:
    """The invariants that are expected not to hold, and do."""
    for index in range(len(item.expect.violates or ())):
        invariant = _invariant(item, "violates", index)
        judgement = invariant(trace)
        if not judgement.problems:
            text = f"expected {invariant.__name__} not to hold, but it does, for {judgement.judged} ({judgement.of})"
            yield BrokenInvariant(invariant="violates", problems=(Problem(text=text),))


def _invariant(item: ScenarioItem, key: str, index: int) -> Invariant:
    call: InvariantCall = getattr(item.expect, key)[index]
    if call.name not in BY_NAME:
        raise item.expectation_error(key, f"no invariant {call.name!r}{did_you_mean(call.name, BY_NAME)}", index)
    invariant = BY_NAME[call.name]
    if not call.arguments:
        return invariant
    known = invariant.parameters
    for argument in call.arguments:
        if argument not in known:
            hint = did_you_mean(argument, known) or f"; it has {', '.join(known)}"
            raise item.expectation_error(key, f"{call.name} has no argument {argument!r}{hint}", index)
    return invariant(**call.arguments)


def _contradicted(expect: Expect) -> set[str]:
    """The default invariants that the expected states rule out."""
    states = {state for state, count in (expect.states or {}).items() if count}
    contradicted = {"no_task_fails"} if states & {"FAILURE", "REJECTED"} else set()
    return contradicted | ({"every_task_settles", "no_task_is_lost"} if states - _SETTLED else set())


_SETTLED = frozenset({"SUCCESS", "FAILURE", "REVOKED", "REJECTED", "IGNORED"})


# -- claims about tasks ------------------------------------------------------------------------------------------------


def _states(expected: Mapping[str, Claim], run: Run) -> Iterator[Problem]:
    actual = run.trace.states
    wrong = _wrong(expected, actual)
    if wrong:
        task = _unexpected(wrong, expected, run.trace)
        yield _problem(f"expected {_counts(expected)}, got {_counts(actual)}", task)


def _unexpected(wrong: Sequence[str], expected: Mapping[str, Claim], trace: Trace) -> TaskHistory | None:
    """A task in a state of which there are too many; or else one in a state of which there are too few."""
    too_many = [state for state in wrong if trace.states[state] > _least(expected.get(state, 0))]
    return next((task for task in trace.tasks.values() if task.state in (too_many or wrong)), None)


def _least(expected: Claim) -> int:
    return expected.least if isinstance(expected, Range) else expected


def _retried(expected: Any, run: Run) -> Iterator[Problem]:
    retried = [task for task in run.trace.tasks.values() if task.retries]
    if not fits(expected.tasks, len(retried)):
        task = _refused_or_first(run.trace, retried, len(retried) < _least(expected.tasks))
        yield _problem(f"expected {expected.tasks} tasks to be retried, {len(retried)} were", task)
    if isinstance(expected.at_ns, tuple):
        starts = {a.start_ns - run.trace.start_ns for task in retried for a in task.attempts if a.number > 1}
        if starts != set(expected.at_ns):
            wanted, got = _durations(sorted(set(expected.at_ns))), _durations(sorted(starts))
            yield _problem(f"expected retried attempts at {wanted}, got {got}", next(iter(retried), None))


def _refused_or_first(trace: Trace, retried: Sequence[TaskHistory], too_few: bool) -> TaskHistory | None:
    """A task that shows why: one that was refused and not retried, or one that was retried."""
    if not too_few:
        return retried[-1] if retried else None
    refused = (t for t in trace.tasks.values() if not t.retries and any(c.decision == "limited" for c in t.api_calls))
    return next(refused, next((t for t in trace.tasks.values() if not t.retries), None))


def _attempts(expected: Mapping[str, Claim], run: Run) -> Iterator[Problem]:
    for name, count in expected.items():
        tasks = [task for task in run.trace.tasks.values() if name == ALL or is_named(task.name, name)]
        actual = sum(len(task.attempts) for task in tasks)
        if not fits(count, actual):
            whose = "" if name == ALL else f" of {name}"
            most = max(tasks, key=lambda task: len(task.attempts), default=None)
            yield _problem(f"expected {count} attempts{whose}, got {actual}", most)


def _elapsed(expected: Claim, run: Run) -> Iterator[Problem]:
    actual = run.end_ns - run.trace.start_ns
    if not fits(expected, actual):
        last = max(run.trace.tasks.values(), key=lambda task: task.settled_at_ns or 0, default=None)
        yield _problem(f"expected {_span(expected)}, got {format_duration(actual)}", last, "the last was")


def _timelines(expected: Mapping[str, Claim], run: Run) -> Iterator[Problem]:
    actual: Counter[str] = Counter(task.timeline for task in run.trace.tasks.values())
    for timeline in sorted({*expected, *actual}):
        if not fits(expected.get(timeline, 0), actual[timeline]):
            task = next((t for t in run.trace.tasks.values() if t.timeline == timeline), None)
            yield _problem(f'expected {expected.get(timeline, 0)} tasks "{timeline}", got {actual[timeline]}', task)


def _attempts_at(expected: Sequence[int], run: Run) -> Iterator[Problem]:
    for task in run.trace.tasks.values():
        starts = [attempt.start_ns - run.trace.start_ns for attempt in task.attempts]
        if starts != list(expected):
            yield _problem(f"expected attempts at {_durations(expected)}, got {_durations(starts)}", task)


def _results(expected: Any, run: Run) -> Iterator[Problem]:
    wanted = expected if isinstance(expected, list) else [expected] * len(run.submitted)
    for task_id, want in zip_longest(run.submitted, wanted):
        got = _plain(run.results.get(task_id, "nothing"))
        if task_id is None or got != want:
            yield _problem(f"expected {want!r}, got {got!r}", run.trace.tasks.get(task_id or ""))


def _exception(expected: str, run: Run) -> Iterator[Problem]:
    failed = [task for task in run.trace.tasks.values() if task.failure is not None]
    if not failed:
        yield Problem(text=f"expected {expected}, but no task failed")
    for task in failed:
        raised = task.failure.exception if task.failure else ""
        if expected not in (raised, raised.partition(":")[0]):
            yield _problem(f"expected {expected}, got {raised}", task)


# -- claims about calls ------------------------------------------------------------------------------------------------


def _story(expected: Mapping[str, Mapping[str, str]], run: Run) -> Iterator[Problem]:
    for fake, endpoint, wanted in _flat(expected):
        calls = _calls_of(run.trace, fake, endpoint)
        actual = story_of((call.at_ns, call.answer) for call in calls)
        if actual != wanted:
            yield _problem(f'{endpoint}: expected "{wanted}", got "{actual}"', _differing(run.trace, calls, wanted))


def _differing(trace: Trace, calls: Sequence[ApiCalled], wanted: str) -> TaskHistory | None:
    """The task whose call begins the first group that the expected story does not have."""
    position = 0
    wanted_groups = [word for word in wanted.split() if "x" in word]
    for index, (answer, count) in enumerate(groups_of((call.at_ns, call.answer) for call in calls)):
        if index >= len(wanted_groups) or wanted_groups[index] != f"{count}x{answer}":
            break
        position += count
    call = calls[min(position, len(calls) - 1)] if calls else None
    return trace.tasks.get(call.task_id or "") if call else None


def _calls(expected: Mapping[str, Mapping[str, Mapping[str, Claim]]], run: Run) -> Iterator[Problem]:
    for fake, endpoint, wanted in _flat(expected):
        calls = _calls_of(run.trace, fake, endpoint)
        actual = Counter(call.answer for call in calls)
        if _wrong(wanted, actual):
            task = next((run.trace.tasks.get(c.task_id or "") for c in calls if c.answer not in wanted), None)
            yield _problem(f"{endpoint}: expected {_counts(wanted)}, got {_counts(actual)}", task)


def _calls_of(trace: Trace, fake: str, endpoint: str) -> list[ApiCalled]:
    return [call for call in trace.of(ApiCalled) if call.endpoint == endpoint and fake in (ALL, call.fake)]


def _flat(by_fake: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str, Any]]:
    for fake, by_endpoint in by_fake.items():
        for endpoint, value in by_endpoint.items():
            yield fake, endpoint, value


# -- words -------------------------------------------------------------------------------------------------------------


def _problem(text: str, task: TaskHistory | None, role: str = "for one") -> Problem:
    if task is None:
        return Problem(text=text)
    return Problem(text=f"{text}; {role} {task.label}: {task.timeline}", task_id=task.task_id)


def _wrong(expected: Mapping[str, Claim], actual: Counter[str]) -> list[str]:
    """The names of which there are more or fewer than expected; of one that is not named, any is too many."""
    return [name for name in sorted({*expected, *actual}) if not fits(expected.get(name, 0), actual[name])]


def _span(expected: Claim) -> str:
    ends = (expected.least, expected.most) if isinstance(expected, Range) else (expected,)
    return "..".join(map(format_duration, ends))


def _counts(counts: Mapping[str, Claim]) -> str:
    return "{" + ", ".join(f"{name}: {count}" for name, count in sorted(counts.items()) if count) + "}"


def _durations(durations: Sequence[int]) -> str:
    return "[" + ", ".join(map(format_duration, durations)) + "]"


def _plain(value: Any) -> Any:
    """A result as JSON would give it back: tuples are lists."""
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return {key: _plain(entry) for key, entry in value.items()} if isinstance(value, dict) else value


_CLAIMS: dict[str, Callable[[Any, Run], Iterator[Problem]]] = {
    "retried": _retried,
    "attempts_at_ns": _attempts_at,
    "timelines": _timelines,
    "states": _states,
    "exception": _exception,
    "results": _results,
    "attempts": _attempts,
    "story": _story,
    "calls": _calls,
    "elapsed_ns": _elapsed,
}
