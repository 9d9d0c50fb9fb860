"""Judges a run in real time: instants within a tolerance, and everything else as exactly as in a simulation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from retrysim.durations import format_duration, parse_duration
from retrysim.errors import DurationError
from retrysim.invariants.invariant import BrokenInvariant, Problem
from retrysim.outcomes.expectations import Run, judge_run
from retrysim.scenarios import ALL, ScenarioItem
from retrysim.trace import ApiCalled, TaskHistory, Trace


def judge_approximately(item: ScenarioItem, run: Run, tolerance_ns: int) -> list[BrokenInvariant]:
    """Everything that does not hold of a run whose instants may be off by ``tolerance_ns``."""
    expect = item.expect
    exact = replace(item, expect=_without(expect, tuple(_CLAIMS)))
    lenient = replace(run, trace=_shifted(run.trace, tolerance_ns))
    findings = judge_run(exact, lenient)
    for key, claim in _CLAIMS.items():
        expected = getattr(expect, key, None)
        if expected is not None and key in expect.model_fields_set:
            problems = tuple(claim(expected, run, tolerance_ns))
            if problems:
                findings.append(BrokenInvariant(invariant=key.removesuffix("_ns"), problems=problems))
    return findings


def _without(expect: Any, keys: Sequence[str]) -> Any:
    """The expectations but for those of instants; how many tasks were retried stays."""
    kept = dict.fromkeys(keys)
    if expect.retried is not None:
        at_ns = "reset" if expect.retried.at_ns == "reset" else None
        kept["retried"] = expect.retried.model_copy(update={"at_ns": at_ns})
    return expect.model_copy(update=kept)


def _shifted(trace: Trace, tolerance_ns: int) -> Trace:
    """The trace in which each refusal names an instant that much later: so its caller may be late, and never early."""
    lenient = Trace(seed=trace.seed, start_ns=trace.start_ns)
    for event in trace:
        if isinstance(event, ApiCalled) and event.retry_at_ns is not None:
            told_ns = max(event.retry_at_ns, event.told_ns or 0) + tolerance_ns
            lenient.append(replace(event, told_ns=told_ns))
        else:
            lenient.append(event)
    return lenient


# -- claims ------------------------------------------------------------------------------------------------------------


def _elapsed(expected: int, run: Run, tolerance_ns: int) -> Iterator[Problem]:
    actual = run.end_ns - run.trace.start_ns
    if abs(actual - expected) > tolerance_ns:
        yield _problem(format_duration(expected), format_duration(actual), tolerance_ns)


def _attempts_at(expected: Sequence[int], run: Run, tolerance_ns: int) -> Iterator[Problem]:
    for task in run.trace.tasks.values():
        starts = [attempt.start_ns - run.trace.start_ns for attempt in task.attempts]
        if not _close(starts, expected, tolerance_ns):
            yield _problem(_durations(expected), _durations(starts), tolerance_ns, task)


def _retried(expected: Any, run: Run, tolerance_ns: int) -> Iterator[Problem]:
    if not isinstance(expected.at_ns, tuple):
        return
    for task in run.trace.tasks.values():
        for attempt in task.attempts[1:]:
            start_ns = attempt.start_ns - run.trace.start_ns
            if not any(abs(start_ns - at_ns) <= tolerance_ns for at_ns in expected.at_ns):
                yield _problem(_durations(expected.at_ns), format_duration(start_ns), tolerance_ns, task)


def _timelines(expected: dict[str, int], run: Run, tolerance_ns: int) -> Iterator[Problem]:
    left = dict(expected)
    for task in run.trace.tasks.values():
        actual = _words(task.timeline)
        fits = next((line for line, n in left.items() if n and _same(_words(line), actual, tolerance_ns)), None)
        if fits is None:
            yield _problem(" or ".join(map(repr, expected)), task.timeline, tolerance_ns, task)
        else:
            left[fits] -= 1
    for line, count in left.items():
        if count:
            yield Problem(text=f"expected {count} more tasks {line!r}, each duration within {_text(tolerance_ns)}")


def _story(expected: dict[str, dict[str, str]], run: Run, tolerance_ns: int) -> Iterator[Problem]:
    for fake, endpoints in expected.items():
        for endpoint, wanted in endpoints.items():
            calls = [c for c in run.trace.of(ApiCalled) if c.endpoint == endpoint and fake in (ALL, c.fake)]
            actual = story_within(calls, tolerance_ns)
            if not _same_stories(wanted, actual, tolerance_ns):
                yield _problem(f"{endpoint}: {wanted}", actual, tolerance_ns)


def story_within(calls: Sequence[ApiCalled], tolerance_ns: int) -> str:
    """The story of calls in which those that came within the tolerance of each other came at one instant, sorted."""
    groups: list[list[ApiCalled]] = []
    for call in calls:
        if groups and call.at_ns - groups[-1][-1].at_ns <= tolerance_ns:
            groups[-1].append(call)
        else:
            groups.append([call])
    words: list[str] = []
    for index, group in enumerate(groups):
        if index:
            words.append(format_duration(group[0].at_ns - groups[index - 1][0].at_ns))
        answers = [call.answer for call in group]
        words += [f"{answers.count(answer)}x{answer}" for answer in sorted(set(answers))]
    return " ".join(words)


def _same_stories(wanted: str, actual: str, tolerance_ns: int) -> bool:
    return _same(_sorted_groups(wanted), _sorted_groups(actual), tolerance_ns)


def _sorted_groups(story: str) -> list[str | int]:
    """The words of a story; answers of one instant in no order, since real calls race."""
    words: list[str | int] = []
    group: list[str] = []
    for word in story.split():
        if "x" in word:
            group.append(word)
        else:
            words += [*sorted(group), parse_duration(word)]
            group = []
    return [*words, *sorted(group)]


# -- within a tolerance ------------------------------------------------------------------------------------------------


def _words(timeline: str) -> list[str | int]:
    """States, and between each two of them a duration, also where it is nothing."""
    words: list[str | int] = []
    waited_ns = 0
    for word in timeline.split():
        try:
            waited_ns = parse_duration(word)
        except DurationError:
            words += [waited_ns, word]
            waited_ns = 0
    return words


def _same(one: Sequence[str | int], other: Sequence[str | int], tolerance_ns: int = 0) -> bool:
    return len(one) == len(other) and all(
        abs(a - b) <= tolerance_ns if isinstance(a, int) and isinstance(b, int) else a == b
        for a, b in zip(one, other, strict=True)
    )


def _close(one: Sequence[int], other: Sequence[int], tolerance_ns: int) -> bool:
    return _same(one, other, tolerance_ns)


def _problem(expected: str, got: str, tolerance_ns: int, task: TaskHistory | None = None) -> Problem:
    text = f"expected {expected} (within {_text(tolerance_ns)}), got {got}"
    if task is None:
        return Problem(text=text)
    return Problem(text=f"{text}; {task.label}: {task.timeline}", task_id=task.task_id)


def _text(tolerance_ns: int) -> str:
    return format_duration(tolerance_ns)


def _durations(durations: Sequence[int]) -> str:
    return "[" + ", ".join(map(format_duration, durations)) + "]"


_CLAIMS: dict[str, Callable[[Any, Run, int], Iterator[Problem]]] = {
    "retried": _retried,
    "attempts_at_ns": _attempts_at,
    "timelines": _timelines,
    "story": _story,
    "elapsed_ns": _elapsed,
}
