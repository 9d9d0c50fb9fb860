"""Writes a finding down: an ordinary scenario file that fails in the same way, and passes when the app is fixed."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from retrysim.durations import MINUTE, SECOND, format_duration
from retrysim.errors import InputError
from retrysim.exploring.outcome import LATE_NS, NEVER_SENT, Harm
from retrysim.exploring.subject import Subject
from retrysim.exploring.trial import TERMINATED, Trial, TrialResult

#: How the first line of every such file begins.
MARK = "# found by retrysim explore in"
_ORDER = (
    "name", "description", "app", "env", "start", "seed", "celery", "broker", "redis", "allow", "files", "strict",
    "workers", "cost", "fakes", "idempotency", "beat", "submit", "until", "run_for", "faults", "order", "limits",
    "expect",
)  # fmt: skip
_BLOCK = frozenset({"env", "fakes", "idempotency", "submit", "faults", "order", "expect", "invariants"})
_WORDS = {"lost": "is lost", "failed": "fails", "twice": "has its effect twice", "late": "is late", "hangs": "hangs"}


def file_name(number: int, harm: Harm) -> str:
    """``01_push_contact_lost.scenario.yaml``."""
    short = re.sub(r"\W+", "_", harm.task.rpartition(".")[2]) or "scenario"
    return f"{number:02d}_{short}_{harm.worst}.scenario.yaml"


def headline(harm: Harm, trial: Trial) -> str:
    """The finding in a line: ``push_contact is lost when worker-1 is killed: push_contact#1, attempt 1, ...``."""
    short = harm.task.rpartition(".")[2] or harm.label
    words = [*map(_strike_text, trial.strikes), *_ties(trial)]
    return f"{short} {_WORDS[harm.worst]}: " + ", then ".join(words)


def _ties(trial: Trial) -> list[str]:
    """The ties that decide, as a person reads them."""
    return [f"{one['next']} goes first at {one['at']}" for one in trial.order]


def _strike_text(strike: Any) -> str:
    return f"{strike.kind.replace('_', ' ')} at {place_of(strike)}"


def place_of(strike: Any) -> str:
    """Where a strike is now, as its decision has it: shrinking may have renamed the task."""
    for decision in strike.decisions:
        for value in decision.values():
            if isinstance(value, dict) and "#" in str(value.get("task", "")):
                return re.sub(r"[\w.]+#\d+", value["task"], strike.point, count=1)
    return str(strike.point)


def scenario_values(subject: Subject, trial: Trial, harm: Harm, base: TrialResult) -> dict[str, Any]:
    """The scenario as the values of a file."""
    values = {**subject.values, **trial.changes}
    values["name"] = headline(harm, trial)
    values["faults"] = [*values.get("faults", ()), *(dict(one) for one in trial.decisions)]
    if trial.order:
        values["order"] = [*values.get("order", ()), *(dict(one) for one in trial.order)]
    values["expect"] = _expect(harm, base)
    left_out = [key for key in ("seed", "faults") if not values.get(key)]
    return {key: values[key] for key in sorted(values, key=_place) if key not in left_out}


def _place(key: str) -> int:
    return _ORDER.index(key) if key in _ORDER else len(_ORDER)


def _expect(harm: Harm, base: TrialResult) -> dict[str, Any]:
    """What does not hold now, and does when the app is fixed."""
    short = harm.task.rpartition(".")[2]
    asked: list[Any] = []
    if harm.invariant:
        name, _, arguments = harm.invariant.partition("(")
        asked.append(name if not arguments else {name: _arguments(arguments)})
    elif harm.worst == "twice" and harm.detail:
        asked.append({"calls_have_effect_once": _once(harm, base)})
    elif harm.worst == "twice":
        asked.append({"effects_happen_once": {"task": short}})
    elif harm.worst == "late":
        within = format_duration(_within_ns(harm, base))
        asked.append({"tasks_settle_within": {"task": _one_of(harm, base), "within": within}})
    elif harm.endpoint:
        asked.append({"calls_have_effect_once": {"task": short, "endpoint": harm.endpoint, "times": 100, "least": 1}})
    elif harm.worst == "failed":
        revoked = {"revoked": True} if harm.detail in ("REVOKED", TERMINATED) else {}
        asked.append({"no_task_fails": {"task": short, **revoked}})
    else:  # of one that was never sent, an invariant of its name alone would judge the others
        asked.append(
            {"every_task_settles": {"task": _one_of(harm, base) if harm.detail.startswith(NEVER_SENT) else short}}
        )
    return {"invariants": asked + _still_fine(harm, base)}


