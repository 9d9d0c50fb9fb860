"""Writes the page of each trap, and their list, from the scenarios themselves: ``python docs/traps/write_pages.py``.

A test compares the pages with what this gives, so that the pages show what really happens.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TRAPS = ROOT / "scenarios" / "traps"
SUFFIX = ".scenario.yaml"


def pages() -> dict[str, str]:
    """The text of each page by its file's name."""
    traps = {path.name.removesuffix(SUFFIX): path for path in sorted(TRAPS.glob("*" + SUFFIX))}
    shown = {name: path for name, path in traps.items() if not name.endswith("_fixed")}
    made = {f"{name}.md": page(name, path) for name, path in shown.items()}
    return {"README.md": _index(shown), **made}


def page(name: str, path: Path) -> str:
    """One trap: what it is, its code, its scenario, what happens, and the fixed version."""
    text = path.read_text(encoding="utf-8")
    module = _module(path)
    fixed = TRAPS / f"{module}_fixed{SUFFIX}"
    source = (TRAPS / f"{module}.py").read_text(encoding="utf-8")
    played, played_fixed = _played(path), _played(fixed)
    return (
        "\n\n".join(
            [
                f"# {_title(text)}",
                _prose(text),
                f"```python\n{_function(source, 'trap')}\n```",
                f"The scenario, `scenarios/traps/{path.name}`:",
                f"```yaml\n{_without_comment(text)}```",
                "What one of its tasks does, in virtual time:",
                f"```\n{played}\n```",
                "## Fixed",
                f"```python\n{_function(source, 'fixed')}\n```",
                f"`scenarios/traps/{fixed.name}` passes with it: {_title(fixed.read_text(encoding='utf-8'))}.",
                f"```\n{played_fixed}\n```",
            ]
        )
        + "\n"
    )


def _index(traps: dict[str, Path]) -> str:
    lines = [f"- [{_title(path.read_text(encoding='utf-8'))}]({name}.md)" for name, path in traps.items()]
    head = "Small, real tasks that look right. Each page has a scenario that shows what happens, and a fixed version."
    return (
        f"# Traps\n\n{head}\n`retrysim run scenarios/traps/*.scenario.yaml` plays them.\n\n" + "\n".join(lines) + "\n"
    )


def _module(path: Path) -> str:
    """The module of a trap's app, which several scenarios may share."""
    line = next(line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("app: "))
    return line.removeprefix("app: scenarios.traps.").removesuffix(":app")


def _title(text: str) -> str:
    return next(line for line in text.splitlines() if line.startswith("name: ")).removeprefix("name: ")


def _prose(text: str) -> str:
    """The comment at the beginning, its addresses as links."""
    lines = (line.removeprefix("#").strip() for line in text.splitlines() if line.startswith("#"))
    return re.sub(r"https?://\S+", r"<\g<0>>", "\n".join(lines))


def _without_comment(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))


def _function(source: str, name: str) -> str:
    [node] = [one for one in ast.parse(source).body if isinstance(one, ast.FunctionDef) and one.name == name]
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return "\n".join(source.splitlines()[first - 1 : node.end_lineno])


def _played(path: Path) -> str:
    from retrysim.outcomes.columns import columns
    from retrysim.scenarios import items_of, load
    from retrysim.simulation.player import play

    item = items_of(load(path))[0]
    outcome = play(item)
    assert outcome.passed, outcome.text()
    tasks = outcome.trace.tasks
    task = max(tasks.values(), key=lambda one: (len(one.attempts), not one.settled or one.state != "SUCCESS"))
    timelines = dict.fromkeys(one.timeline for one in tasks.values())
    counted = [f"{sum(one.timeline == line for one in tasks.values())} x {line}" for line in timelines]
    return "\n".join([*counted, "", *_drawn(columns(outcome.trace, task))])


def _drawn(lines: list[str]) -> Iterator[str]:
    return (line.rstrip() for line in lines)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    for old in HERE.glob("*.md"):
        old.unlink()
    for name, text in pages().items():
        (HERE / name).write_text(text, encoding="utf-8")
