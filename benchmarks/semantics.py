"""What waiting costs: many ETA tasks, a day of beat, a worker's start and stop. Run it: python benchmarks/semantics.py"""

from __future__ import annotations

import itertools
import logging
import statistics
import time
import tracemalloc
import warnings
from collections.abc import Callable

from celery import Celery
from celery.schedules import crontab

from retrysim import Simulation

warnings.simplefilter("ignore")
CLOCK = {"now": time.perf_counter}  # in a container: a simulation replaces a saved global
NUMBERS = itertools.count()


def new_app(**config: object) -> Celery:
    name = f"waiting{next(NUMBERS)}"
    app = Celery(name, broker="memory://", backend="cache+memory://", set_as_current=False)
    app.conf.update(config)

    @app.task(name="work", shared=False, ignore_result=True)
    def work():
        return None

    return app


def seconds(work: Callable[[], object]) -> float:
    began = CLOCK["now"]()
    work()
    return CLOCK["now"]() - began


def eta_tasks(count: int) -> float:
    """Seconds to send that many tasks with an ETA, to let them wait, and to run them."""
    app = new_app()

    def play() -> None:
        with Simulation() as sim:
            sim.start_worker(app, concurrency=4)
            for number in range(count):
                app.tasks["work"].apply_async(countdown=60 + number % 3600)
            sim.run()
            assert sim.states == {"SUCCESS": count}

    return seconds(play)


def bytes_per_waiting_task(count: int = 5_000) -> float:
    """All that a task holds while it waits: its message, its request, its timer entry, its part of the trace."""
    app = new_app()
    with Simulation() as sim:
        sim.start_worker(app)
        app.tasks["work"].apply_async(countdown=3600)
        sim.run_for(1)
        tracemalloc.start()
        for _ in range(count):
            app.tasks["work"].apply_async(countdown=3600)
        sim.run_for(1)
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return held / count


def day_of_beat(entries: int = 1000) -> tuple[float, int]:
    """A day of entries of which half are hourly and half daily."""
    schedule = {
        f"entry {number}": {
            "task": "work",
            "schedule": crontab(minute=number % 60) if number % 2 else crontab(minute=number % 60, hour=number % 24),
        }
        for number in range(entries)
    }
    app, sent = new_app(beat_schedule=schedule), []

    def play() -> None:
        with Simulation() as sim:
            sim.start_worker(app)
            sim.start_beat(app)
            sim.run_for("1 day")
            sent.append(sum(sim.states.values()))

    return seconds(play), sent[0]


def start_and_stop() -> float:
    """A worker alone, in a simulation that has begun."""
    app = new_app()
    with Simulation() as sim:
        sim.start_worker(app).stop()
        return statistics.median(seconds(lambda: sim.start_worker(app).stop()) for _ in range(9))


def main() -> None:
    logging.disable(logging.CRITICAL)
    start_and_stop()  # imports, first-time caches
    print("| what | measured | target |\n|---|---|---|")
    print(f"| start and stop of a worker | {start_and_stop() * 1e3:.1f} ms | 30 ms |")
    print(f"| memory per waiting ETA task | {bytes_per_waiting_task() / 1024:.1f} KiB | small |")
    few, many = eta_tasks(10_000), eta_tasks(100_000)
    print(f"| 10 000 ETA tasks | {few:.1f} s, {few / 10_000 * 1e6:.0f} µs each | |")
    print(f"| 100 000 ETA tasks | {many:.1f} s, {many / few / 10:.2f} times as much each | linear: 1.2 |")
    spent, sent = day_of_beat()
    print(f"| a day of beat, 1000 entries | {spent:.1f} s, {sent} tasks | |")


if __name__ == "__main__":
    main()
