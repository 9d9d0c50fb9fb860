"""``Simulation(conf={...})``: settings that hold for the length of a simulation, and for nothing longer."""

import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import celery
import pytest
from celery import Celery, Task
from celery.schedules import crontab
from kombu import pools

from retrysim import InputError, Simulation
from retrysim.clock import to_datetime
from retrysim.trace import TaskSent

#: A value that no task has by default, for each setting that Celery binds to tasks.
BOUND = {
    "task_serializer": "pickle",
    "task_default_rate_limit": "3/m",
    "task_default_priority": 7,
    "task_time_limit": 90,
    "task_soft_time_limit": 80,
    "task_track_started": True,
    "task_acks_late": True,
    "task_acks_on_failure_or_timeout": False,
    "task_reject_on_worker_lost": True,
    "task_ignore_result": True,
    "task_store_eager_result": True,
    "task_store_errors_even_if_ignored": True,
}
ATTRIBUTES = {setting: name for name, setting in Task.from_config}


def make_app(**settings):
    app = Celery("configured", broker="redis://localhost/0", backend="redis://localhost/1", set_as_current=False)
    app.conf.update(settings)

    @app.task(name="plain", bind=True)
    def plain(self):
        return self.request.hostname

    return app


def state_of(app):
    """All that a simulation could leave behind on an app, its tasks and its settings."""
    classes = {kind for task in app.tasks.values() for kind in type(task).__mro__}
    return (
        {kind: dict(vars(kind)) for kind in classes},
        {name: dict(vars(task)) for name, task in app.tasks.items()},
        dict(vars(app)),
        list(map(id, app.conf.maps)),
        [dict(layer) for layer in app.conf.maps],
    )


def used(app, conf):
    """A simulation in which a worker has run a task, then the state of the app after it."""
    with Simulation(conf=conf) as sim:
        sim.start_worker(app)
        app.tasks["plain"].delay()
        sim.run()
    return state_of(app)


# -- what tasks have bound ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", [setting for setting in BOUND if setting in ATTRIBUTES])  # as many as Celery binds
def test_a_task_has_what_it_would_have_bound(setting):
    app, value = make_app(), BOUND[setting]
    before = used(app, {})

    with Simulation(conf={setting: value}) as sim:
        sim.start_worker(app)
        assert getattr(app.tasks["plain"], ATTRIBUTES[setting]) == value

    assert state_of(app) == before
    assert getattr(app.tasks["plain"], ATTRIBUTES[setting]) == app.conf[setting] != value


def test_a_task_keeps_what_it_sets_itself():
    app = make_app()

    class Patient(Task):
        acks_late = False

    @app.task(name="own", acks_late=False, rate_limit="1/s")
    def own():
        pass

    @app.task(name="inherits", base=Patient)
    def inherits():
        pass

    class OfAClass(app.Task):
        name = "of_a_class"
        track_started = False

        def run(self):
            pass

    app.register_task(OfAClass())
    own.track_started = False

    with Simulation(conf={"task_acks_late": True, "task_default_rate_limit": "9/s", "task_track_started": True}) as sim:
        sim.start_worker(app)
        seen = {
            name: (app.tasks[name].acks_late, app.tasks[name].rate_limit, app.tasks[name].track_started)
            for name in ("plain", "own", "inherits", "of_a_class")
        }

    assert seen == {
        "plain": (True, "9/s", True),
        "own": (False, "1/s", False),
        "inherits": (False, "9/s", True),
        "of_a_class": (True, "9/s", False),
    }


@pytest.mark.skipif(not hasattr(Task, "acks_on_failure"), reason="Celery 5.7 parts failures from timeouts")
def test_acks_on_failure_and_on_timeout_follow_the_setting_of_both():
    app = make_app()
    before = used(app, {})

    with Simulation(conf={"task_acks_on_failure_or_timeout": False, "task_acks_on_timeout": True}) as sim:
        sim.start_worker(app)
        assert (app.tasks["plain"].acks_on_failure, app.tasks["plain"].acks_on_timeout) == (False, True)

    assert (app.tasks["plain"].acks_on_failure, app.tasks["plain"].acks_on_timeout) == (True, True)
    assert state_of(app) == before


