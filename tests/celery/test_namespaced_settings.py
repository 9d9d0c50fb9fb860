"""An app whose settings have a namespace, as Django's have: what a simulation lays over them wins, in every Celery."""

from types import SimpleNamespace

from celery import Celery

from retrysim import Simulation
from retrysim.audit.stage import set_stage
from retrysim.undo import UndoStack

SETTINGS = SimpleNamespace(CELERY_BROKER_URL="redis://nowhere.invalid/0", CELERY_TASK_ALWAYS_EAGER=False)


def namespaced(**more):
    app = Celery("namespaced", set_as_current=False)
    app.config_from_object(SimpleNamespace(**vars(SETTINGS), **more), namespace="CELERY")
    return app


def test_a_simulation_never_reaches_the_broker_of_the_settings():
    app = namespaced()

    with Simulation() as sim:
        sim.start_worker(app)
        inside = app.conf.broker_url

    assert "nowhere" not in inside
    assert app.conf.broker_url == "redis://nowhere.invalid/0"


def test_an_audit_lays_its_stage_over_namespaced_settings():
    app = namespaced(CELERY_TASK_DEFAULT_QUEUE="theirs")

    with UndoStack() as undo:
        set_stage(undo, app)
        assert app.conf.task_default_queue == "audit"

    assert app.conf.task_default_queue == "theirs"