def _one_of(harm: Harm, base: TrialResult) -> str:
    """The task's name; with its number if others have the name and it was there without the fault, too."""
    several = sum(facts.name == harm.task for facts in base.tasks.values()) > 1
    return harm.label if several and harm.label in base.tasks else harm.task.rpartition(".")[2]


def _once(harm: Harm, base: TrialResult) -> dict[str, Any]:
    """How often the effect may happen: as often as without the fault.

    Where the task has it no more often than another one may, what all of them have together is too much.
    """
    counts = {label: facts.effects.get(harm.detail, 0) for label, facts in base.tasks.items()}
    own = {label: count for label, count in counts.items() if base.tasks[label].name == harm.task}
    asked: dict[str, Any] = {"task": harm.task.rpartition(".")[2], "endpoint": harm.detail}
    if harm.label in base.tasks and (harm.times or 0) <= max(1, *own.values()):
        own = counts
        del asked["task"]
    most = max(own.values(), default=1)
    in_all = {} if harm.label in base.tasks and "task" in asked else {"in_all": sum(own.values())}
    return asked | ({"times": most} if most > 1 else {}) | in_all


def _arguments(text: str) -> dict[str, Any]:
    """The arguments that an invariant was given, as its name shows them: ``task='a', times=2``."""
    pairs = re.findall(r"(\w+)=('(?:[^']*)'|[^,)]+)", text)
    return {name: value.strip("'") if value.startswith("'") else int(value) for name, value in pairs}


def _within_ns(harm: Harm, base: TrialResult) -> int:
    """What the task takes without the fault, and what it may take longer, in whole minutes."""
    known = base.tasks.get(harm.label)
    named = [known] if known is not None else [facts for facts in base.tasks.values() if facts.name == harm.task]
    own = [facts for facts in named if facts.settled_ns is not None]
    longest = max((facts.settled_ns - facts.sent_ns for facts in own if facts.settled_ns is not None), default=0)
    allowed = longest + LATE_NS + max(0, (harm.late_ns or 0) - LATE_NS) // 2
    return max(MINUTE, allowed // MINUTE * MINUTE) if allowed >= MINUTE else max(SECOND, allowed)


def _still_fine(harm: Harm, base: TrialResult) -> list[Any]:
    """The tasks that fail without a fault, too: the default invariants would ask for more than the scenario."""
    failing = sorted({f.name.rpartition(".")[2] for f in base.tasks.values() if f.state in ("FAILURE", "REJECTED")})
    if not failing or harm.worst == "failed":
        return []
    return [{"no_task_fails": {"but": failing}}]


# -- the text ----------------------------------------------------------------------------------------------------------


def scenario_text(values: Mapping[str, Any], *, source: str, cause: str, shrunk_from: str) -> str:
    """The file: three lines of comment, then the scenario."""
    yaml = YAML()
    yaml.width = 200
    yaml.indent(mapping=2, sequence=4, offset=2)
    out = io.StringIO()
    yaml.dump(_node(values, top=True), out)
    return f"{MARK} {source} ({shrunk_from})\n# why: {cause}\n{out.getvalue()}"


def _node(value: Any, *, top: bool = False, block: bool = False) -> Any:
    """ruamel's own containers: the top and a few keys in lines, everything else in braces."""
    if isinstance(value, Mapping):
        mapping = CommentedMap()
        for key, own in value.items():
            mapping[key] = _node(own, block=key in _BLOCK)
        if not (top or block):
            mapping.fa.set_flow_style()
        return mapping
    if isinstance(value, list | tuple):
        sequence = CommentedSeq([_node(own) for own in value])
        if not block:
            sequence.fa.set_flow_style()
        return sequence
    return value


def write(folder: Path, name: str, text: str) -> Path:
    """Raises ``InputError`` where the folder cannot be written to."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"--out {folder}: expected a folder that can be written to; {error.strerror}") from None
    return path


def forget_earlier(folder: Path, source: str) -> None:
    """Remove what an earlier exploration of the same scenario wrote there."""
    for path in sorted(folder.glob("*.scenario.yaml")) if folder.is_dir() else ():
        first = path.read_text(encoding="utf-8", errors="replace").partition("\n")[0]
        if first.startswith(f"{MARK} {source} ("):
            path.unlink()