def test_annotations_of_the_app_stay_on_top_and_those_of_the_simulation_replace_them():
    app = make_app(task_annotations={"plain": {"rate_limit": "1/s", "retries_of_ours": 3}})
    before = used(app, {})

    with Simulation(conf={"task_default_rate_limit": "9/s"}) as sim:
        sim.start_worker(app)
        assert app.tasks["plain"].rate_limit == "1/s"
    with Simulation(conf={"task_annotations": {"*": {"acks_late": True}}, "task_default_rate_limit": "9/s"}) as sim:
        sim.start_worker(app)
        plain = app.tasks["plain"]
        assert (plain.rate_limit, plain.acks_late, plain.retries_of_ours) == ("9/s", True, None)

    assert state_of(app) == before
    assert (app.tasks["plain"].rate_limit, app.tasks["plain"].retries_of_ours) == ("1/s", 3)


def test_an_annotation_may_wrap_a_method():
    app = make_app()
    before = used(app, {})
    seen = []

    def around(on_success):
        def noted(self, retval, *args):
            seen.append(retval)
            return on_success(self, retval, *args)

        return noted

    with Simulation(conf={"task_annotations": {"plain": {"@on_success": around}}}) as sim:
        sim.start_worker(app)
        app.tasks["plain"].delay()
        sim.run()

    assert seen == ["celery@worker-1"]
    assert state_of(app) == before


def test_a_task_that_is_made_during_the_simulation_is_bound_to_the_apps_own_settings_after_it():
    app = make_app(task_annotations={"late": {"priority": 4}})

    with Simulation(conf={"task_acks_late": True, "task_annotations": {"late": {"rate_limit": "1/s"}}}) as sim:
        sim.start_worker(app)

        @app.task(name="late")
        def late():
            pass

        assert (late.acks_late, late.rate_limit, late.priority) == (True, "1/s", None)

    assert (late.acks_late, late.rate_limit, late.priority) == (False, None, 4)


def test_an_app_that_sends_before_its_worker_starts_is_configured_from_then_on():
    app = make_app()

    with Simulation(conf={"task_default_queue": "other"}) as sim:
        app.tasks["plain"].delay()
        assert sim.queue("other").depth == 1
        sim.start_worker(app)
        sim.run()

        assert sim.states == {"SUCCESS": 1}

    assert app.tasks["plain"].acks_late is False


# -- what the settings do ----------------------------------------------------------------------------------------------


def test_a_killed_workers_message_comes_back_after_the_visibility_timeout_of_conf():
    app = make_app()
    conf = {"task_acks_late": True, "broker_transport_options": {"visibility_timeout": 600}}

    @app.task(name="long")
    def long():
        time.sleep(10)

    with Simulation(conf=conf) as sim:
        first = sim.start_worker(app)
        result = long.delay()
        sim.run(until=sim.task(result.id).started)
        first.kill()
        sim.start_worker(app)
        sim.run()

        assert sim.states == {"SUCCESS": 1}
        assert timedelta(minutes=10) < sim.elapsed < timedelta(minutes=15)


def test_a_rate_limit_of_conf_spreads_tasks():
    app = make_app()

    with Simulation(conf={"task_default_rate_limit": "1/m"}) as sim:
        sim.start_worker(app, concurrency=4)
        for _ in range(3):
            app.tasks["plain"].delay()
        sim.run()

        assert sim.elapsed == timedelta(minutes=2)


def test_routes_and_the_queue_of_conf_take_effect():
    app = make_app()

    with Simulation(conf={"task_routes": {"plain": {"queue": "routed"}}, "task_default_queue": "mine"}) as sim:
        worker = sim.start_worker(app)
        app.tasks["plain"].delay()
        sim.run()

        assert worker.queues == {"mine"}
        assert sim.queue("routed").depth == 1

    assert app.conf.task_default_queue == "celery"


def test_the_pool_and_the_prefetch_count_of_conf_are_the_workers():
    app = make_app()

    with Simulation(conf={"worker_pool": "threads", "worker_prefetch_multiplier": 3}) as sim:
        worker = sim.start_worker(app, concurrency=2)

        assert worker.pool.name == "threads"
        assert worker.controller.consumer.initial_prefetch_count == 6


