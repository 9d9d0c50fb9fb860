"""The rules that hold between the keys of a scenario, each with what to do when it is broken."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from retrysim.errors import InputError, ScenarioError
from retrysim.scenarios.accept import HARMS
from retrysim.scenarios.bounds import MAX_CONCURRENCY, MAX_ITEMS, MAX_TASKS, MAX_WORKERS
from retrysim.scenarios.document import Document, KeyPath
from retrysim.scenarios.error_text import together
from retrysim.scenarios.expectation import Expect
from retrysim.scenarios.fault_rules import broken_fault_rules
from retrysim.scenarios.kinds import LARGEST_NS, CeleryMode
from retrysim.scenarios.schema import ScenarioSpec
from retrysim.scenarios.submission import Submission
from retrysim.scenarios.worker_groups import WorkerGroup, Workers
from retrysim.scenarios.workers import names_of

Broken = Iterator[tuple[KeyPath, str]]


def broken_rule(spec: ScenarioSpec, document: Document) -> ScenarioError | None:
    """An error for the values in the file that break a rule, in their order; those of size alone, if there are any."""
    if too_large := [*_sizes(spec)]:
        return _error(document, too_large)
    rules = (
        _one_of_two,
        _beat,
        _no_value_twice,
        _fakes,
        _hostname,
        _groups,
        _isolated,
        _times,
        broken_fault_rules,
        _accepted,
        _idempotent,
        _expectations,
    )
    return _error(document, [one for rule in rules for one in rule(spec)])


def _error(document: Document, broken: list[tuple[KeyPath, str]]) -> ScenarioError | None:
    broken.sort(key=lambda one: _line_and_column(document, one[0]))
    return together([document.error(path, message) for path, message in broken]) if broken else None


def _line_and_column(document: Document, path: KeyPath) -> tuple[int, int]:
    position = document.position(path)
    return position.line, position.column


def _sizes(spec: ScenarioSpec) -> Broken:
    tasks = [submission.count for submission in spec.submit]
    if sum(tasks) > MAX_TASKS:
        most = max(range(len(tasks)), key=tasks.__getitem__)
        yield ("submit", most), f"{sum(tasks)} tasks are submitted; expected at most {MAX_TASKS} in one item"
    groups = spec.workers.groups or (spec.workers,)
    crews = [len(group.count) * len(group.concurrency) * len(group.pool or "1") for group in groups]
    items = len(spec.celery) * len(spec.broker or "1") * len(spec.seeds or "1") * prod(crews)
    if items > MAX_ITEMS:
        yield (), f"the lists of this file make {items} items; expected at most {MAX_ITEMS}"
    workers = sum(max(group.count) for group in groups)
    if workers > MAX_WORKERS:
        yield ("workers",), f"up to {workers} workers run at once; expected at most {MAX_WORKERS}"
    slots = sum(max(group.count) * max(group.concurrency) for group in groups)
    if slots > MAX_CONCURRENCY:
        yield ("workers",), f"all workers run up to {slots} tasks at once; expected at most {MAX_CONCURRENCY}"


def _isolated(spec: ScenarioSpec) -> Broken:
    groups: list[tuple[KeyPath, Workers | WorkerGroup]] = [(("workers",), spec.workers)]
    groups += [(("workers", "groups", n), one) for n, one in enumerate(spec.workers.groups)]
    for path, group in groups:
        if group.isolated and group.pool and "prefork" not in group.pool:
            yield (*path, "isolated"), f"the pool {', '.join(group.pool)} has no pool processes; only prefork has them"


def _one_of_two(spec: ScenarioSpec) -> Broken:
    for one, other in (("seed", "seeds"), ("until", "run_for")):
        if one in spec.given and other in spec.given:
            yield (other,), f"{one} is given too; keep one of them"
    for index, submission in enumerate(spec.submit):
        yield from _one_of_two_times(submission, ("submit", index))


def _one_of_two_times(submission: Submission, path: KeyPath) -> Broken:
    if submission.rate is not None and submission.every_ns:
        yield (*path, "rate"), "every is given too; keep one of them"
    for key in submission.for_each:
        if key in submission.kwargs:
            yield (*path, "for_each", key), f"{key} is in kwargs too; keep one of them"
    if submission.countdown_ns is not None and submission.eta_ns is not None:
        yield (*path, "eta"), "countdown is given too; keep one of them"
    for option in ("args", "kwargs", "countdown", "eta", "expires", "queue"):
        if option in submission.options:
            yield (*path, "options", option), f"{option} is a key of the submission itself; move it out of options"


def _no_value_twice(spec: ScenarioSpec) -> Broken:
    axes: dict[KeyPath, tuple[object, ...]] = {
        ("celery",): spec.celery,
        ("broker",): spec.broker or (),
        ("seeds",): spec.seeds or (),
    }
    groups: dict[KeyPath, Workers | WorkerGroup] = {("workers",): spec.workers} | {
        ("workers", "groups", n): one for n, one in enumerate(spec.workers.groups)
    }
    for path, group in groups.items():
        axes |= {
            (*path, "count"): group.count,
            (*path, "concurrency"): group.concurrency,
            (*path, "pool"): group.pool or (),
        }
    for path, values in axes.items():
        for index, value in enumerate(values):
            if value in values[:index]:
                yield (*path, index), f"{value} is in the list already; each value is an item of its own"


def _beat(spec: ScenarioSpec) -> Broken:
    if not spec.submit and not spec.beat:
        what = "a list of the tasks that are submitted, such as [{task: fetch_tweets, times: 200}]"
        yield (), f"submit: missing; expected {what}"
    if spec.beat and "until" not in spec.given and "run_for" not in spec.given:
        yield ("beat",), "beat never stops sending tasks; set the end of the run: add run_for or until"
    if spec.beat and spec.celery != ("worker",):
        yield ("beat",), "beat sends to a queue, and needs a worker; keep celery: worker"


def _fakes(spec: ScenarioSpec) -> Broken:
    """Fakes that there are not, and options of which they can make nothing."""
    for name, given in spec.fakes.items():
        from retrysim.fakes.catalogue import kinds_of, make_fake
        from retrysim.fakes.mount import split_url
        from retrysim.fakes.options import wrong_options

        options = {option: value for option, value in given.items() if option != "at"}
        try:
            wrong = list(wrong_options(name, options, kinds_of(name, own="url" in options)))
            if not wrong:
                make_fake(name, options)
            if "at" in given:
                split_url(given["at"])
        except InputError as error:
            yield ("fakes", name), str(error)
        else:
            yield from ((("fakes", name, option), what) for option, what in wrong)


def _hostname(spec: ScenarioSpec) -> Broken:
    if spec.workers.hostname is not None and spec.workers.count != (1,):
        yield ("workers", "hostname"), "several workers cannot share a node name; leave hostname out, or keep count: 1"


def _groups(spec: ScenarioSpec) -> Broken:
    names: set[str] = set()
    for index, group in enumerate(spec.workers.groups):
        own = {name for count in group.count for name in names_of(group, count)}
        if not own.isdisjoint(names):
            yield ("workers", "groups", index, "name"), f"there is a worker {group.name!r} already; rename this"
        names |= own
    for key in spec.workers.given if spec.workers.groups else ():
        if key != "groups":
            yield ("workers", key), "groups are given too; say it of each group"


def _times(spec: ScenarioSpec) -> Broken:
    for index, submission in enumerate(spec.submit):
        for number, at in enumerate(submission.at):
            if at.after(spec.start_ns) < spec.start_ns:
                yield ("submit", index, "at", number), "is before the start; a task is submitted at the start or later"
        if submission.last_ns(spec.start_ns) > LARGEST_NS:
            yield ("submit", index), "the last of these is submitted after the year 2262; expected an instant before"
    if spec.until_ns is not None and spec.until_ns < spec.start_ns:
        yield ("until",), "is before the start; a run ends at the start or later"


def _idempotent(spec: ScenarioSpec) -> Broken:
    for index, one in enumerate(spec.idempotency):
        if (one.header is None) == (one.argument is None):
            yield ("idempotency", index), "expected either header or argument, such as {header: Idempotency-Key}"


def _accepted(spec: ScenarioSpec) -> Broken:
    for index, one in enumerate(spec.accept):
        harms = [key for key in one.given if key in HARMS]
        if len(harms) != 1:
            yield ("accept", index), f"expected exactly one of {', '.join(HARMS)}, such as {{twice: sync_orders}}"


def _expectations(spec: ScenarioSpec) -> Broken:
    yield from _expected_of_tasks(spec, "expect", spec.expect)
    for mode, override in spec.overrides.items():
        yield from _expected_of_tasks(spec, f"expect_{mode}", override)
        if override.given and mode not in spec.celery:
            yield (f"expect_{mode}",), f"no item is {mode}; add {mode} to celery, or remove this"
    for mode in spec.celery:
        yield from _differs_from_itself(spec, mode)


def _expected_of_tasks(spec: ScenarioSpec, block: str, expect: Expect) -> Broken:
    tasks = sum(submission.count for submission in spec.submit)
    if expect.attempts_at_ns is not None and tasks != 1:
        yield (block, "attempts_at"), f"is for a scenario that submits one task; this one submits {tasks}"
    if isinstance(expect.results, list) and len(expect.results) != tasks:
        what = f"expected one result for each submitted task, {tasks} in all; got {len(expect.results)}"
        yield (block, "results"), what


def _differs_from_itself(spec: ScenarioSpec, mode: CeleryMode) -> Broken:
    if spec.expected_of(mode).differs_from == mode:
        others = " or ".join(f"expect_{other}" for other in spec.overrides if other != mode)
        path = (spec.block_of("differs_from", mode), "differs_from")
        yield path, f"an item that is {mode} cannot differ from itself; move this to {others}"
