"""Is retrysim safe to point at any project? Each command over three projects whose databases and brokers are real.

A Django project with a development database on PostgreSQL and in a file of SQLite, an app on Redis and one on RabbitMQ:
`new`, `audit`, `audit --tests`, `validate`, `run`, tests, and tests with `--retrysim-worker` run over each. What they
reach is counted twice: by an audit hook in every process that they start, and by looking into the servers. It has to be
nothing. Needs PostgreSQL (user postgres) and RabbitMQ (guest) at 127.0.0.1, and starts redis-servers of its own::

    python judges/safety.py [--only WORD]

First each project's tasks run for real, to see that both counts notice. Exit code 1 when anything was reached, a
command ends otherwise than it should, or a count notices nothing.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import redis
from kombu import Connection

HERE = Path(__file__).parent / "safety"
RETRYSIM = [sys.executable, "-m", "retrysim.cli"]
PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:asyncio"]
DATABASE = f"retrysim_safety_{os.getpid()}"
RABBIT = "amqp://guest:guest@127.0.0.1:5672//"
QUEUE = "retrysim-safety"
#: Projects at once; each has a Redis of its own, whose connections are counted.
AT_ONCE = 2
EXPLORED = ["--fault", "message_doubled", "--fault", "broker_restarted", "--runs", "12"]
#: No command may take longer, in seconds.
LONGEST = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What is run in a copy of a project, and the exit code it has to have."""

    label: str
    words: list[str]
    exit_code: int = 0


def commands(app: str, task: str, scenarios: str, tests: list[Command]) -> list[Command]:
    return [
        Command(label="new", words=[*RETRYSIM, "new", task, "--app", app]),
        Command(label="audit", words=[*RETRYSIM, "audit", app]),
        Command(label="audit --tests", words=[*RETRYSIM, "audit", app, "--tests"]),
        Command(label="audit --policies", words=[*RETRYSIM, "audit", app, "--policies", "--tasks", "20"]),
        Command(label="validate", words=[*RETRYSIM, "validate", *scenarios.split()]),
        Command(label="run", words=[*RETRYSIM, "run", *scenarios.split()]),
        # It finds a task that has its effect twice.
        Command(label="explore", words=[*RETRYSIM, "explore", scenarios.split()[-1], *EXPLORED], exit_code=1),
        Command(label="pytest scenarios", words=[*PYTEST, "scenarios"]),
        *tests,
        Command(label="pytest --retrysim-worker", words=[*PYTEST, "--retrysim-worker", "tests_worker"]),
    ]


NO_DJANGO = ["-p", "no:django"]
_DJANGO_SCENARIOS = " ".join(f"scenarios/{n}.scenario.yaml" for n in ("nothing", "test_database", "tagged"))
_DJANGO = commands(
    "depot",
    "parcels.tasks.cancel",
    _DJANGO_SCENARIOS,
    [
        Command(label="pytest", words=[*PYTEST, "tests/test_depot.py"]),
        Command(label="pytest without pytest-django", words=[*PYTEST, *NO_DJANGO, "tests/plain.py"]),
    ],
)
_MAILER = commands(
    "mailer",
    "mailer.by_hand",
    "scenarios/letters.scenario.yaml",
    [Command(label="pytest", words=[*PYTEST, *NO_DJANGO, "tests"])],
)
_FOR_REAL_DJANGO = (
    "import depot; depot.celery_app.loader.import_default_modules(); from parcels.tasks import touch; touch(1)"
)
_FOR_REAL_MAILER = "import mailer; mailer.count(1); mailer.note.delay(1)"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project, what is in its servers, and a line of Python that reaches them."""

    name: str
    folder: str
    environment: dict[str, str]
    inside: Callable[[Project, Path], object]
    for_real: str
    commands: list[Command]
    port: int = field(default_factory=free_port)

    @property
    def redis(self) -> str:
        return f"redis://127.0.0.1:{self.port}"


# -- looking into the servers ------------------------------------------------------------------------------------------


def postgresql(query: str, database: str = "postgres") -> list[tuple[object, ...]]:
    with psycopg.connect(host="127.0.0.1", user="postgres", dbname=database, autocommit=True) as connection:
        answer = connection.execute(query)
        return answer.fetchall() if answer.description else []


def in_postgresql() -> object:
    """The sessions that the development database has had, and the rows in it."""
    postgresql("SELECT pg_stat_clear_snapshot()")
    time.sleep(0.2)  # the server counts a session when it has ended
    sessions = postgresql(f"SELECT sessions FROM pg_stat_database WHERE datname = '{DATABASE}'")[0][0]
    template = postgresql(f"SELECT xact_commit, tup_inserted FROM pg_stat_database WHERE datname = '{DATABASE}'")[0][1]
    return sessions, template


def in_file(folder: Path) -> object:
    """The bytes of the file."""
    return (folder / "db.sqlite3").read_bytes()


def in_redis(project: Project) -> object:
    """How many connections the server has had, those that ask this left out, and how many keys it holds."""
    with redis.Redis.from_url(project.redis) as client:
        connections = client.info("stats")["total_connections_received"] - client.incr("asked")
        return connections, client.info("keyspace")


def in_rabbit(project: Project) -> object:
    """How many messages wait in the app's queue, or that there is none; its results are in Redis."""
    with Connection(RABBIT) as connection:
        try:
            depth = connection.default_channel.queue_declare(QUEUE, passive=True).message_count
        except connection.channel_errors:
            depth = None
    return depth, in_redis(project)


