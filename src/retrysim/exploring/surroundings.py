"""What the kinds of fault ask about the app and its broker: what can break there at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from retrysim.celery.brokers import kind_of_broker
from retrysim.celery.conf_layer import laid_over
from retrysim.durations import SECOND
from retrysim.exploring.subject import Subject
from retrysim.playing import check_conf, environment_variables, find_app
from retrysim.rabbitmq import RabbitMQ

#: kombu's own default (kombu/transport/redis.py, Channel.visibility_timeout).
_VISIBILITY_S = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class AppSettings:
    """The settings of an app that decide what a fault can do to its tasks."""

    broker: str
    pools: dict[str, str]  # worker -> its pool
    soft_shutdown: bool
    #: how long the broker waits for the acknowledgement of what a worker has
    patience_ns: int
    acks_late: dict[str, bool]  # task -> whether it is acked when it has ended
    rejects_on_loss: dict[str, bool]

    @property
    def has_server(self) -> bool:
        """Whether the broker is a server, with connections that can break."""
        return self.broker != "memory"


def surroundings_of(subject: Subject) -> AppSettings:
    """Read them off the app, which is imported. Raises ``ScenarioError`` where it cannot be."""
    item = subject.item
    with environment_variables(item):
        app = find_app(item, allowed=item.scenario.spec.allow)
    check_conf(item, app)
    with laid_over(app, item.scenario.spec.conf):
        pools = {worker.name: worker.pool or str(app.conf.worker_pool) for worker in item.workers}
        return of_app(app, item.broker or kind_of_broker(app), pools)


def of_app(app: Any, broker: str, pools: dict[str, str]) -> AppSettings:
    """The settings of an app on a kind of broker; ``pools`` are those of its workers by name."""
    conf = app.conf
    options = conf.broker_transport_options or {}
    own = {name: task for name, task in app.tasks.items() if not name.startswith("celery.")}
    return AppSettings(
        broker=broker,
        pools=pools,
        soft_shutdown=bool(getattr(conf, "worker_soft_shutdown_timeout", 0)),
        patience_ns=_patience_ns(broker, options),
        acks_late={name: bool(_own(task.acks_late, conf.task_acks_late)) for name, task in own.items()},
        rejects_on_loss={
            name: bool(_own(task.reject_on_worker_lost, conf.task_reject_on_worker_lost)) for name, task in own.items()
        },
    )


def _patience_ns(broker: str, options: dict[str, Any]) -> int:
    """Redis: the visibility timeout; RabbitMQ: its ``consumer_timeout``."""
    if is_rabbitmq(broker):
        return RabbitMQ.parse(broker).make_server(0).consumer_timeout_ns or 0
    return int(options.get("visibility_timeout", _VISIBILITY_S)) * SECOND


def is_rabbitmq(broker: str) -> bool:
    """Whether it is one, of whatever version."""
    return broker.partition(":")[0] == "rabbitmq"


def _own(of_task: Any, of_app: Any) -> Any:
    return of_app if of_task is None else of_task
