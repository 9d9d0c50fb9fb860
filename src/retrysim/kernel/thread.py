"""A thread as the interpreter sees one: what its locks, its thread-locals and its event loop belong to."""

from __future__ import annotations

from typing import Any


class Thread:
    """What one process runs on, or several that are one thread to the code in them; compared by identity.

    ``ident`` is what ``threading.get_ident()`` tells on it; ``kept`` is whatever is to be there again when it goes on.
    """

    __slots__ = ("__weakref__", "ident", "kept", "lost", "name", "tasks")

    def __init__(self, ident: int, name: str) -> None:
        self.ident = ident
        self.name = name
        #: killed: what it holds is never given back
        self.lost = False
        self.kept: Any = None
        #: what it does, as a person would say it: the last is what it does just now
        self.tasks: list[str] = []

    def __repr__(self) -> str:
        return f"<Thread {self.name!r}>"
