"""An exploration as a person reads it in a terminal: the matrix, then the findings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap

from retrysim.durations import format_duration
from retrysim.exploring.exploration import Exploration, Finding
from retrysim.exploring.found import headline
from retrysim.exploring.kinds import KINDS
from retrysim.exploring.matrix import Cell
from retrysim.reports.words import about, count_of, last_part

_LOUD = ("failed", "lost", "hangs")
_WIDTH = 80


def heading(name: str, exploration: Exploration) -> str:
    """``shop.scenario.yaml: 6 tasks, 14 calls, 41 points; 287 runs in 9.4 s on 2 cores``."""
    base = exploration.base
    tasks = count_of(len(base.tasks), "task")
    calls = count_of(base.calls, "call")
    points = count_of(len(exploration.points), "point")
    runs = f"{count_of(exploration.runs, 'run')} in {exploration.seconds:.1f} s on {count_of(exploration.jobs, 'core')}"
    return f"{name}: {tasks}, {calls}, {points}; {runs}"


def label_of_kind(kind: str) -> str:
    """A kind as a person reads it; of a pair, both."""
    return " + ".join(KINDS[one].label if one in KINDS else one for one in kind.split("+"))


def cell_text(cell: Cell | None) -> str:
    """``LOST 9 of 41``, ``ok``, ``1h late 2 of 41``; ``-`` where it cannot strike."""
    if cell is None or not cell.points:
        return "-"
    if cell.worst == "ok":
        return "ok"
    word = cell.worst.upper() if cell.worst in _LOUD else cell.worst
    if cell.worst == "late" and cell.late_ns is not None:
        word = f"{about(cell.late_ns)} late"
    elif cell.worst == "twice" and (cell.times or 0) > 2:
        word = f"{cell.times} times"
    return f"{word} {cell.struck} of {cell.points}" + (" (accepted)" if cell.accepted else "")


def matrix_rows(exploration: Exploration) -> list[list[str]]:
    """The heading row, then one row for each kind of fault."""
    matrix = exploration.matrix
    rows = [["at every point", *map(last_part, matrix.tasks)]]
    for kind in matrix.kinds:
        rows.append([label_of_kind(kind), *(cell_text(matrix.cell(task, kind)) for task in matrix.tasks)])
    return rows


def matrix_lines(exploration: Exploration) -> Iterator[str]:
    """The matrix with its columns aligned."""
    rows = matrix_rows(exploration)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()


def finding_lines(number: int, finding: Finding) -> Iterator[str]:
    """What a person reads of one finding."""
    yield from wrap(f"{number}. {headline(finding.harm, finding.trial)}", _WIDTH, subsequent_indent="   ")
    if finding.scenario is not None:
        yield f"   {finding.scenario}"
    yield from wrap(finding.cause, _WIDTH, initial_indent="   why: ", subsequent_indent="        ")
    if finding.runs > 1:
        yield f"   seen in {finding.runs} runs: {', '.join(finding.kinds)}"


def report_lines(name: str, exploration: Exploration) -> Iterator[str]:
    """The whole report."""
    yield heading(name, exploration)
    yield ""
    yield from matrix_lines(exploration)
    yield ""
    for kind, reason in exploration.left_out.items():
        yield f"left out: {kind} ({reason})"
    if exploration.starts_anew:
        yield f"every run starts from nothing, which takes longer: {exploration.starts_anew}"
    if exploration.states:
        yield states_line(exploration)
    yield from _proved(exploration)
    yield from _problems(exploration)
    new, accepted = exploration.new, len(exploration.findings) - len(exploration.new)
    yield f"{count_of(len(new), 'finding')}" + (f", {accepted} more accepted" if accepted else "") + ":" * bool(new)
    for number, finding in enumerate(new, start=1):
        yield from finding_lines(number, finding)


def _proved(exploration: Exploration) -> Iterator[str]:
    """What a search of all orders has shown, of each task."""
    if not exploration.proof:
        return
    yield exploration.proof
    for task in exploration.matrix.tasks:
        seen = {finding.worst for finding in exploration.findings.values() if finding.task == task}
        verbs = {"lost": "loses", "failed": "fails", "twice": "doubles", "hangs": "hangs"}
        never = [verb for harm, verb in verbs.items() if harm not in seen]
        if never and exploration.proof.endswith("none left open"):
            yield f"no schedule within these bounds {' or '.join(never)} {last_part(task)}"


def states_line(exploration: Exploration) -> str:
    """How many states were reached, and how many of the last round were new: when to stop."""
    rounds: Sequence[int] = exploration.new_states
    share = f", {rounds[-1]} of them in the last round" if len(rounds) > 1 else ""
    return f"{count_of(len(exploration.states), 'state')} reached{share}"


def untried_lines(exploration: Exploration) -> Iterator[str]:
    """What an ``ok`` does not cover, where the budget was too small for every fault at every point."""
    if exploration.untried:
        yield f"{count_of(exploration.untried, 'single fault')} not tried: the search ended before"


def _problems(exploration: Exploration) -> Iterator[str]:
    if exploration.interrupted:
        yield "interrupted: what was found until then"
    yield from untried_lines(exploration)
    if exploration.unapplied:
        yield f"{count_of(exploration.unapplied, 'run')} in which the fault found no place"
    for text in exploration.unconfirmed:
        yield f"not a finding, because it did not happen again when played alone (please report this): {text}"
    if exploration.errors:
        yield f"{count_of(len(exploration.errors), 'run')} broke off, the first: {exploration.errors[0]}"


def lateness(ns: int) -> str:
    return format_duration(ns)
