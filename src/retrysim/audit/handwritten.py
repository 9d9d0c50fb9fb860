"""Finds the calls of ``retry`` in a task's body, and what they wait, where that needs no arguments of the task.

The body is read, never run. What can be judged so: ``self.retry(exc=...)``, a countdown that is a number, and one that
is computed from ``self.request.retries`` and constants, such as ``2 ** self.request.retries``.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from retrysim.audit.bodies import Body, HandedAway, reached, task_body
from retrysim.audit.wait_expression import NotPlain, compiled


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryCall:
    """One call of ``retry``; ``options`` compute its keyword arguments from the task, if it is ``plain``."""

    place: str
    source: str
    plain: bool
    why_not: str = ""
    options: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)

    def arguments(self, task: Any) -> dict[str, Any]:
        """The keyword arguments, as they are for the request that the task runs now."""
        return {name: option(task) for name, option in self.options.items()}

    def refuse(self, task: Any, error: type[BaseException]) -> None:
        """Do what the body does where this call stands."""
        raise task.retry(exc=error(), **self.arguments(task))


def retry_calls(task: Any) -> tuple[RetryCall, ...]:
    """The calls of ``retry`` in the body of a task and in the functions that it hands itself to."""
    body = task_body(task)
    if body is None:
        return ()
    return tuple(call for one in reached(body) for call in _calls(one))


def _calls(body: Body | HandedAway) -> Iterator[RetryCall]:
    if isinstance(body, HandedAway):
        why_not = "it is given to a function that cannot be read here"
        yield RetryCall(place=body.place, source=body.source, plain=False, why_not=why_not)
        return
    nodes = [node for node in ast.walk(body.tree) if isinstance(node, ast.Call) and _is_retry(node, body.names)]
    yield from (_judged(node, body) for node in sorted(nodes, key=lambda node: node.lineno))


def _is_retry(call: ast.Call, names: frozenset[str]) -> bool:
    function = call.func
    if not isinstance(function, ast.Attribute) or function.attr != "retry":
        return False
    return isinstance(function.value, ast.Name) and function.value.id in names


def _judged(call: ast.Call, body: Body) -> RetryCall:
    place, source = body.place(call), " ".join(ast.unparse(call).split())
    try:
        options = _options(call, body)
    except NotPlain as reason:
        return RetryCall(place=place, source=source, plain=False, why_not=str(reason))
    return RetryCall(place=place, source=source, plain=True, options=options)


def _options(call: ast.Call, body: Body) -> dict[str, Callable[[Any], Any]]:
    for test in _tests_of_retries(body):
        raise NotPlain(f"the body counts its retries itself: `{test}`")
    if len(call.args) > 2:
        raise NotPlain("it passes its options by position")
    options: dict[str, Callable[[Any], Any]] = {}
    for keyword in call.keywords:
        if keyword.arg is None:
            raise NotPlain("it passes **keywords")
        if keyword.arg == "eta":
            raise NotPlain("its eta depends on when it runs")
        if keyword.arg in ("countdown", "max_retries"):
            options[keyword.arg] = compiled(keyword.value, body)
    return options


def _tests_of_retries(body: Body) -> Iterator[str]:
    """The conditions in which a body looks at how often it was retried: it may stop before Celery does."""
    for node in ast.walk(body.tree):
        if isinstance(node, ast.If | ast.While):
            test = ast.unparse(node.test)
            if any(f"{name}.request.retries" in test for name in body.names):
                yield test
