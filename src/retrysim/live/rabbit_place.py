"""A virtual host of a RabbitMQ: queues, exchanges and bindings of a run, and nobody else's."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from urllib.parse import unquote, urlsplit

import amqp
from kombu import Connection

from retrysim.errors import InputError
from retrysim.live.faketime import real_time
from retrysim.live.redis_place import RedisPlace

_DEFAULT_HOSTS = ("", "/")


def named_host(url: str) -> str | None:
    """The virtual host that a URL names, which holds one run at a time; ``None`` for the default one."""
    named = unquote(urlsplit(url).path.removeprefix("/"))
    return None if named in _DEFAULT_HOSTS else named


class RabbitPlace:
    """A virtual host made for the run with ``rabbitmqctl``, or the one that the URL names, where it names one.

    Results of an app that keeps some go to a Redis.
    """

    kind = "amqp"

    def __init__(self, url: str, results: RedisPlace, token: str) -> None:
        parts = urlsplit(url)
        named = named_host(url)
        self._own = named is None
        self._user = unquote(parts.username or "guest")
        self._host = f"retrysim-{token}" if named is None else named
        self.url = parts._replace(path=f"/{self._host}").geturl() if self._own else url
        self._given = url
        self._results = results
        self._connection: Any = None
        self._made = False

    def open(self) -> None:
        self._check_that_it_answers()
        if self._own:
            self._control("add_vhost", self._host)
            self._made = True
            self._control("set_permissions", "-p", self._host, self._user, ".*", ".*", ".*")
        self._connection = Connection(self.url, heartbeat=0, connect_timeout=5)

    def _check_that_it_answers(self) -> None:
        try:
            with Connection(self._given, connect_timeout=5) as connection:
                connection.connect()
        except (OSError, amqp.AMQPError) as error:
            raise InputError(f"{self._given} does not answer: {error}. Is a RabbitMQ running there?") from None

    def _control(self, *command: str) -> None:
        if shutil.which("rabbitmqctl") is None:
            raise InputError(
                f"{self._given}: a run needs a virtual host of its own, and rabbitmqctl, which makes one, is not here. "
                "Make one for it and name it in the URL: amqp://user:password@host/retrysim"
            )
        done = subprocess.run(
            ["rabbitmqctl", "-q", *command], env=real_time(), capture_output=True, text=True, check=False
        )
        if done.returncode:
            reason = (done.stderr or done.stdout).strip().splitlines()[:1]
            raise InputError(
                f"{self._given}: a run needs a virtual host of its own, and `rabbitmqctl {command[0]}` failed: "
                f"{' '.join(reason)}. Make one for it and name it in the URL: amqp://user:password@host/retrysim"
            )

    def settings(self, app: Any) -> dict[str, Any]:
        keeps_results = {}
        if app.conf.result_backend:
            self._results.open()
            keeps_results = self._results.results(app)
        return {
            **dict.fromkeys(("broker_url", "broker_read_url", "broker_write_url"), self.url),
            **dict.fromkeys(("broker_user", "broker_password", "broker_transport")),
            # The broker lives in real time: a worker that lives faster would wait for a beat too short a time.
            "broker_heartbeat": 0,
            **keeps_results,
        }

    def waiting(self, queues: Iterable[str]) -> dict[str, int]:
        found = {}
        for queue in queues:
            with suppress(amqp.NotFound), self._connection.channel() as channel:
                count = channel.queue_declare(queue, passive=True).message_count
                if count:
                    found[queue] = count
        return found

    def unacked(self) -> None:
        return None

    def close(self, queues: Iterable[str]) -> None:
        if self._connection is not None:
            if not self._own:
                self._delete(queues)
            self._connection.release()
        if self._made:
            self._control("delete_vhost", self._host)
        self._results.close(queues)

    def _delete(self, queues: Iterable[str]) -> None:
        for queue in queues:
            with suppress(amqp.NotFound), self._connection.channel() as channel:
                channel.queue_delete(queue)
