"""What idle workers cost: nothing is asked of those that have nothing to do."""

from celery import Celery

from retrysim import Simulation
from retrysim.celery.worker import Worker


def test_no_idle_worker_is_asked_for_its_queues_at_the_end_of_a_run(monkeypatch):
    app = Celery(broker="memory://", set_as_current=False)
    asked, inside = [], Worker.inside
    monkeypatch.setattr(Worker, "inside", lambda self: asked.append(self.name) or inside(self))
    with Simulation() as sim:
        for number in range(3):
            sim.start_worker(app, name=f"w{number}")
        asked.clear()

        sim.run_for("1 s")

    assert asked == []
