"""Where a connection leads: a kind of server, a host and a port, or a file; and how a permit names it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from retrysim.errors import InputError

#: The words that permit every database, and those that a test runner has made.
DATABASE, TEST_DATABASE = "database", "test database"
#: Ports that a URL or a driver leaves out.
PORTS = {
    "postgresql": 5432,
    "postgres": 5432,
    "mysql": 3306,
    "mariadb": 3306,
    "mssql": 1433,
    "oracle": 1521,
    "mongodb": 27017,
    "redis": 6379,
    "rediss": 6379,
    "amqp": 5672,
    "amqps": 5671,
}
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def permit_for(databases: str | None) -> tuple[str, ...]:
    """The permit for ``"test"``, ``"real"`` or no databases. Raises ``InputError`` for anything else."""
    words = {None: (), "test": (TEST_DATABASE,), "real": (TEST_DATABASE, DATABASE)}
    if databases not in words:
        raise InputError(f'database={databases!r}: expected "test", "real" or None')
    return words[databases]


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One end of a connection. ``kind`` is for people; a file has no host, a server no file.

    ``database`` is the name of one database of a server, where the driver tells.
    """

    kind: str
    host: str = ""
    port: int | None = None
    database: str = ""
    file: Path | None = None

    @property
    def is_outside(self) -> bool:
        """Whether it leads anywhere: a database in memory does not."""
        return bool(self.host or self.file)

    def __str__(self) -> str:
        return f"{self.kind} at {self.permit}"

    @property
    def permit(self) -> str:
        """What to write into ``allow`` for it."""
        if self.file is not None:
            return f"sqlite:///{self.file}"
        return self.host if self.port is None else f"{self.host}:{self.port}"

    def is_permitted_by(self, permit: str) -> bool:
        """Whether this permit, a host, ``host:port``, a URL or a file, means this address."""
        if self.file is not None:
            return _means_file(permit, self.file)
        return _host_and_port(permit) in {(host, port) for host in self._hosts for port in (None, self.port)}

    @property
    def _hosts(self) -> tuple[str, ...]:
        return _LOOPBACK if self.host in _LOOPBACK else (self.host,)


def server(kind: str, host: object, port: object, default_port: int | None = None, *, database: object = "") -> Address:
    """The address of a server from what a driver was given, as text, bytes, a number or nothing."""
    name = host.decode() if isinstance(host, bytes) else str(host or "")
    number = str(port or "")
    known_port = int(number) if number.isdigit() else default_port
    return Address(kind=kind, host=name or "localhost", port=known_port, database=str(database or ""))


def file(kind: str, path: object) -> Address:
    """The address of a database that is a file."""
    return Address(kind=kind, file=Path(str(path)).absolute())


def from_url(url: str) -> tuple[str, str, int | None, str]:
    """Scheme (without its driver), host, port and path of a URL such as ``postgresql+psycopg://db:5432/shop``."""
    parts = urlsplit(url)
    scheme = parts.scheme.partition("+")[0]
    try:
        port = parts.port
    except ValueError:
        port = None
    return scheme, parts.hostname or "localhost", port or PORTS.get(scheme), parts.path


def _host_and_port(permit: str) -> tuple[str, int | None]:
    if "://" in permit:
        _, host, port, _ = from_url(permit)
        return host, port
    host, colon, port_text = permit.rpartition(":")
    return (host, int(port_text)) if colon and port_text.isdigit() and not host.endswith(":") else (permit, None)


def names_a_file(permit: str) -> bool:
    """Whether a permit is for a file of SQLite, or for a folder with some, and not for a server."""
    return permit.startswith("sqlite") or ("://" not in permit and Path(permit).exists())


def _means_file(permit: str, path: Path) -> bool:
    """``sqlite:///shop.db``, ``shop.db``, or a folder, ``sqlite:///data/``: all files in it."""
    named = permit.partition(":///")[2] if permit.startswith("sqlite") else permit
    if not named or "://" in named:
        return False
    allowed = Path(named).absolute().resolve()
    found = path.resolve()
    return found == allowed or (named.endswith("/") and allowed in found.parents)