@contextmanager
def redis_server(project: Project) -> Iterator[None]:
    """A server that nobody else connects to, so that its connections can be counted."""
    with tempfile.TemporaryDirectory() as place:
        words = ["redis-server", "--port", str(project.port), "--save", "", "--dir", place]
        server = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        try:
            for _ in range(100):
                with suppress(redis.ConnectionError):
                    redis.Redis.from_url(project.redis).ping()
                    break
                time.sleep(0.05)
            yield
        finally:
            server.terminate()
            server.wait()


# -- the projects ------------------------------------------------------------------------------------------------------

PROJECTS = [
    Project(
        name="Django on PostgreSQL",
        folder="django_project",
        environment={"DEPOT_DATABASE": "postgresql", "DEPOT_NAME": DATABASE},
        inside=lambda project, _: (in_postgresql(), in_redis(project)),
        for_real=_FOR_REAL_DJANGO,
        commands=_DJANGO,
    ),
    Project(
        name="Django on SQLite",
        folder="django_project",
        environment={"DEPOT_DATABASE": "sqlite"},
        inside=lambda project, folder: (in_file(folder), in_redis(project)),
        for_real=_FOR_REAL_DJANGO,
        commands=_DJANGO,
    ),
    Project(
        name="an app on Redis",
        folder="redis_app",
        environment={},
        inside=lambda project, _: in_redis(project),
        for_real=_FOR_REAL_MAILER,
        commands=_MAILER,
    ),
    Project(
        name="an app on RabbitMQ",
        folder="rabbit_app",
        environment={},
        inside=lambda project, _: in_rabbit(project),
        for_real=_FOR_REAL_MAILER,
        commands=_MAILER,
    ),
]


@contextmanager
def development(project: Project, folder: Path) -> Iterator[None]:
    """The servers as a developer has them: two rows in the database, nothing in Redis and RabbitMQ."""
    on_postgresql = "DEPOT_NAME" in project.environment
    _clear(project)
    if on_postgresql:
        postgresql(f"CREATE DATABASE {DATABASE}")
    if "DEPOT_DATABASE" in project.environment:
        _fill(project, folder)
    try:
        yield
    finally:
        _clear(project)
        if on_postgresql:
            for (name,) in postgresql(f"SELECT datname FROM pg_database WHERE datname LIKE '%{DATABASE}%'"):
                postgresql(f"DROP DATABASE {name} WITH (FORCE)")


def environment_of(project: Project) -> dict[str, str]:
    return {**os.environ, **project.environment, "SAFETY_REDIS": project.redis}


def _fill(project: Project, folder: Path) -> None:
    code = (
        "import django; django.setup(); from django.core.management import call_command; "
        "call_command('migrate', verbosity=0); from parcels.models import Parcel; "
        "Parcel.objects.bulk_create([Parcel(), Parcel()])"
    )
    environment = {**environment_of(project), "DJANGO_SETTINGS_MODULE": "depot.settings"}
    subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, check=True)


