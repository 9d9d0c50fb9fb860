"""Reads the source of retrysim for the private names of other packages that it relies on."""

from __future__ import annotations

import ast
import gc
import importlib
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import retrysim

SOURCE = Path(retrysim.__file__).parent
#: Names that begin with an underscore and that their documentation describes.
DOCUMENTED = {"_exit", "_getframe", "_current_frames", "_replace", "_asdict", "_fields", "_make", "_meta"}
#: Modules, functions of C, and what else is quoted without being reached by it.
NO_ATTRIBUTES = {*sys.stdlib_module_names, "_pytest", "_hypothesis", "_Exit", "grpc._channel", "grpc.aio._channel"}


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__") and name.isidentifier() and name.strip("_") != ""


@cache
def private_names() -> frozenset[tuple[str, str]]:
    """(file, name) for each name that a file reaches, replaces or overrides on what is not its own."""
    return frozenset(
        (path.relative_to(SOURCE).as_posix(), name)
        for path in sorted(SOURCE.rglob("*.py"))
        if path.name != "foreign_names.py"
        for name in _File(path).foreign()
    )


def _parsed(path: Path) -> ast.Module:
    """The module, parsed while the collector is off.

    CPython 3.11 raises SystemError ("AST constructor recursion depth mismatch") where a finalizer that the collector
    calls meanwhile parses something, too, as the printing of a traceback does.
    """
    gc.disable()
    try:
        return ast.parse(path.read_text(encoding="utf-8"))
    finally:
        gc.enable()


class _File:
    def __init__(self, path: Path) -> None:
        self.path, self.tree = path, _parsed(path)
        self.own = set(_defined(self.tree))
        self.typed = set(_typed_by_own_classes(self.tree))
        self.modules = set(_aliases_of_private_modules(self.tree))
        self.skipped = set(_strings_that_are_no_names(self.tree))

    def foreign(self) -> set[str]:
        found = {*self.imported(), *self.reached(), *self.quoted(), *self.of_bases()}
        return {name for name in found if name not in DOCUMENTED and not name.startswith("_retrysim")}

    def imported(self) -> Iterator[str]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom) and not node.module.startswith(("retrysim", "_typeshed", "__future__")):
                inside = any(is_private(part) for part in node.module.split("."))
                yield from (alias.name for alias in node.names if inside or is_private(alias.name))

    def reached(self) -> Iterator[str]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Attribute) and not _is_self(node.value):
                receiver = node.value.id if isinstance(node.value, ast.Name) else None
                if receiver in self.modules or (is_private(node.attr) and not self.is_own(node.attr, receiver)):
                    yield node.attr

    def quoted(self) -> Iterator[str]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in self.skipped:
                last = node.value.rpartition(".")[2]
                if is_private(last) and node.value not in self.own | NO_ATTRIBUTES:
                    yield last

    def of_bases(self) -> Iterator[str]:
        """What the classes of this file override of foreign bases, and reach in them by ``self``."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ClassDef) and node.bases:
                used = {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute) and _is_self(n.value)}
                used |= {n.name for n in node.body if isinstance(n, ast.FunctionDef)}
                used |= set(_assigned(node.body))
                kinds = self.kinds(node)
                for name in filter(is_private, used):
                    if kinds and (any(name in _named_by(kind) for kind in kinds[0]) or name not in kinds[1] | self.own):
                        yield name

    def kinds(self, node: ast.ClassDef) -> tuple[list[type], set[str]] | None:
        """The foreign bases of a class, and the names that its bases of our own define."""
        module = importlib.import_module(".".join(("retrysim", *self.path.relative_to(SOURCE).with_suffix("").parts)))
        kind = vars(module).get(node.name)
        if not isinstance(kind, type):
            return None
        foreign = [one for one in kind.__mro__ if not one.__module__.startswith("retrysim")]
        ours = [one for one in kind.__mro__ if one.__module__.startswith("retrysim")]
        return foreign, {name for one in ours for name in _named_by(one)} | {
            n for one in ours for n in one.__annotations__
        }

    def is_own(self, name: str, receiver: str | None) -> bool:
        return name in self.own or receiver in self.typed


def _is_self(node: ast.AST) -> bool:
    return (isinstance(node, ast.Name) and node.id in ("self", "cls")) or (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"
    )


@cache
def _named_by(kind: type) -> set[str]:
    """The attributes of a class, and of its instances as its methods make them."""
    names = {name for name in vars(kind) if is_private(name)}
    source = getattr(sys.modules[kind.__module__], "__file__", None)
    if source is None or not source.endswith(".py"):
        return names
    stored = _stored_by_classes(source).get(kind.__qualname__.rpartition(".")[2], set())
    return names | stored


@cache
def _stored_by_classes(source: str) -> dict[str, set[str]]:
    """Class -> the private attributes that its methods set."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(_parsed(Path(source))):
        if isinstance(node, ast.ClassDef):
            stores = (n for n in ast.walk(node) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store))
            found.setdefault(node.name, set()).update(
                n.attr for n in stores if _is_self(n.value) and is_private(n.attr)
            )
    return found


def _assigned(body: list[ast.stmt]) -> Iterator[str]:
    for node in body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        yield from (target.id for target in targets if isinstance(target, ast.Name))


def _defined(tree: ast.AST) -> Iterator[str]:
    """The attributes of the classes of a file."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield from (one.name for one in node.body if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef)))
            yield from _assigned(node.body)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _is_self(node.value):
            yield node.attr


def _typed_by_own_classes(tree: ast.AST) -> Iterator[str]:
    ours = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("retrysim")
        for alias in node.names
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and isinstance(node.annotation, ast.Name) and node.annotation.id in ours:
            yield node.arg


def _aliases_of_private_modules(tree: ast.AST) -> Iterator[str]:
    """``_state`` after ``from celery import _state``: each attribute of it is private."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (a.asname or a.name for a in node.names if is_private(a.name))
        elif isinstance(node, ast.ImportFrom) and node.module and not node.module.startswith(("retrysim", "_")):
            for alias in node.names:
                if is_private(alias.name) and inspect.ismodule(
                    getattr(importlib.import_module(node.module), alias.name, None)
                ):
                    yield alias.asname or alias.name


def _strings_that_are_no_names(tree: ast.AST) -> Iterator[int]:
    """Suffixes, and the slots of own classes."""
    for node in ast.walk(tree):
        inside: list[ast.AST] = []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "TypeVar":
            inside = list(node.args)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in ("endswith", "removesuffix", "startswith"):
                inside = list(node.args)
        elif isinstance(node, ast.JoinedStr):
            inside = list(node.values)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(t, ast.Name) and t.id == "__slots__" for t in targets) and node.value:
                inside = [node.value]
        yield from (id(one) for top in inside for one in ast.walk(top))
