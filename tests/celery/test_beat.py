"""Beat: Celery's own service and schedules, over virtual months, time zones and both changes of the clocks."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from celery import VERSION, signals
from celery.schedules import crontab, solar
from semantics_apps import START, make_app, sent_at, starts_of

from retrysim import InputError, Simulation

NEW_YORK = ZoneInfo("America/New_York")


def scheduled(schedule, **config):
    return make_app(beat_schedule={"entry": {"task": "now", "schedule": schedule}}, **config)


def played(schedule, *, start, duration):
    """When an entry was sent in New York, by its own clocks."""
    app = scheduled(schedule, timezone="America/New_York")
    with Simulation(start=start, broker="memory") as sim:
        sim.start_beat(app)
        sim.run_for(duration)
        return sent_at(sim, NEW_YORK)


# -- when entries are sent --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("broker", ["memory", "redis"])
def test_entries_are_sent_and_run_at_their_instants(broker):
    app = make_app(
        beat_schedule={
            "each half minute": {"task": "now", "schedule": 30.0},
            "each minute": {"task": "add", "args": (1, 2), "schedule": timedelta(minutes=1)},
            "at the quarters": {"task": "now", "schedule": crontab(minute="*/15")},
        }
    )
    with Simulation(start=START, broker=broker) as sim:
        sim.start_worker(app)
        sim.start_beat(app)
        sim.run_for("2 minutes")
        assert starts_of(sim) == [30, 60, 60, 90, 120, 120]

        sim.run_for("13 minutes")
        assert starts_of(sim)[-3:] == [900, 900, 900]


@pytest.mark.slow
def test_working_days_of_a_year():
    sent = played(
        crontab(hour=9, minute=0, day_of_week="mon-fri"), start="2026-01-01T00:00:00-05:00", duration="365 days"
    )

    assert len(sent) == 261
    assert sent[:3] == ["01-01 09:00:00", "01-02 09:00:00", "01-05 09:00:00"]


@pytest.mark.slow
def test_the_first_of_each_month():
    sent = played(crontab(hour=0, minute=0, day_of_month=1), start="2026-01-15T00:00:00-05:00", duration="120 days")

    assert sent == ["02-01 00:00:00", "03-01 00:00:00", "04-01 00:00:00", "05-01 00:00:00"]


def test_solar_schedules_need_their_own_package():
    with Simulation(start=START, broker="memory") as sim, pytest.raises(Exception, match="ephem"):
        sim.start_beat(scheduled(solar("sunset", -37.8, 144.96)))


# -- the changes of the clocks ----------------------------------------------------------------------------------------


def test_an_entry_of_an_hour_that_comes_twice_is_sent_once():
    sent = played(crontab(hour=1, minute=30), start="2026-10-31T12:00:00-04:00", duration="3 days")

    assert sent == ["11-01 01:30:00", "11-02 01:30:00", "11-03 01:30:00"]


def test_a_daily_entry_keeps_its_hour_over_the_change():
    sent = played(crontab(hour=9, minute=0), start="2026-03-07T12:00:00-05:00", duration="3 days")

    assert sent == ["03-08 09:00:00", "03-09 09:00:00", "03-10 09:00:00"]


@pytest.mark.skipif(VERSION < (5, 7), reason="Celery 5.7 sends it half an hour after the gap, as far as it was in it")
def test_since_5_7_an_entry_of_an_hour_that_does_not_come_is_sent_as_far_after_it():
    sent = played(crontab(hour=2, minute=30), start="2026-03-07T12:00:00-05:00", duration="2 days")

    assert sent == ["03-08 03:30:00", "03-09 02:30:00"]


@pytest.mark.skipif(VERSION >= (5, 5), reason="Celery 5.4 sends it at the end of the gap")
def test_in_5_4_an_entry_of_an_hour_that_does_not_come_is_sent_at_its_end():
    sent = played(crontab(hour=2, minute=30), start="2026-03-07T12:00:00-05:00", duration="2 days")

    assert sent == ["03-08 03:00:00", "03-09 02:30:00"]


@pytest.mark.skipif(VERSION < (5, 7), reason="Celery 5.7 counts elapsed time")
@pytest.mark.parametrize(
    ("start", "sent"),
    [
        ("2026-03-07T12:00:00-05:00", ["03-08 00:00:00", "03-08 13:00:00", "03-09 01:00:00"]),
        ("2026-10-31T12:00:00-04:00", ["11-01 00:00:00", "11-01 11:00:00", "11-01 23:00:00"]),
    ],
)
def test_since_5_7_an_interval_is_elapsed_time(start, sent):
    assert played(timedelta(hours=12), start=start, duration="36 hours") == sent


@pytest.mark.skipif(VERSION >= (5, 5), reason="Celery 5.4 counts by the clock on the wall")
@pytest.mark.parametrize(
    ("start", "sent"),
    [
        ("2026-03-07T12:00:00-05:00", ["03-08 00:00:00", "03-08 12:00:00", "03-09 00:00:00"]),
        ("2026-10-31T12:00:00-04:00", ["11-01 00:00:00", "11-01 12:00:00", "11-02 00:00:00"]),
    ],
)
def test_in_5_4_an_interval_is_time_by_the_clock_on_the_wall(start, sent):
    assert played(timedelta(hours=12), start=start, duration="37 hours") == sent


# -- what keeps a run alive -------------------------------------------------------------------------------------------


def test_a_beat_with_nothing_due_does_not_keep_the_run_alive():
    app = scheduled(60.0)
    with Simulation(start=START, broker="memory") as sim:
        sim.start_worker(app)
        sim.start_beat(app)
        sim.run()

        assert sim.elapsed == timedelta(0)


def test_a_beat_ticks_while_others_keep_the_run_alive():
    app = scheduled(60.0)
    with Simulation(start=START, broker="memory") as sim:
        sim.start_worker(app, concurrency=2)
        sim.start_beat(app)
        app.tasks["nap"].delay(150)
        sim.run()

        assert starts_of(sim) == [0, 60, 120]
        assert sim.elapsed == timedelta(seconds=150)


# -- its life ---------------------------------------------------------------------------------------------------------


def test_a_beat_that_was_down_sends_at_once_what_it_missed():
    app = scheduled(crontab(minute=0))
    with Simulation(start="2020-01-01T12:30:00Z", broker="memory") as sim:
        beat = sim.start_beat(app)
        sim.run_for("1 hour")
        beat.stop()
        sim.run_for("3 hours")
        beat.restart()
        sim.run_for("45 minutes")

        assert sent_at(sim) == ["01-01 13:00:00", "01-01 16:30:00", "01-01 17:00:00"]


def test_a_beat_that_was_killed_has_forgotten_what_it_had_not_written_down():
    app = scheduled(120.0)
    with Simulation(start=START, broker="memory") as sim:
        beat = sim.start_beat(app)
        sim.run_for("121 seconds")
        beat.kill()
        sim.run_for("1 second")
        beat.restart()
        sim.run_for("1 second")

        assert sent_at(sim) == ["01-01 12:02:00", "01-01 12:02:02"]


def test_two_beats_send_everything_twice():
    app = scheduled(60.0)
    with Simulation(start=START, broker="memory") as sim:
        sim.start_beat(app)
        sim.start_beat(app)
        sim.run_for("1 minute")

        assert sent_at(sim) == ["01-01 12:01:00", "01-01 12:01:00"]


def test_beat_says_that_it_begins():
    heard = []
    signals.beat_init.connect(lambda sender, **_: heard.append(type(sender).__name__), weak=False, dispatch_uid="beat")
    try:
        with Simulation(start=START, broker="memory") as sim:
            sim.start_beat(scheduled(60.0))
            sim.run_for(1)
    finally:
        signals.beat_init.disconnect(dispatch_uid="beat")

    assert heard == ["Service"]


@pytest.mark.parametrize(("backend", "sent"), [("redis://nobody.example/1", []), ("db+sqlite://", ["01-02 04:00:00"])])
def test_old_results_are_cleaned_up_at_four_where_the_backend_does_not_expire_them(backend, sent, monkeypatch):
    from celery.backends.base import BaseBackend

    app = make_app()
    monkeypatch.setattr(app, "_backend_cache", None if backend.startswith("redis") else BaseBackend(app))
    with Simulation(start=START, broker="memory") as sim:
        sim.start_beat(app)
        sim.run_for("1 day")

        assert sent_at(sim) == sent


# -- bad input --------------------------------------------------------------------------------------------------------


def test_an_embedded_beat_is_a_beat_beside_the_worker():
    with Simulation(start=START, broker="memory") as sim, pytest.raises(InputError) as error:
        sim.start_worker(make_app(), beat=True)

    assert str(error.value) == (
        "beat=True would start a process of its own: use sim.start_beat(app) next to the worker"
    )


def test_beat_needs_a_worker_that_takes_from_a_queue():
    app = make_app()
    with Simulation(start=START, broker="memory") as sim:
        sim.run_eagerly(app)
        with pytest.raises(InputError) as error:
            sim.start_beat(app)

    assert str(error.value) == ("tasks of this simulation run eagerly: beat sends to a queue; start a worker instead")


def test_a_beat_that_runs_cannot_be_started_again():
    with Simulation(start=START, broker="memory") as sim:
        beat = sim.start_beat(make_app())
        with pytest.raises(InputError) as error:
            beat.restart()

    assert str(error.value) == "this beat is running: stop() or kill() it before restart()"
