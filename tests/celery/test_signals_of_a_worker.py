"""The signals of a worker's program come in its order, and its statistics have the keys of a real one."""

from contextlib import ExitStack

import pytest
from celery import Celery, signals

from retrysim.simulation import Simulation

NAMES = ["celeryd_init", "worker_init", "celeryd_after_setup", "worker_process_init", "worker_ready"]


@pytest.fixture
def heard():
    heard = []
    with ExitStack() as undo:
        for name in NAMES:
            signal = getattr(signals, name)

            def hear(sender, name=name, **said):
                heard.append(name)

            signal.connect(hear, weak=False)
            undo.callback(signal.disconnect, hear)
        yield heard


@pytest.mark.parametrize("broker", ["redis", "memory"])
def test_a_worker_sends_its_signals_in_the_order_of_the_program(heard, broker):
    app = Celery("signals", broker="redis://nobody.example/0", set_as_current=False)
    with Simulation(broker=broker) as sim:
        sim.start_worker(app)

    assert list(dict.fromkeys(heard)) == ["celeryd_init", "worker_init", "celeryd_after_setup", *NAMES[3:]]


@pytest.mark.parametrize("isolated", [False, True])
@pytest.mark.parametrize(("broker", "sent"), [("redis", 3), ("memory", 0)])
def test_an_event_loop_sends_a_signal_before_it_creates_a_pool_process(broker, sent, isolated):
    app = Celery("signals", broker="redis://nobody.example/0", set_as_current=False)
    before = []

    def hear(sender, **_):
        before.append(len(sender._slots))

    signals.worker_before_create_process.connect(hear, weak=False)
    try:
        with Simulation(broker=broker) as sim:
            worker = sim.start_worker(app, concurrency=2, isolated=isolated)
            worker.controller.pool.grow(1)
    finally:
        signals.worker_before_create_process.disconnect(hear)

    assert before == [0, 1, 2][:sent]


def test_celeryd_init_may_change_the_configuration_before_the_worker_reads_it():
    app = Celery("signals", broker="redis://nobody.example/0", set_as_current=False)

    def configure(sender, conf, **_):
        conf.worker_prefetch_multiplier = 7

    signals.celeryd_init.connect(configure, weak=False)
    try:
        with Simulation(broker="redis") as sim:
            assert sim.start_worker(app).controller.prefetch_multiplier == 7
    finally:
        signals.celeryd_init.disconnect(configure)


def test_stats_of_the_pool_have_the_keys_of_a_real_one():
    app = Celery("signals", broker="redis://nobody.example/0", set_as_current=False)
    with Simulation(broker="redis") as sim:
        sim.start_worker(app, concurrency=2)
        (stats,) = app.control.inspect().stats().values()

        assert {key: value for key, value in stats["pool"].items() if key != "implementation"} == {
            "max-concurrency": 2,
            "processes": [1001, 1002],
            "max-tasks-per-child": "N/A",
            "put-guarded-by-semaphore": False,
            "timeouts": [0, 0],
            "writes": {
                "total": 0,
                "avg": "0.00",
                "all": "",
                "raw": "",
                "strategy": "fair",
                "inqueues": {"total": 2, "active": 0},
            },
        }


@pytest.mark.parametrize(("isolated", "shown"), [(False, "N/A"), (True, 5)])
def test_stats_show_after_how_many_tasks_a_pool_process_is_replaced_where_one_is(isolated, shown):
    app = Celery("signals", broker="redis://nobody.example/0", set_as_current=False)
    app.conf.worker_max_tasks_per_child = 5
    with Simulation(broker="redis") as sim:
        sim.start_worker(app, isolated=isolated)
        (stats,) = app.control.inspect().stats().values()

        assert stats["pool"]["max-tasks-per-child"] == shown
