"""The gallery of traps: each page says what its scenario does, and each trap has its fixed version."""

import importlib.util
from pathlib import Path

import celery
import pytest
import requests

from retrysim import Simulation
from retrysim.fakes import API

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "traps"
TRAPS = ROOT / "scenarios" / "traps"


def written():
    spec = importlib.util.spec_from_file_location("write_pages", PAGES / "write_pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.pages()


@pytest.mark.skipif(celery.VERSION < (5, 7), reason="the pages show what the newest Celery does")
def test_every_page_says_what_its_scenario_does():
    now = written()
    for path in PAGES.glob("*.md"):
        assert path.read_text(encoding="utf-8").splitlines() == now[path.name].splitlines()


def test_every_trap_has_its_fixed_version():
    modules = [path.stem for path in TRAPS.glob("*.py")]

    assert len(modules) == 19
    assert [name for name in modules if not (TRAPS / f"{name}_fixed.scenario.yaml").is_file()] == []
    assert [name for name in modules if not list(TRAPS.glob(f"{name}[._]*scenario.yaml"))] == []


@pytest.mark.parametrize(("tasks", "limit"), [(40, 10), (25, 10), (7, 3), (10, 10), (200, 30)])
def test_everybody_at_the_reset_costs_what_the_closed_forms_say(tasks, limit):
    app = celery.Celery("herd", broker="redis://nobody.example/0", set_as_current=False)

    @app.task(name="herd.call", bind=True, max_retries=None, shared=False)
    def call(self):
        response = requests.get("https://crm.acme.io/", timeout=5)
        if response.status_code == 429:
            raise self.retry(countdown=int(response.headers["Retry-After"]))

    with Simulation() as sim:
        sim.serve(API("https://crm.acme.io", limit=f"{limit} per minute", per="all"))
        sim.start_worker(app, concurrency=4)
        for _ in range(tasks):
            call.delay()
        sim.run()
        [waste] = sim.waste
        elapsed = sim.elapsed.total_seconds()

    windows = -(-tasks // limit)
    assert elapsed == 60 * (windows - 1)
    assert waste.served + waste.refused == sum(tasks - k * limit for k in range(windows))
    if tasks % limit == 0:
        assert waste.refused == tasks**2 / (2 * limit) - tasks / 2
