"""Reads the source of a task's body, and of the functions that it hands itself to; nothing of it is run."""

from __future__ import annotations

import ast
import builtins
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from celery import Task

#: Names under which a body may know its own task.
_CURRENT = frozenset({"self", "current_task"})
#: How far a task is followed from function to function.
_DEEPEST = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A function that runs as a task, or that a task hands itself to; ``names`` are what it calls the task."""

    function: FunctionType
    tree: ast.FunctionDef
    first_line: int
    names: frozenset[str]
    is_helper: bool = False

    def line(self, node: ast.expr) -> int:
        """The node's line in its file."""
        return self.first_line + node.lineno - 1

    def place(self, node: ast.expr) -> str:
        """The line, and the function's name where it is not the task's own."""
        return f"{self.function.__name__}:{self.line(node)}" if self.is_helper else str(self.line(node))


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedAway:
    """A call that gives the task to a function whose source cannot be found."""

    place: str
    source: str


def task_body(task: Any) -> Body | None:
    """The body as it was written, under the decorators that it wears; ``None`` where its source cannot be read."""
    run = getattr(task, "_orig_run", task.run)
    function = inspect.unwrap(getattr(run, "__func__", run))
    if not isinstance(function, FunctionType):
        return None
    names = {function.__name__, *(name for name in function.__code__.co_names if _is_task_of(function, name))}
    if inspect.ismethod(run) and function.__code__.co_argcount:
        names.add(function.__code__.co_varnames[0])
    return _read(function, _CURRENT | names)


def reached(body: Body) -> Iterator[Body | HandedAway]:
    """The body, and every function that it hands its task to."""
    seen = {body.function}
    layer: list[Body] = [body]
    for _ in range(_DEEPEST):
        yield from layer
        handed = [helper for one in layer for helper in _helpers(one)]
        yield from (helper for helper in handed if isinstance(helper, HandedAway))
        layer = [one for one in handed if isinstance(one, Body) and one.function not in seen]
        seen.update(one.function for one in layer)


def _helpers(body: Body) -> Iterator[Body | HandedAway]:
    for call in (node for node in ast.walk(body.tree) if isinstance(node, ast.Call)):
        positions = [index for index, argument in enumerate(call.args) if _is_name(argument, body.names)]
        keywords = [keyword.arg for keyword in call.keywords if keyword.arg and _is_name(keyword.value, body.names)]
        if (positions or keywords) and not _is_builtin(call.func):
            yield _helper(body, call, positions, keywords)


def _helper(body: Body, call: ast.Call, positions: list[int], keywords: list[str]) -> Body | HandedAway:
    function = body.function.__globals__.get(call.func.id) if isinstance(call.func, ast.Name) else None
    if isinstance(function, FunctionType):
        function = inspect.unwrap(function)
        parameters = function.__code__.co_varnames[: function.__code__.co_argcount]
        names = [*(parameters[index] for index in positions if index < len(parameters)), *keywords]
        helper = _read(function, frozenset(names), is_helper=True)
        if helper is not None:
            return helper
    return HandedAway(place=body.place(call), source=" ".join(ast.unparse(call).split()))


def _read(function: FunctionType, names: frozenset[str], *, is_helper: bool = False) -> Body | None:
    try:
        lines, first_line = inspect.getsourcelines(function)
        found = ast.parse(textwrap.dedent("".join(lines))).body[0]
    except (OSError, SyntaxError, TypeError, IndexError):
        return None
    if not isinstance(found, ast.FunctionDef):
        return None
    return Body(function=function, tree=found, first_line=first_line, names=names, is_helper=is_helper)


def _is_builtin(function: ast.expr) -> bool:
    """``isinstance(self, ...)`` does not retry."""
    return isinstance(function, ast.Name) and hasattr(builtins, function.id)


def _is_task_of(function: FunctionType, name: str) -> bool:
    return isinstance(function.__globals__.get(name), Task)


def _is_name(node: ast.expr, names: frozenset[str]) -> bool:
    return isinstance(node, ast.Name) and node.id in names
