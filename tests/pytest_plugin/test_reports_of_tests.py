"""``pytest --retrysim-report=DIR``: pages of failing tests and scenarios, linked in their failure text."""

import re

import pytest

pytestmark = pytest.mark.slow

APP = """
from celery import Celery

app = Celery("proj", broker="redis://localhost/0")

@app.task(bind=True)
def lucky(self):
    if not self.request.retries:
        raise self.retry(countdown=900)
    return "at last"
"""
TESTS = """
from proj import app, lucky

def run(sim):
    sim.start_worker(app)
    lucky.delay()
    sim.run()

def test_good(sim):
    run(sim)

def test_bad(sim):
    run(sim)
    assert sim.states == {}, "this is what does not hold"

def test_other():
    assert 0
"""
SCENARIO = """\
name: once is not enough
app: proj:app
submit: [{task: lucky}]
expect: {attempts: 1}
"""


@pytest.fixture
def project(pytester):
    pytester.makepyfile(proj=APP, test_it=TESTS)
    (pytester.path / "once.scenario.yaml").write_text(SCENARIO, encoding="utf-8")
    pytester.syspathinsert()
    return pytester


def pages(project, folder="out"):
    return sorted(re.sub("-[0-9a-f]{6}", "", path.name) for path in (project.path / folder).iterdir())


def test_failing_tests_and_scenarios_are_written_and_linked(project):
    result = project.runpytest_subprocess("--retrysim-report=out")

    result.assert_outcomes(passed=1, failed=3)
    assert pages(project) == ["once.scenario.yaml-once-worker.html", "test_it.py-test_bad.html"]
    for path in (project.path / "out").iterdir():
        assert path.as_uri() in result.stdout.str()
    result.stdout.fnmatch_lines(["*- retrysim report -*", "file:///*test_it.py-test_bad-*.html"])
    result.stdout.fnmatch_lines(["report: file:///*once.scenario.yaml-once-worker-*.html"])


def test_the_page_says_what_does_not_hold(project):
    project.runpytest_subprocess("--retrysim-report=out", "-k", "test_bad")

    [page] = (project.path / "out").iterdir()
    text = page.read_text(encoding="utf-8")
    assert '<p class="verdict bad">AssertionError: this is what does not hold</p>' in text
    assert "<title>test_it.py::test_bad</title>" in text
    assert "RETRY 15m SUCCESS" in text


def test_the_page_of_a_scenario_has_its_name(project):
    project.runpytest_subprocess("--retrysim-report=out", "once.scenario.yaml")

    [page] = (project.path / "out").iterdir()
    assert "<title>once is not enough [worker]</title>" in page.read_text(encoding="utf-8")


def test_all_are_written_if_asked(project):
    project.runpytest_subprocess("--retrysim-report=out", "--retrysim-report-of=all")

    assert pages(project) == [
        "once.scenario.yaml-once-worker.html",
        "test_it.py-test_bad.html",
        "test_it.py-test_good.html",
    ]


def test_nothing_is_written_unless_asked(project):
    result = project.runpytest_subprocess()

    assert "report:" not in result.stdout.str()
    assert not (project.path / "out").exists()


def test_reports_are_written_by_every_worker_of_xdist(project):
    result = project.runpytest_subprocess("--retrysim-report=out", "-n", "2")

    assert pages(project) == ["once.scenario.yaml-once-worker.html", "test_it.py-test_bad.html"]
    result.stdout.fnmatch_lines(["report: file:///*once.scenario.yaml-once-worker-*.html"])


def test_a_folder_that_cannot_be_made_is_a_usage_error(project):
    (project.path / "taken").write_text("", encoding="utf-8")

    result = project.runpytest_subprocess("--retrysim-report=taken")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --retrysim-report=taken: expected a folder; File exists"])
