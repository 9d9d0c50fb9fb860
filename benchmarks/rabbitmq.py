"""What a task costs on the simulated RabbitMQ, what a worker's start with delayed delivery costs, and idle minutes.

Run it from anywhere: ``python benchmarks/rabbitmq.py``. Asked for: a task at most 1.3 times one on the memory transport,
and below one on Redis; a start with 28 levels of delayed delivery under 60 ms; 30 idle minutes under 50 ms.
"""

from __future__ import annotations

from time import process_time
from typing import Any

from celery import Celery
from kombu import Exchange, Queue

from retrysim import Simulation

TASKS = 1_000
WARM_UP = 50


def make_app(**settings: Any) -> Any:
    app = Celery("benchmark", broker="amqp://nobody.example", set_as_current=False)
    app.conf.update(settings)

    @app.task(name="add", shared=False)
    def add(x: int, y: int) -> int:
        return x + y

    return app


def milliseconds_per_task(broker: str) -> float:
    app = make_app()
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


def milliseconds_of_start(queue_type: str) -> float:
    tasks = Exchange("tasks", type="topic")
    queue = Queue("celery", tasks, routing_key="celery", queue_arguments={"x-queue-type": queue_type})
    app = make_app(task_queues=[queue])
    with Simulation(broker="rabbitmq") as sim:
        began = process_time()
        sim.start_worker(app)
        elapsed = process_time() - began
        assert len(sim.broker.queues()) == (30 if queue_type == "quorum" else 2)
        return elapsed * 1e3


def milliseconds_of_idle() -> float:
    with Simulation(broker="rabbitmq") as sim:
        sim.start_worker(make_app())
        sim.run_for("1 second")
        began = process_time()
        sim.run_for("30 minutes")
        return (process_time() - began) * 1e3


def main() -> None:
    figures = {broker: milliseconds_per_task(broker) for broker in ("memory", "redis", "rabbitmq")}
    for broker, figure in figures.items():
        print(f"{figure:8.2f} ms  a task on {broker}")
    print(f"{figures['rabbitmq'] / figures['memory']:8.2f}     times memory (asked for: 1.3)")
    milliseconds_of_start("classic")  # imports what only a first start imports
    print(f"{milliseconds_of_start('classic'):8.0f} ms  the start of a worker")
    print(f"{milliseconds_of_start('quorum'):8.0f} ms  the start of a worker with 28 levels of delayed delivery (60)")
    print(f"{milliseconds_of_idle():8.0f} ms  30 idle minutes with heartbeats (50)")


if __name__ == "__main__":
    main()
