"""What waiting costs: hours in which nothing happens are cheap, and leave no trace of their own."""

import logging
import time

import pytest
from redis_apps import START, make_app, seconds_of

from retrysim import Simulation
from retrysim.network import Connection


@pytest.fixture(scope="module")
def app():
    return make_app()


def test_idle_hours_cost_milliseconds(sim, app):
    sim.start_worker(app)
    began = time.process_time()  # which stays real
    sim.run_for("2.5 hours")

    assert time.process_time() - began < 2.0  # 0.26 s on a machine that does nothing else


def test_a_long_idle_worker_takes_no_connection_for_dead(sim, app, caplog):
    caplog.set_level(logging.INFO, logger="kombu")
    sim.start_worker(app)
    sim.run_for("2.5 hours")

    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_worker_that_is_full_for_hours_takes_no_connection_for_dead(sim, app, caplog):
    caplog.set_level(logging.INFO, logger="kombu")
    sim.start_worker(app, prefetch_multiplier=1)
    for _ in range(3):
        app.tasks["late_nap"].delay(3000)
    sim.run()

    assert seconds_of(sim, "task-succeeded") == [3000.0, 6000.0, 9000.0]
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_message_after_idle_hours_is_received_when_it_is_sent(sim, app):
    sim.start_worker(app)
    sim.run_for("2.5 hours")
    sim.run_for("0.123456 s")
    app.tasks["add"].delay(1, 1)
    sim.run()

    assert seconds_of(sim, "task-started") == [9000.123456]


def play(app):
    with Simulation(broker="redis", start=START) as sim:
        sim.start_worker(app, concurrency=2)
        for number in range(6):
            app.tasks["lucky"].delay(7 + number / 10)
            app.tasks["late_nap"].delay(number)
            sim.run_for("1.7 s")
        second = sim.start_worker(app)
        app.tasks["late_nap"].delay(4000)
        sim.run_for(100)
        second.kill()
        sim.run()
        return list(sim.trace)


def test_leaving_a_brpop_waiting_is_the_same_as_sending_it_each_second(app, monkeypatch):
    left_waiting = play(app)

    def read_nothing_and_ask_again(_socket):
        return False

    monkeypatch.setattr(Connection, "in_hub", property(read_nothing_and_ask_again))
    assert play(app) == left_waiting
    assert len(left_waiting) > 60
