"""An expression in a task's body that can be computed without the task's arguments, and nothing else."""

from __future__ import annotations

import ast
import random
from collections.abc import Callable
from types import ModuleType
from typing import Any

from retrysim.audit.bodies import Body

_BUILTINS: dict[str, Any] = {"abs": abs, "float": float, "int": int, "max": max, "min": min, "pow": pow, "round": round}
_PLAIN_NODES = (
    ast.Constant, ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop, ast.IfExp, ast.Compare, ast.cmpop, ast.BoolOp,
    ast.boolop, ast.Subscript, ast.Tuple, ast.List, ast.Load,
)  # fmt: skip
_OF_THE_TASK = frozenset({"request.retries", "max_retries", "default_retry_delay"})


class NotPlain(Exception):  # noqa: N818 - a reason, not an error
    """Says what the expression depends on."""


def compiled(node: ast.expr, body: Body) -> Callable[[Any], Any]:
    """A function of the task that computes the expression; raises ``NotPlain`` when it needs more than that."""
    plain = ast.fix_missing_locations(ast.Expression(_Plain(body).visit(node)))
    code = compile(plain, f"<a countdown of {body.function.__qualname__}>", "eval")
    return lambda task: eval(code, {"__builtins__": {}, **_BUILTINS, "random": random, "the_task": task})


class _Plain(ast.NodeTransformer):
    """Puts values in the place of names, and refuses what has none."""

    def __init__(self, body: Body) -> None:
        self._function = body.function
        self._body = body.tree
        self._task_names = body.names
        self._open: set[str] = set()

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if not isinstance(node, _PLAIN_NODES):
            raise NotPlain(f"it depends on `{ast.unparse(node)}`")
        return super().generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        assigned = self._assigned(node.id)
        if assigned is not None and node.id not in self._open:
            self._open.add(node.id)
            value: ast.AST = self.visit(assigned)
            self._open.discard(node.id)
            return value
        if self._is_local(node.id):
            raise NotPlain(f"it depends on `{node.id}`")
        return self._constant(self._function.__globals__.get(node.id), node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        owner, _, path = ast.unparse(node).partition(".")
        if owner in self._task_names and path in _OF_THE_TASK:
            return ast.parse(f"the_task.{path}", mode="eval").body
        if self._is_local(owner):
            raise NotPlain(f"it depends on `{owner}`")
        value: Any = self._function.__globals__.get(owner)
        for name in path.split("."):
            value = getattr(value, name, None) if isinstance(value, ModuleType) or "." not in path else None
        return self._constant(value, node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        name = ast.unparse(node.func)
        module, _, attribute = name.partition(".")
        is_builtin = name in _BUILTINS and name not in self._function.__globals__
        is_random = bool(attribute) and self._function.__globals__.get(module) is random and hasattr(random, attribute)
        if not is_builtin and not is_random:
            raise NotPlain(f"it depends on `{ast.unparse(node)}`")
        function = ast.parse(f"random.{attribute}" if is_random else name, mode="eval").body
        return ast.Call(func=function, args=[self.visit(argument) for argument in node.args], keywords=[])

    def _assigned(self, name: str) -> ast.expr | None:
        """What a local name is set to, if that happens once and in no loop."""
        sets = [node for node in ast.walk(self._body) if isinstance(node, ast.Name) and _is_set(node, name)]
        whole = [
            node.value
            for node in ast.walk(self._body)
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and node.targets[0] in sets
        ]
        return whole[0] if len(sets) == 1 and whole else None

    def _is_local(self, name: str) -> bool:
        return name in self._function.__code__.co_varnames or name in self._function.__code__.co_freevars

    def _constant(self, value: Any, node: ast.AST) -> ast.AST:
        if isinstance(value, int | float) or (isinstance(value, tuple | list) and all(map(_is_number, value))):
            return ast.parse(repr(value), mode="eval").body
        raise NotPlain(f"it depends on `{ast.unparse(node)}`")


def _is_set(node: ast.Name, name: str) -> bool:
    return isinstance(node.ctx, ast.Store) and node.id == name


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)
