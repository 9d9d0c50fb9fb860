"""A task's rate_limit asks its worker's timer for waits that are the noise of floats."""

import pytest
from celery import Celery

from retrysim import Limits, Simulation


@pytest.mark.parametrize("broker", ["memory", "redis"])
def test_a_wait_of_less_than_a_step_lets_time_move(broker):
    # kombu's bucket at 100/m finds a token missing by 1e-16 and asks to be called after as many seconds.
    app = Celery("steps", broker="redis://nobody.example/0", set_as_current=False)

    @app.task(name="steps.limited", rate_limit="100/m", shared=False)
    def limited():
        pass

    with Simulation(broker=broker, limits=Limits(steps_at_one_instant=5_000)) as sim:
        sim.start_worker(app)
        for _ in range(60):
            limited.delay()
        sim.run()

        assert sim.states == {"SUCCESS": 60}
        assert 35.4 <= sim.elapsed.total_seconds() < 35.5
