"""What ``retrysim doctor`` tries: a small app whose task meets a limit, retries, and loses its worker on the way."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from urllib.request import urlopen

from celery import Celery

from retrysim.fakes import API
from retrysim.simulation import Simulation

_URL = "https://api.doctor.invalid"
#: Broker -> the timeline of the task that retries. On Redis its worker is killed meanwhile, and the first sweep of the
#: new one, which starts at 30 s, after the visibility timeout of an hour returns the message. RabbitMQ returns it at
#: once. Kombu's memory transport never returns the messages of a dead worker, so nothing is killed there.
EXPECTED: Mapping[str, str] = {
    "memory": "RETRY 1m SUCCESS",
    "redis": "RETRY 1h30s SUCCESS",
    "rabbitmq": "RETRY 1m SUCCESS",
}


def self_test(broker: str) -> str | None:
    """Play a limit, a retry and the death of a worker on a simulated broker; what went wrong, or ``None``.

    Three tasks call an API that allows two calls a minute. The worker is killed while the third waits for its retry,
    and starts again.
    """
    app = _app(broker)
    with Simulation(broker=broker) as sim:
        sim.serve(API(_URL, limit="2 per minute", per="app", answer={"ok": True}))
        worker = sim.start_worker(app)
        results = [app.tasks[_name(broker)].delay() for _ in range(3)]
        sim.run_for("30s")
        if broker != "memory":
            worker.kill()
            worker.restart()
        sim.run()
        got = (sim.states, str(sim.task(results[-1].id).timeline))
    expected = ({"SUCCESS": 3}, EXPECTED[broker])
    return None if got == expected else f"expected {expected}, got {got}"


@cache
def _app(broker: str) -> Celery:
    app = Celery("retrysim.doctor", set_as_current=False)
    app.conf.update(task_acks_late=True, worker_prefetch_multiplier=1)

    @app.task(bind=True, name=_name(broker), max_retries=3)
    def call(self):  # type: ignore[no-untyped-def]
        try:
            urlopen(_URL).close()
        except OSError as error:
            raise self.retry(exc=error, countdown=60) from None

    return app


def _name(broker: str) -> str:
    return f"retrysim.doctor.{broker}"
