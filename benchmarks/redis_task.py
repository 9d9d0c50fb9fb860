"""What a task costs on each simulated broker, with and without results in Redis, and what idle hours cost.

Run it from anywhere: ``python benchmarks/redis_task.py``. Each figure is of 1 000 tasks after a warm-up, publishing
included; the time is this process' own, which stays real while time is virtual.
"""

from __future__ import annotations

import warnings
from time import process_time
from typing import Any

from celery import Celery

from retrysim import Simulation

TASKS = 1_000
WARM_UP = 50
IDLE = "24 hours"


def make_app(backend: str | None) -> Any:
    app = Celery("benchmark", broker="redis://nobody.example/0", backend=backend, set_as_current=False)

    @app.task(name="add", shared=False)
    def add(x: int, y: int) -> int:
        return x + y

    return app


def milliseconds_per_task(broker: str, backend: str | None) -> float:
    """From ``delay()`` to the end of the run, divided by the number of tasks."""
    app = make_app(backend)
    with Simulation(broker=broker) as sim:
        sim.start_worker(app, concurrency=4)
        submit(app, WARM_UP)
        sim.run()
        began = process_time()
        submit(app, TASKS)
        sim.run()
        elapsed = process_time() - began
        assert sim.states == {"SUCCESS": WARM_UP + TASKS}, sim.states
    return elapsed * 1e3 / TASKS


def submit(app: Any, tasks: int) -> None:
    for number in range(tasks):
        app.tasks["add"].delay(number, 1)


def seconds_of_idle(broker: str) -> float:
    with Simulation(broker=broker) as sim:
        sim.start_worker(make_app(None))
        began = process_time()
        sim.run_for(IDLE)
        return process_time() - began


def main() -> None:
    warnings.simplefilter("ignore", DeprecationWarning)  # Celery's, of redis-py's setex
    print(f"{'milliseconds per task':<24}{'no results':>14}{'results':>14}")
    for broker in ("memory", "redis"):
        figures = [milliseconds_per_task(broker, backend) for backend in (None, "redis://nobody.example/1")]
        print(f"{broker:<24}" + "".join(f"{figure:>14.2f}" for figure in figures))
    print(
        f"\n{'seconds for ' + IDLE + ' idle':<24}"
        + "".join(f"{b:>8} {seconds_of_idle(b):.2f}" for b in ("memory", "redis", "rabbitmq"))
    )


if __name__ == "__main__":
    main()
