"""Plays a run of an app of our own, so that forked runs find everything imported, compiled and cached."""

from __future__ import annotations

import logging
from functools import cache
from typing import Any

from celery import Celery

from retrysim.fakes import API
from retrysim.simulation import Simulation


@cache
def warm_up(broker: str) -> None:
    """Once for each process that forks: the first run takes eight times as long as the second.

    The app that is explored is left alone: what it keeps in memory must be as its import left it.
    """
    app = Celery("retrysim_warm_up", broker="memory://", set_as_current=False)

    def body(self: Any, number: int) -> int:
        if not self.request.retries:
            raise self.retry(countdown=1)
        return number

    warm: Any = app.task(name="retrysim.warm_up", bind=True, shared=False)(body)

    logging.disable(logging.CRITICAL)
    try:
        for _ in range(2):  # the second finds what the first imported
            _play(app, warm, broker)
    finally:
        logging.disable(logging.NOTSET)


def _play(app: Any, warm: Any, broker: str) -> None:
    with Simulation(broker=broker) as sim:
        sim.serve(API("https://warm.retrysim.invalid"))
        worker = sim.start_worker(app)
        warm.delay(1)
        sim.run(until=lambda: bool(sim.states["RETRY"]))
        worker.kill()
        worker.restart()
        sim.run_for("5s")
