"""Who writes no scenario does not pay for pydantic and a YAML parser; who has no RabbitMQ, not for a simulated one."""

import subprocess
import sys

HEAVY = ("pydantic", "ruamel.yaml", "packaging.requirements", "retrysim.scenarios", "retrysim.rabbitmq.server",
         "retrysim.celery.redis", "fakeredis", "jinja2", "rich", "freezegun")  # fmt: skip


def test_a_simulation_imports_no_scenarios_and_no_broker_that_it_does_not_have():
    program = f"""if True:
        import sys
        from celery import Celery
        from retrysim import Simulation
        with Simulation() as sim:
            sim.start_worker(Celery(broker="memory://", set_as_current=False))
        print([name for name in {HEAVY!r} if name in sys.modules])
    """
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert ran.stdout == "[]\n"
