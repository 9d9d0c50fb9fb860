"""``RabbitMQ``: which version, and how its operator has set it up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from retrysim.durations import Duration, parse_duration
from retrysim.errors import InputError
from retrysim.rabbitmq.versions import NEWEST, version_named

if TYPE_CHECKING:
    from retrysim.rabbitmq.server import RabbitMQServer


#: What can be written after the version, and the words that stand for something else than themselves.
_OPTIONS: dict[str, dict[str, Any]] = {
    "consumer_timeout": {"none": None},
    "permit_transient_queues": {"true": True, "false": False},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RabbitMQ:
    """``Simulation(broker=RabbitMQ(version="4.0"))``.

    ``consumer_timeout`` is how long a delivery may stay unacknowledged (30 minutes; ``None``: forever);
    ``permit_transient_queues=False`` is ``deprecated_features.permit.transient_nonexcl_queues = false``.
    Raises ``InputError`` for a version that is not modelled.
    """

    version: str = NEWEST
    consumer_timeout: Duration | None = "30 minutes"
    permit_transient_queues: bool = True

    @classmethod
    def parse(cls, text: str) -> RabbitMQ:
        """From ``rabbitmq:4.3?consumer_timeout=2h&permit_transient_queues=false``; what is left out has its default.

        Raises ``InputError``.
        """
        named, _, options = text.partition("?")
        given = dict(option.partition("=")[::2] for option in options.split("&") if option)
        for name, value in given.items():
            if name not in _OPTIONS:
                raise InputError(f"{text}: RabbitMQ has no option {name!r}; it has {' and '.join(_OPTIONS)}")
            if value not in _OPTIONS[name] and name != "consumer_timeout":
                raise InputError(f"{text}: {name} is true or false, not {value!r}")
        version = named.partition(":")[2] or NEWEST
        read: dict[str, Any] = {name: _OPTIONS[name].get(value, value) for name, value in given.items()}
        return cls(version=version, **read)

    def __post_init__(self) -> None:
        version_named(self.version)
        if self.consumer_timeout is not None:
            parse_duration(self.consumer_timeout)

    def make_server(self, now_ns: int) -> RabbitMQServer:
        """A node as it comes out of the box, but for these options."""
        from retrysim.rabbitmq.server import RabbitMQServer  # only who wants a RabbitMQ pays for importing one

        server = RabbitMQServer(self.version, now_ns=now_ns, permit_transient_queues=self.permit_transient_queues)
        timeout = self.consumer_timeout
        server.consumer_timeout_ns = None if timeout is None else parse_duration(timeout)
        return server
