"""The one owner of patches: whatever is set through it is put back, in reverse order, whatever happens."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from contextlib import ExitStack
from typing import Any

from retrysim.versions import has_name, missing_name

_MISSING: Any = object()


class UndoStack(ExitStack):
    """An ``ExitStack`` with verbs for patches."""

    def set_attribute(self, owner: object, name: str, value: object, *, may_be_new: bool = False) -> None:
        """``setattr``, undone by the old value of the owner itself (an inherited one is uncovered again).

        Raises ``UnsupportedVersion`` for a name that the owner does not have: a release of the package has renamed it,
        and a new attribute that nobody reads would leave the real one in place. ``may_be_new`` is for what a user may
        leave out, such as the ``queue`` of a task.
        """
        if not may_be_new and not has_name(owner, name):
            raise missing_name(owner, name)
        before = vars(owner).get(name, _MISSING)
        setattr(owner, name, value)
        self.callback(_restore_attribute, owner, name, before)

    def set_item(self, mapping: MutableMapping[Any, Any], key: object, value: object) -> None:
        """``mapping[key] = value``, undone."""
        before = mapping.get(key, _MISSING)
        mapping[key] = value
        self.callback(_restore_item, mapping, key, before)

    def remove_item(self, mapping: MutableMapping[Any, Any], key: object) -> None:
        """``del mapping[key]`` if it is there, undone."""
        before = mapping.pop(key, _MISSING)
        self.callback(_restore_item, mapping, key, before)

    def then(self, undo: Callable[[], object]) -> None:
        """Call ``undo`` when the stack is unwound."""
        self.callback(undo)


def _restore_attribute(owner: object, name: str, before: object) -> None:
    if before is _MISSING:
        if name in vars(owner):
            delattr(owner, name)
    else:
        setattr(owner, name, before)


def _restore_item(mapping: MutableMapping[Any, Any], key: object, before: object) -> None:
    if before is _MISSING:
        mapping.pop(key, None)
    else:
        mapping[key] = before
