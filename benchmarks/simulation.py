"""What a simulation costs, beside what it replaces; both sides are measured in one run. Run it: python benchmarks/simulation.py

Each row is the median of several rounds, the two sides in turn; a ratio is the median of the rounds' ratios.
"""

from __future__ import annotations

import itertools
import logging
import os
import platform
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
os.environ.setdefault("TWITTER_TOKEN", "fake-token")
warnings.simplefilter("ignore")

from celery import Celery  # noqa: E402
from celery.contrib.testing.worker import start_worker  # noqa: E402
from celery.worker import WorkController, state  # noqa: E402
from scenarios.apps.twitter_user import app as twitter_app  # noqa: E402
from scenarios.apps.twitter_user import fetch_tweets  # noqa: E402

from retrysim import Limits, Simulation  # noqa: E402
from retrysim.fakes import Twitter  # noqa: E402

CLOCK = {"now": time.perf_counter}  # in a container: a simulation replaces a saved global
NUMBERS = itertools.count()
ROUNDS = 5


def new_app() -> Celery:
    """An app with tasks of its own: Celery shares tasks among apps by name."""
    name = f"bench{next(NUMBERS)}"
    app = Celery(name, broker="memory://", backend="cache+memory://", set_as_current=False)
    app.conf.worker_hijack_root_logger = False

    @app.task(name=f"{name}.add", shared=False)
    def add(x, y):
        return x + y

    @app.task(name=f"{name}.retried", bind=True, shared=False, max_retries=None)
    def retried(self, times):
        if self.request.retries < times:
            raise self.retry(countdown=1)

    @app.task(name=f"{name}.chain", bind=True, shared=False)
    def chain(self):
        if self.request.retries < 3:
            raise self.retry(countdown=(300, 600, 1200)[self.request.retries])

    app.benchmarked = {"add": add, "retried": retried, "chain": chain}
    return app


def seconds(work: Callable[[], object]) -> float:
    began = CLOCK["now"]()
    work()
    return CLOCK["now"]() - began


# -- the rows ----------------------------------------------------------------------------------------------------------


def headline(calls: int = 200, limit: int = 180) -> float:
    def play() -> None:
        with Simulation(start="2015-08-03T12:00:00Z") as sim:
            sim.serve(Twitter(limits={"statuses/user_timeline": f"{limit} per 15 minutes",
                                      "application/rate_limit_status": f"{limit} per 15 minutes"}))  # fmt: skip
            sim.start_worker(twitter_app, concurrency=4)
            for _ in range(calls):
                fetch_tweets.delay(user_id=783214)
            sim.run()
            assert sim.states == {"SUCCESS": calls}

    return seconds(play)


def simulated_tasks(count: int = 2000) -> float:
    app = new_app()
    with Simulation() as sim:
        sim.start_worker(app)
        add = app.benchmarked["add"]

        def work() -> None:
            for _ in range(count):
                add.delay(1, 2)
            sim.run()

        spent = seconds(work)
        assert sim.states == {"SUCCESS": count}
    return spent / count


def real_tasks(count: int = 2000) -> float:
    """delay() to kombu's memory transport, then a real solo worker that drains it, in this thread."""
    app = new_app()
    add, instants = app.benchmarked["add"], []
    app.set_current()
    app.finalize()
    publishing = seconds(lambda: [add.delay(1, 2) for _ in range(count)])
    left = iter(range(count - 1))

    def on_done(**_: object) -> None:
        if next(left, None) is None:
            instants.append(CLOCK["now"]())
            state.should_stop = 0

    from celery.signals import task_postrun

    task_postrun.connect(on_done, weak=False)
    worker = WorkController(
        app=app, pool_cls="solo", concurrency=1, loglevel="ERROR", without_heartbeat=True, without_mingle=True,
        without_gossip=True, ready_callback=lambda _: instants.append(CLOCK["now"]()),
    )  # fmt: skip
    try:
        worker.start()
    finally:
        state.should_stop = None
        task_postrun.disconnect(on_done)
    return (publishing + instants[1] - instants[0]) / count


def simulated_retries(depth: int = 100) -> float:
    app = new_app()
    with Simulation(limits=Limits(attempts_per_task=10_000)) as sim:
        sim.start_worker(app)

        def work() -> None:
            app.benchmarked["retried"].delay(depth)
            sim.run()

        return seconds(work) / depth


def eager_retries(depth: int = 100) -> float:
    app = new_app()
    return seconds(lambda: app.benchmarked["retried"].apply((depth,))) / depth


def retry_chain() -> float:
    app = new_app()
    with Simulation() as sim:
        sim.start_worker(app)

        def work() -> None:
            result = app.benchmarked["chain"].delay()
            sim.run()
            assert sim.task(result.id).timeline == "RETRY 5m RETRY 10m RETRY 20m SUCCESS"

        return seconds(work)


def simulation_and_worker() -> float:
    app = new_app()
    app.finalize()

    def work() -> None:
        with Simulation() as sim:
            sim.start_worker(app)

    return seconds(work)


def real_worker() -> float:
    app = new_app()

    def work() -> None:
        with start_worker(app, perform_ping_check=False):
            pass

    return seconds(work)


# -- the table ---------------------------------------------------------------------------------------------------------


def medians(*sides: Callable[[], float], rounds: int = ROUNDS) -> tuple[list[float], float]:
    """The median of each side, and of the ratio of the first to the second, round by round."""
    rows = [[side() for side in sides] for _ in range(rounds)]
    ratios = [row[0] / row[-1] for row in rows]
    return [statistics.median(column) for column in zip(*rows, strict=True)], statistics.median(ratios)


def row(what: str, measured: str, beside: str, reached: str, wanted: str) -> None:
    print(f"| {what} | {measured} | {beside} | {reached} | {wanted} |", flush=True)


def main() -> None:
    logging.disable(logging.CRITICAL)
    headline(), simulation_and_worker()  # imports, first-time caches
    print(
        f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}\n"
    )
    print("| what | measured | compared with | ratio | target |\n|---|---|---|---|---|")
    [one], _ = medians(headline)
    row("200-call scenario, real `twitter` client", f"{one:.3f} s", "900 s", f"{900 / one:.0f} times faster", "0.5 s")
    (ours, theirs), ratio = medians(simulated_tasks, real_tasks)
    row(
        "one successful task",
        f"{ours * 1e6:.0f} µs",
        f"{theirs * 1e6:.0f} µs (real solo worker)",
        f"{ratio:.2f} times",
        "1.3",
    )
    (ours, theirs), ratio = medians(simulated_retries, eager_retries)
    row("one retried attempt", f"{ours * 1e6:.0f} µs", f"{theirs * 1e6:.0f} µs (eager)", f"{ratio:.2f} times", "1.0")
    [one], _ = medians(retry_chain)
    row("a retry chain of 300/600/1200 s", f"{one * 1e3:.1f} ms", "2100 s", f"{2100 / one:.0f} times faster", "20 000")
    (ours, theirs), ratio = medians(simulation_and_worker, real_worker, rounds=3)
    row("start and stop, with a worker", f"{ours * 1e3:.1f} ms", f"{theirs:.2f} s", f"1/{1 / ratio:.0f}", "1/150")
    (many, few), _ = medians(lambda: headline(20_000, 18_000) / 22_000, lambda: headline() / 220, rounds=1)
    row(
        "20 000 tasks, per attempt",
        f"{many * 1e6:.0f} µs",
        f"{few * 1e6:.0f} µs (200)",
        f"{many / few:.2f} times",
        "1.2",
    )


if __name__ == "__main__":
    main()