def test_the_schedule_and_the_time_zone_of_conf_are_beats_and_are_forgotten():
    nightly = crontab(hour=2, minute=0)
    app = make_app(timezone="Asia/Tokyo", beat_schedule={"nightly": {"task": "plain", "schedule": nightly}})

    def sent_at(conf):
        with Simulation(start="2024-01-10T12:00:00Z", broker="memory", conf=conf) as sim:
            sim.start_worker(app)
            sim.start_beat(app)
            sim.run_for("1 day")
            return [to_datetime(event.at_ns) for event in sim.trace.of(TaskSent) if event.name == "plain"]

    tokyo, new_york = datetime(2024, 1, 10, 17, tzinfo=UTC), datetime(2024, 1, 11, 7, tzinfo=UTC)
    assert sent_at({}) == [tokyo]
    assert sent_at({"timezone": "America/New_York"}) == [new_york]
    assert sent_at({}) == [tokyo]
    assert len(sent_at({"beat_schedule": {"often": {"task": "plain", "schedule": 3600}}})) in (23, 24)
    assert sent_at({}) == [tokyo]


def test_transport_options_of_conf_are_for_the_broker_that_is_simulated():
    app = make_app(broker_transport_options={"visibility_timeout": 7})

    def options(broker, conf):
        with Simulation(broker=broker, conf=conf) as sim:
            sim.start_worker(app)
            noted = any("broker_transport_options" in note for note in sim.notes)
            return app.conf.broker_transport_options, noted

    assert options("rabbitmq", {}) == ({}, True)
    confirm, wait = {"confirm_publish": True}, {"visibility_timeout": 9}
    assert options("rabbitmq", {"broker_transport_options": confirm}) == (confirm, False)
    assert options("redis", {"broker_transport_options": wait}) == (wait, False)


def test_a_setting_that_has_no_effect_is_noted_as_if_the_app_had_it():
    app = make_app()

    with Simulation(conf={"worker_max_tasks_per_child": 5}) as sim:
        sim.start_worker(app)

        assert sim.notes == ["configured: worker_max_tasks_per_child has no effect without isolated=True"]


def test_the_size_of_kombus_pools_is_that_of_conf_and_is_restored():
    app = make_app()
    before = pools.get_limit()

    with Simulation(conf={"broker_pool_limit": 2}) as sim:
        sim.start_worker(app)
        assert app.pool.limit == 2

    assert pools.get_limit() == before


def test_inspect_conf_lists_the_settings_of_conf_once():
    app = make_app(task_acks_late=False)

    with Simulation(conf={"task_acks_late": True, "worker_prefetch_multiplier": 1}) as sim:
        sim.start_worker(app)
        [conf] = app.control.inspect().conf().values()

    assert (conf["task_acks_late"], conf["worker_prefetch_multiplier"]) == (True, 1)
    assert not [name for name in conf if name.isupper()]


def test_what_celery_adds_to_a_setting_is_not_added_to_what_was_given():
    app = make_app()
    conf = {"beat_schedule": {}}

    with Simulation(conf=conf) as sim:
        sim.start_worker(app)
        app.conf.beat_schedule["more"] = {"task": "plain", "schedule": 60}

    assert conf == {"beat_schedule": {}}


def test_the_delay_between_looks_at_a_chord_is_that_of_conf():
    app = make_app()
    before = used(app, {})

    with Simulation(conf={"result_chord_retry_interval": 30.0}) as sim:
        sim.start_worker(app)
        assert app.tasks["celery.chord_unlock"].default_retry_delay == 30.0

    assert app.tasks["celery.chord_unlock"].default_retry_delay == 1.0
    assert state_of(app) == before


# -- names -------------------------------------------------------------------------------------------------------------


def namespaced():
    app = Celery("named", set_as_current=False)
    settings = SimpleNamespace(CELERY_BROKER_URL="redis://localhost/0", CELERY_TASK_ACKS_LATE=False)
    app.config_from_object(settings, namespace="CELERY")
    return app