def _clear(project: Project) -> None:
    if project.folder != "rabbit_app":
        return
    with Connection(RABBIT) as connection, suppress(Exception):
        connection.default_channel.queue_delete(QUEUE)


# -- playing -----------------------------------------------------------------------------------------------------------


class Listener:
    """Runs commands in a project, and hears what they connect to."""

    def __init__(self, project: Project, folder: Path) -> None:
        self._project = project
        self._folder = folder
        self._heard = folder.parent / "heard"

    def run(self, words: list[str]) -> tuple[int, str, list[str]]:
        """The exit code, the output, and what was heard."""
        self._heard.write_text("")
        path = os.pathsep.join(filter(None, (str(HERE / "listening"), os.environ.get("PYTHONPATH"))))
        environment = {**environment_of(self._project), "PYTHONPATH": path, "HEARD": str(self._heard)}
        environment.pop("PYTEST_ADDOPTS", None)
        if words[:3] == RETRYSIM:  # in pytest it is the project itself that imports its modules
            environment["REACH_AT_IMPORT"] = "1"
        try:
            ended = subprocess.run(
                words, cwd=self._folder, env=environment, capture_output=True, text=True, timeout=LONGEST, check=False
            )
        except subprocess.TimeoutExpired as late:
            return 124, f"it hangs\n{(late.stdout or b'').decode()}", self._heard.read_text().splitlines()
        return ended.returncode, ended.stdout + ended.stderr, self._heard.read_text().splitlines()


def judge(project: Project, only: str | None) -> list[str]:
    """What is wrong, a sentence each."""
    wrong = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "project"
        shutil.copytree(HERE / project.folder, folder)
        listener = Listener(project, folder)
        with redis_server(project), development(project, folder):
            for command in project.commands:
                if only is None or only in command.label:
                    wrong += _judge_command(project, folder, listener, command)
            wrong += _judge_counts(project, folder, listener)
    return wrong


def _judge_command(project: Project, folder: Path, listener: Listener, command: Command) -> Iterator[str]:
    before, began = project.inside(project, folder), time.perf_counter()
    exit_code, output, heard = listener.run(command.words)
    took, changed = time.perf_counter() - began, project.inside(project, folder) != before
    is_wrong = bool(heard) or changed or exit_code != command.exit_code
    print(
        f"{project.name:22} {command.label:30} exit {exit_code}  {len(heard):2} connections  "
        f"{'CHANGED' if changed else 'unchanged'}  {took:5.1f} s{'   WRONG' if is_wrong else ''}",
        flush=True,
    )
    if is_wrong:
        shown = "\n    ".join([*heard[:5], *output.splitlines()[-40:]])
        yield f"{project.name}: {command.label}: exit {exit_code}, changed: {changed}\n    {shown}"


def _judge_counts(project: Project, folder: Path, listener: Listener) -> Iterator[str]:
    """Both counts have to notice what is done for real; libpq's connections only the server sees."""
    before = project.inside(project, folder)
    exit_code, output, heard = listener.run([sys.executable, "-c", project.for_real])
    changed = project.inside(project, folder) != before
    print(f"{project.name:22} {'for real, to compare':30} exit {exit_code}  {len(heard):2} connections  ", end="")
    print("CHANGED" if changed else "unchanged", flush=True)
    if exit_code or not changed or (not heard and "PostgreSQL" not in project.name):
        yield f"{project.name}: for real: exit {exit_code}, heard {heard}, changed: {changed}\n    {output[-2000:]}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="WORD", help="only the projects, or else the commands, whose name has it")
    only = parser.parse_args().only
    projects = [project for project in PROJECTS if only is None or only in project.name]
    word = only if only is not None and not projects else None
    with ThreadPoolExecutor(AT_ONCE) as players:
        wrong = [one for found in players.map(lambda each: judge(each, word), projects or PROJECTS) for one in found]
    for one in wrong:
        print(f"\nWRONG: {one}")
    print(f"\n{len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
