"""Tells when a module is imported, so that a client which the user imports later is patched like one already there."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from retrysim.undo import UndoStack


class ImportWatch(MetaPathFinder):
    """While it stands in ``sys.meta_path``, calls ``imported`` with each named module once its body has run."""

    def __init__(self, names: Iterable[str], imported: Callable[[ModuleType], None]) -> None:
        self._names = frozenset(names)
        self._imported = imported
        self._looking = False  # another watch for the same name asks this one, too

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec that the other finders give, with its loader told to call back; ``None`` for other names."""
        if name not in self._names or self._looking:
            return None
        self._looking = True
        try:
            spec = self._spec_of_others(name, path, target)
        finally:
            self._looking = False
        if spec is not None and spec.loader is not None:
            self._call_back_after(spec.loader)
        return spec

    def _spec_of_others(self, name: str, path: Sequence[str] | None, target: ModuleType | None) -> ModuleSpec | None:
        for finder in sys.meta_path:
            if finder is not self and (spec := finder.find_spec(name, path, target)) is not None:
                return spec
        return None

    def _call_back_after(self, loader: object) -> None:
        """Wrap ``exec_module`` of this one loader; the loader stays what it is for everybody who looks at it."""
        execute = loader.exec_module  # type: ignore[attr-defined]

        def exec_module(module: ModuleType) -> None:
            vars(loader).pop("exec_module", None)  # another watch may have put it back
            execute(module)
            self._imported(module)

        loader.exec_module = exec_module  # type: ignore[attr-defined]


def in_each_module(undo: UndoStack, names: Iterable[str], put: Callable[[ModuleType], None]) -> None:
    """Call ``put`` with each named module that is imported, and with each other one when it is, until the unwinding."""
    names = list(names)
    watch = ImportWatch(names, put)
    sys.meta_path.insert(0, watch)
    undo.callback(_take_away, watch)
    for module in [sys.modules[name] for name in names if name in sys.modules]:
        put(module)


def _take_away(watch: ImportWatch) -> None:
    if watch in sys.meta_path:  # a test may have put back what it found there
        sys.meta_path.remove(watch)