def old():
    app = Celery("old", set_as_current=False)
    app.config_from_object(SimpleNamespace(BROKER_URL="redis://localhost/0", CELERY_ACKS_LATE=False))
    return app


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (namespaced, "CELERY_TASK_ACKS_LATE"),
        (namespaced, "task_acks_late"),
        (namespaced, "CELERY_ACKS_LATE"),
        (old, "CELERY_ACKS_LATE"),
        (old, "task_acks_late"),
        (make_app, "task_acks_late"),
        (make_app, "CELERY_ACKS_LATE"),
    ],
)
def test_a_setting_may_have_each_name_that_celery_accepts_for_the_app(make, name):
    app = make()

    @app.task(name="work")
    def work():
        pass

    with Simulation(conf={name: True}) as sim:
        sim.start_worker(app)
        [listed] = app.control.inspect().conf().values()
        assert (app.conf.task_acks_late, work.acks_late) == (True, True)
        assert [value for key, value in listed.items() if key.lower().endswith("acks_late")] == [True]

    assert (app.conf.task_acks_late, work.acks_late) == (False, False)


def test_a_setting_of_another_package_is_accepted_where_the_app_has_it():
    app = make_app(redbeat_lock_timeout=300)

    with Simulation(conf={"redbeat_lock_timeout": 5}) as sim:
        sim.start_worker(app)
        assert app.conf.redbeat_lock_timeout == 5

    assert app.conf.redbeat_lock_timeout == 300


OWN_BROKER = (
    "cannot be set, because a simulation has a broker of its own\n"
    "  Choose its kind: Simulation(broker='redis'), or broker: redis in a scenario"
)


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        (
            {"task_ack_late": True},
            f"conf['task_ack_late'] is not a setting of Celery {celery.__version__}; did you mean 'task_acks_late'?",
        ),
        (
            {"CELERY_TASK_ACK_LATE": True},
            f"conf['CELERY_TASK_ACK_LATE'] is not a setting of Celery {celery.__version__}; "
            "did you mean 'CELERY_TASK_ACKS_LATE'?",
        ),
        ({"broker_url": "redis://elsewhere"}, f"conf['broker_url'] {OWN_BROKER}"),
        ({"CELERY_BROKER_URL": "redis://elsewhere"}, f"conf['CELERY_BROKER_URL'] {OWN_BROKER}"),
        (
            {"result_backend": "rpc://"},
            "conf['result_backend'] cannot be set, because the simulation keeps the results in place of the app's own "
            "backend\n  Give the app another one, for example by an environment variable",
        ),
        (
            {"task_always_eager": True},
            "conf['task_always_eager'] cannot be set, because the test chooses what runs the tasks\n"
            "  Call sim.run_always_eagerly(app), or write celery: always_eager in a scenario",
        ),
        (
            {"worker_concurrency": 8},
            "conf['worker_concurrency'] cannot be set, because the test chooses it for each worker\n"
            "  Call sim.start_worker(app, concurrency=4), or write workers: {concurrency: 4} in a scenario",
        ),
        (
            {"imports": ["more"]},
            "conf['imports'] cannot be set, because modules stay imported when a simulation ends\n"
            "  Import them in the test, or list them in the app",
        ),
        (
            {"task_acks_late": "yes", "worker_prefetch_multiplier": "4", "task_publish_retry_policy": 3},
            "conf['task_acks_late'] is true or false; got 'yes'\n"
            "conf['worker_prefetch_multiplier'] is a number; got '4'\n"
            "conf['task_publish_retry_policy'] is a mapping; got 3",
        ),
        (
            {"task_acks_late": True, "CELERY_ACKS_LATE": False},
            "conf['CELERY_ACKS_LATE'] is the same setting as 'task_acks_late': leave one out",
        ),
    ],
)
def test_what_cannot_be_set_is_one_error(conf, message):
    app = namespaced()

    with Simulation(conf=conf) as sim, pytest.raises(InputError) as caught:
        sim.start_worker(app)

    assert str(caught.value) == message


def test_conf_is_a_mapping():
    with pytest.raises(InputError) as caught:
        Simulation(conf=["task_acks_late"])

    assert str(caught.value) == (
        "conf takes Celery's settings by name: conf={'task_acks_late': True}; got ['task_acks_late']"
    )
