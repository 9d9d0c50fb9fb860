"""The first scenario and the first test of a task, with what it did when it was played."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from retrysim.cli.found import Found
from retrysim.outcomes.outcome import Outcome

#: Text that YAML takes for nothing else, without quotes.
_PLAIN = re.compile(r"(?!true|false|null)[A-Za-z_]([\w .:/-]*\w)?", re.ASCII)
#: The schema beside the scenario: editors read its name in the first line.
SCHEMA_NAME = "scenario.schema.json"
#: More than the limit of a fake of one's own, so that some are refused.
_TIMES = 8


def first_scenario(found: Found, file: str) -> tuple[str, Outcome]:
    """The text of the scenario, and how it was played."""
    from retrysim.scenarios import items_of, loads
    from retrysim.simulation.player import play

    [item] = items_of(loads(_scenario(found, {}), file=file))
    outcome = play(item)
    return _scenario(found, dict(sorted(outcome.trace.states.items()))), outcome


def _scenario(found: Found, states: Mapping[str, int]) -> str:
    submission = {"task": found.task, "times": _TIMES, **({"kwargs": found.kwargs} if found.kwargs else {})}
    expected = f"expect:\n  states: {_flow(states)}  # what it did; say what it should do\n" if states else ""
    fakes = "".join(f"  {name}: {_flow(options)}\n" for name, options in found.fakes.items())
    return "".join(
        [
            f"# yaml-language-server: $schema={SCHEMA_NAME}\n",
            f"# The keys: retrysim validate --schema. Play it: retrysim run scenarios/{found.short}.scenario.yaml\n",
            f"name: {_scalar(f'{found.short} loses nothing')}\n",
            f"app: {_scalar(found.app)}\n",
            f"env: {_flow(found.env)}\n" if found.env else "",
            "celery: [worker]  # also: eager, always_eager\n" if states else "",
            "workers: {concurrency: 4}\n",
            f"fakes:\n{fakes}" if fakes else "",
            f"submit:\n  - {_flow(submission)}\n",
            expected,
        ]
    )


def _flow(values: Mapping[str, Any]) -> str:
    return "{" + ", ".join(f"{key}: {_scalar(value)}" for key, value in values.items()) + "}"


def _scalar(value: Any) -> str:
    if isinstance(value, Mapping):
        return _flow(value)
    return value if isinstance(value, str) and _PLAIN.fullmatch(value) else json.dumps(value)


def first_test(found: Found, outcome: Outcome) -> str:
    """The text of the test: the same as the scenario, in Python."""
    names = sorted({"API" for options in found.fakes.values() if options} | {_vendor(n) for n in _vendors(found)})
    kwargs = ", ".join(f"{name}={json.dumps(value)}" for name, value in found.kwargs.items())
    states = dict(sorted(outcome.trace.states.items()))
    imports = [f"from retrysim.fakes import {', '.join(names)}"] if names else []
    serve = [f"    sim.serve({_made(name, options)})" for name, options in found.fakes.items()]
    env = ["import os", ""] if found.env else []
    set_env = [f'os.environ.setdefault("{name}", "{value}")' for name, value in found.env.items()]
    return "\n".join(
        [
            f'"""What the retries of {found.task} do, in virtual time."""',
            "",
            *env,
            *([*imports, ""] if imports else []),
            *([*set_env, ""] if set_env else []),
            f"from {found.module} import {found.function}" + ("  # noqa: E402" if set_env else ""),
            "",
            "",
            f"def test_{found.short}_loses_nothing(sim):",
            *serve,
            f'    sim.start_worker("{found.app}", concurrency=4)',
            "",
            f"    for _ in range({_TIMES}):",
            f"        {found.function}.delay({kwargs})",
            "    sim.run()",
            "",
            f"    assert sim.states == {json.dumps(states)}  # what it did; say what it should do",
            "    sim.check()" if outcome.passed else "    # sim.check() says what is wrong with it",
            "",
        ]
    )


def _vendors(found: Found) -> list[str]:
    return [name for name, options in found.fakes.items() if not options]


def _vendor(name: str) -> str:
    """The class of a vendor's fake, by its name in scenarios."""
    import retrysim.fakes

    return next(one for one in retrysim.fakes.__all__ if one.lower() == name.replace("_", ""))


def _made(name: str, options: Mapping[str, str]) -> str:
    return f'API("{options["url"]}", limit="{options["limit"]}")' if options else f"{_vendor(name)}()"
