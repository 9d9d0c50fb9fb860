"""The signals of a worker's program come in its order, and its statistics have the keys of a real one."""

import logging
from contextlib import ExitStack
from logging.config import dictConfig

import celery
import pytest
from celery import Celery, signals
from celery.utils.log import get_task_logger

from retrysim.simulation import Simulation

LOGGING = ["setup_logging", "after_setup_logger", "after_setup_task_logger"]
NAMES = ["celeryd_init", "worker_init", *LOGGING, "celeryd_after_setup", "worker_process_init", "worker_ready"]


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

    after = ["celeryd_after_setup", "worker_process_init", "worker_ready"]
    assert list(dict.fromkeys(heard)) == ["celeryd_init", "worker_init", "setup_logging", *after]


@pytest.fixture
def receive():
    """Connects a receiver of a signal, until the test ends."""
    with ExitStack() as undo:

        def receive(name, receiver):
            getattr(signals, name).connect(receiver, weak=False)
            undo.callback(getattr(signals, name).disconnect, receiver)

        yield receive


@pytest.fixture
def app():
    return Celery("signals", broker="redis://nobody.example/0", set_as_current=False)


def test_who_sets_up_no_logging_hears_of_both_loggers(app, receive):
    heard = []
    for name in LOGGING[1:]:
        receive(name, lambda sender, signal, logger, **how: heard.append((logger.name, how)))
    with Simulation(broker="redis") as sim:
        sim.start_worker(app, loglevel="INFO", logfile="%n.log")

    both = {"loglevel": logging.INFO, "logfile": "celery.log", "colorize": False}
    assert heard == [
        ("root", {**both, "format": "[%(asctime)s: %(levelname)s/%(processName)s] %(message)s"}),
        (
            "celery.task",
            {
                **both,
                "format": "[%(asctime)s: %(levelname)s/%(processName)s] %(task_name)s[%(task_id)s]: %(message)s",
            },
        ),
    ]


def test_who_sets_up_logging_is_asked_again_by_a_worker_that_restarts(app, heard):
    with Simulation(broker="redis") as sim:
        worker = sim.start_worker(app)
        worker.stop()
        worker.restart()

    assert [name for name in heard if name in LOGGING] == ["setup_logging", "setup_logging"]


def test_a_handler_that_a_receiver_adds_gets_what_tasks_log_until_the_simulation_ends(app, receive):
    lines, handler = [], logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    receive("after_setup_task_logger", lambda logger, **_: logger.addHandler(handler))

    @app.task(shared=False)
    def speak():
        get_task_logger(__name__).warning("hello")

    with Simulation(broker="redis") as sim:
        sim.start_worker(app)
        speak.delay()
        sim.run()
    get_task_logger(__name__).warning("not any more")

    assert lines == ["hello"]


def test_a_receiver_that_configures_all_logging_leaves_that_of_the_test(app, receive, caplog):
    caplog.set_level(logging.INFO)

    def configure(**_named):
        dictConfig({"version": 1, "root": {"level": "ERROR", "handlers": []}})

    receive("setup_logging", configure)

    @app.task(shared=False)
    def speak():
        logging.getLogger(__name__).info("hello")

    before = list(logging.root.handlers)
    with Simulation(broker="redis") as sim:
        sim.start_worker(app)
        assert logging.root.handlers == before
        speak.delay()
        sim.run()

    assert "hello" in caplog.messages


@pytest.mark.skipif(celery.VERSION < (5, 7), reason="before, Celery logs it, and starts")
def test_a_worker_whose_logging_cannot_be_set_up_does_not_start(app, receive):
    def fail(**_named):
        raise OSError("no such socket")

    receive("setup_logging", fail)

    with Simulation(broker="redis") as sim, pytest.raises(OSError, match="no such socket"):
        sim.start_worker(app)


@pytest.mark.skipif(celery.VERSION < (5, 6), reason="--disable-prefetch came with Celery 5.6")
def test_inspect_conf_lists_what_the_program_has_written_there(app):

    with Simulation(broker="redis") as sim:
        sim.start_worker(app)
        (listed,) = app.control.inspect().conf().values()

    assert listed["worker_disable_prefetch"] is False
    assert "worker_disable_prefetch" not in app.conf.changes


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
