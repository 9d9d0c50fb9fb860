"""The first scenario and the first test of a task, with what it did when it was played."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from retrysim.cli.found import Found
from retrysim.outcomes.outcome import Outcome
from retrysim.printable import printable
from retrysim.trace import ApiCalled

#: Text that YAML takes for nothing else, without quotes.
_PLAIN = re.compile(r"(?!true|false|null)[A-Za-z_]([\w .:/-]*\w)?", re.ASCII)
#: The schema beside the scenario: editors read its name in the first line.
SCHEMA_NAME = "scenario.schema.json"
#: More than the limit of a fake of one's own, so that some are refused.
_TIMES = 8
_LONGEST_REASON = 100
_SAY = "  # what it did; say what it should do"
_ANSWER = 'its fake answers {"ok": true} to every call, unless you give it an `answer`'
_SCRATCH = "with guessed arguments it may change no real file"


def scenario_text(found: Found, outcome: Outcome | None = None) -> str:
    """The scenario; with how it was played, it expects that."""
    submission = {"task": found.task, "times": _TIMES, **({"kwargs": found.kwargs} if found.kwargs else {})}
    workers = {"concurrency": 4, **({"queues": list(found.queues)} if found.queues else {})}
    fakes = "".join(f"  {name}: {_flow(options)}\n" for name, options in found.fakes.items())
    return "".join(
        [
            f"# yaml-language-server: $schema={SCHEMA_NAME}\n",
            f"# The keys: retrysim validate --schema. Play it: retrysim run scenarios/{found.short}.scenario.yaml\n",
            f"name: {_scalar(f'{found.short} loses nothing')}\n",
            f"app: {_scalar(found.app)}\n",
            f"env: {_flow(found.env)}\n" if found.env else "",
            "redis: true\n" if found.redis else "",
            "database: test\n" if found.database else "",
            f"files: scratch  # {_SCRATCH}\n" if found.files == "scratch" else "",
            "celery: [worker]  # also: eager, always_eager\n" if outcome else "",
            f"workers: {_flow(workers)}\n",
            f"fakes:\n{fakes}" if fakes else "",
            f"submit:\n  - {_flow(submission)}\n",
            f"expect:\n  states: {_flow(_states(outcome))}{_SAY}\n" if outcome else "",
            *(f"  {why}\n" for why in (_why(found, outcome) if outcome else ())),
        ]
    )


def reasons(found: Found, outcome: Outcome) -> list[str]:
    """Why the first task failed or was lost, or that it called nothing, and what the fake it called answers."""
    why = _reason(outcome)
    return [why, *([_ANSWER] if _fails_on_an_answer(found, outcome) else [])] if why else []


def _fails_on_an_answer(found: Found, outcome: Outcome) -> bool:
    """Whether a task failed whose last call was served by a fake of one's own."""
    own = {name for name, options in found.fakes.items() if options}
    failed = [task for task in outcome.trace.tasks.values() if task.failure and task.api_calls]
    return any(task.api_calls[-1].fake in own and task.api_calls[-1].status == 200 for task in failed)


def _reason(outcome: Outcome) -> str:
    trace = outcome.trace
    failures = [task.failure.exception for task in trace.tasks.values() if task.failure]
    calls_nothing = [] if trace.of(ApiCalled) else ["it called no API, so nothing was refused or retried"]
    return printable(" ".join(next(iter([*failures, *trace.lost().values(), *calls_nothing]), "").split()))


def _why(found: Found, outcome: Outcome) -> list[str]:
    """The same as comments of one line each."""
    lines = [textwrap.shorten(one, _LONGEST_REASON, placeholder="...") for one in reasons(found, outcome)]
    return [f"# {label} {line}" for label, line in zip(("why:", "    "), lines, strict=False)]


def _states(outcome: Outcome) -> dict[str, int]:
    return dict(sorted(outcome.trace.states.items()))


def _flow(values: Mapping[str, Any]) -> str:
    return "{" + ", ".join(f"{key}: {_scalar(value)}" for key, value in values.items()) + "}"


def _scalar(value: Any) -> str:
    if isinstance(value, Mapping):
        return _flow(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_scalar, value))}]"
    return value if isinstance(value, str) and _PLAIN.fullmatch(value) else json.dumps(value)


def first_test(found: Found, outcome: Outcome) -> str:
    """The text of the test: the same as the scenario, in Python."""
    names = sorted({"API" for options in found.fakes.values() if options} | {_vendor(n) for n in _vendors(found)})
    kwargs = ", ".join(f"{name}={_in_python(value)}" for name, value in found.kwargs.items())
    marks = list(_marks(found))
    imports = ["import pytest", ""] if marks else []
    imports += [f"from retrysim.fakes import {', '.join(names)}"] if names else []
    queues = f", queues={json.dumps(list(found.queues))}" if found.queues else ""
    serve = [f"    sim.serve({_made(name, options)})" for name, options in found.fakes.items()]
    env = ["import os", ""] if found.env else []
    set_env = [f'os.environ.setdefault("{name}", "{value}")' for name, value in found.env.items()]
    module, name, task = _imported(found)
    return "\n".join(
        [
            f'"""What the retries of {found.task} do, in virtual time."""',
            "",
            *env,
            *([*imports, *([""] if names else [])] if imports else []),
            *([*set_env, ""] if set_env else []),
            f"from {module} import {name}" + ("  # noqa: E402" if set_env else ""),
            "",
            "",
            *marks,
            f"def test_{found.short}_loses_nothing(sim):",
            *serve,
            f'    sim.start_worker("{found.app}", concurrency=4{queues})',
            "",
            f"    for _ in range({_TIMES}):",
            f"        {task}.delay({kwargs})",
            "    sim.run()",
            "",
            f"    assert sim.states == {json.dumps(_states(outcome))}{_SAY}",
            *(f"    {why}" for why in _why(found, outcome)),
            "    sim.check()" if outcome.passed else "    # sim.check() says what is wrong with it",
            "",
        ]
    )


def _imported(found: Found) -> tuple[str, str, str]:
    """The module, what the test imports from it, and the task in the test: by its own name, or by its app."""
    if found.function or not found.instance:
        name = found.function or found.short
        return found.module, name, name
    return found.app.partition(":")[0], found.instance, f'{found.instance}.tasks["{found.task}"]'


def _marks(found: Found) -> Iterator[str]:
    if found.database:
        yield "@pytest.mark.django_db(transaction=True)"
    scratch = found.files == "scratch"
    settings = [*(["redis=True"] if found.redis else []), *(['files="scratch"'] if scratch else [])]
    if settings:
        yield f"@pytest.mark.retrysim({', '.join(settings)})" + (f"  # {_SCRATCH}" if scratch else "")


def _in_python(value: Any) -> str:
    return json.dumps(value) if isinstance(value, str) else repr(value)


def _vendors(found: Found) -> list[str]:
    return [name for name, options in found.fakes.items() if not options]


def _vendor(name: str) -> str:
    """The class of a vendor's fake, by its name in scenarios."""
    import retrysim.fakes

    return next(one for one in retrysim.fakes.__all__ if one.lower() == name.replace("_", ""))


def _made(name: str, options: Mapping[str, str]) -> str:
    return f'API("{options["url"]}", limit="{options["limit"]}")' if options else f"{_vendor(name)}()"
