"""Decides whether a connection may be opened, and says why not."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from greenlet import getcurrent

from retrysim.errors import RealDatabase, RealFile, SimulationError, UnservedHost
from retrysim.outside.address import DATABASE, Address
from retrysim.patches.places import call_site, module_of_caller

#: Tools beside the tests that keep what they find in files of SQLite.
_TOOLS = frozenset({"coverage", "testmon", "IPython"})


class Barrier:
    """Between whatever runs now and all that is real. ``who`` says who that is, as the subject of a sentence.

    ``allow`` says how a permit is given there where it runs.
    """

    def __init__(
        self, permits: Collection[str], who: Callable[[], str], allow: Callable[[str], str] = 'sim.allow("{}")'.format
    ) -> None:
        self.permits = permits
        self._who = who
        self._allow = allow
        #: what was refused: the kind of the error, and how a permit would name it
        self.refused: dict[tuple[type[SimulationError], str], None] = {}
        #: what opens a file of SQLite that may be opened, instead of ``sqlite3.connect``
        self.open_sqlite: Callable[..., Any] | None = None
        self._passing: dict[object, int] = {}
        self._known: set[tuple[str, int | None, str]] = set()
        self._temporary = Path(tempfile.gettempdir()).resolve()
        self._there_before = frozenset(entry.name for entry in self._temporary.iterdir())

    # -- databases -----------------------------------------------------------------------------------------------------

    def database(self, address: Address, does: str = "connects to") -> None:
        """Raise ``RealDatabase`` for a database that nobody allowed."""
        if address.is_outside and not self.lets_database_pass(address):
            self.refused[RealDatabase, address.permit] = None
            raise RealDatabase(
                f"{self._who()} {does} a real database: {address}\n  at {call_site()}\n  {self._remedy(address)}"
            )

    def know(self, address: Address) -> None:
        """Let this one database of a server pass, whoever connects: a pool does so in a thread of its own."""
        self._known.add((address.host, address.port, address.database))

    def lets_database_pass(self, address: Address) -> bool:
        """Whether this database was allowed, is on its way through already, or is scratch."""
        return (
            DATABASE in self.permits
            or getcurrent() in self._passing
            or (address.host, address.port, address.database) in self._known
            or any(address.is_permitted_by(permit) for permit in list(self.permits))
            or (address.file is not None and (self._is_made_here(address.file) or _of_a_tool()))
        )

    def _is_made_here(self, file: Path) -> bool:
        """Whether it lies in what was made in the temporary folder since this began: by ``tempfile``, in a task."""
        return self._is_scratch(file) and (self._temporary / self._first_part(file)).exists()

    def _is_scratch(self, file: Path) -> bool:
        """Whether it is, or would be, in the temporary folder below what was not there when this began."""
        path = file.resolve()
        inside = path.is_relative_to(self._temporary) and path != self._temporary
        return inside and self._first_part(file) not in self._there_before

    def _first_part(self, file: Path) -> str:
        return file.resolve().relative_to(self._temporary).parts[0]

    @contextmanager
    def passing(self) -> Iterator[None]:
        """A block in which whoever runs now may open any database: who asks has looked at it already."""
        current = getcurrent()
        self._passing[current] = self._passing.get(current, 0) + 1
        try:
            yield
        finally:
            self._passing[current] -= 1
            if not self._passing[current]:
                del self._passing[current]

    # -- files ---------------------------------------------------------------------------------------------------------

    def file(self, path: Path) -> None:
        """Raise ``RealFile`` for a file or folder that is changed and that was not made here."""
        if not self._is_scratch(path):
            real = path.resolve()
            self.refused[RealFile, str(real)] = None
            raise RealFile(
                f"{self._who()} changes a real file: {real}\n  at {call_site()}\n"
                "  This run may change only files that it has made in the temporary folder. If it may change this one: "
                'files="real" in a test, `files: real` in a scenario'
            )

    # -- brokers and Redis ---------------------------------------------------------------------------------------------

    def broker(self, address: Address) -> None:
        """Raise ``UnservedHost`` for a broker that nobody allowed: nothing has been sent to it."""
        if not self._lets_pass(address):
            raise UnservedHost(
                f"{self._who()} connects to a real broker: {address}\n  at {call_site()}\n"
                "  Only Celery apps are given the simulated broker, and kombu where the URL names its kind. "
                f"If the real one is meant: {self._allow(address.permit)}"
            )

    def redis(self, address: Address) -> None:
        """Raise ``UnservedHost`` for a Redis that nobody allowed."""
        if not self._lets_pass(address):
            self.refused[UnservedHost, f"redis://{address.permit}"] = None
            raise UnservedHost(
                f"{self._who()} connects to a real Redis at {address.permit}\n  at {call_site()}\n"
                "  Let the simulated Redis answer: Simulation(redis=True), `redis: true` in a scenario, "
                f"or let it be real: {self._allow(address.permit)}"
            )

    def _lets_pass(self, address: Address) -> bool:
        return any(address.is_permitted_by(permit) for permit in list(self.permits))

    def _remedy(self, address: Address) -> str:
        real = f"If the real one is meant: {self._allow(address.permit)}"
        if self._allow is allow_at_import:
            return real
        if self._allow is not allow_in_the_project:
            real += " in a test, `database: real` in a scenario, or allow under [tool.retrysim] in pyproject.toml"
        if "django.db" in sys.modules:
            return (
                "Use Django's test database: @pytest.mark.django_db on a test, `database: test` in a scenario.\n  "
                + real
            )
        return real


def allow_in_the_project(permit: str) -> str:
    """How a permit is given where there is no simulation to ask: for the workers of ``--retrysim-worker``."""
    return f'allow = ["{permit}"] under [tool.retrysim] in pyproject.toml'


def allow_at_import(permit: str) -> str:
    """The same for the import of an app, which has no database of a test yet."""
    return allow_in_the_project(permit)


def _of_a_tool() -> bool:
    return module_of_caller().partition(".")[0] in _TOOLS
