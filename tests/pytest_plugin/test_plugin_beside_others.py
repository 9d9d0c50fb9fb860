"""The plugin's settings, and the plugin beside others: what a project has already goes on working."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

APP = """
import os
from celery import Celery

app = Celery("proj", broker=os.environ["BROKER_URL"], backend=os.environ["BROKER_URL"])

@app.task(bind=True)
def lucky(self):
    if not self.request.retries:
        raise self.retry(countdown=900)
    return "at last"
"""
TEST = """
import proj

def test_lucky(sim):
    sim.start_worker(proj.app)
    assert proj.lucky.delay().get() == "at last"
    assert sim.now.isoformat() == "2015-08-03T12:15:00+00:00"
"""
SETTINGS = """
[tool.retrysim]
seed = 7
start = "2015-08-03T12:00:00Z"
broker = "redis"
allow = ["localhost:5432"]
env = {BROKER_URL = "redis://localhost:6379/0"}
"""


@pytest.fixture
def project(pytester, monkeypatch):
    monkeypatch.delenv("BROKER_URL", raising=False)
    pytester.makepyfile(proj=APP)
    pytester.makepyprojecttoml(SETTINGS)
    pytester.syspathinsert()
    return pytester


def test_the_table_of_the_project_sets_seed_start_broker_and_environment_before_anything_is_imported(project):
    project.makeconftest("import proj")
    project.makepyfile(test_it=TEST + "    assert (sim.seed, sim.broker.kind) == (7, 'redis')\n")

    project.runpytest_subprocess().assert_outcomes(passed=1)


def test_the_marker_wins_over_the_table(project):
    project.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.retrysim(seed=1, broker="memory")
        def test_it(sim):
            assert (sim.seed, sim.broker.kind) == (1, "memory")
        """
    )

    project.runpytest_subprocess().assert_outcomes(passed=1)


def test_settings_of_the_table_a_fixture_and_a_marker_are_joined_and_the_nearest_wins(project):
    project.makepyprojecttoml(SETTINGS + "[tool.retrysim.conf]\ntask_acks_late = true\ntask_track_started = true\n")
    project.makeconftest(
        """
        import retrysim

        celery_sim = retrysim.fixture(app="proj", conf={"task_acks_late": False, "worker_pool": "threads"})
        """
    )
    project.makepyfile(
        test_it="""
        import proj
        import pytest

        def test_table(sim):
            sim.start_worker(proj.app)
            assert (proj.lucky.acks_late, proj.lucky.track_started) == (True, True)

        def test_fixture(celery_sim):
            assert (proj.lucky.acks_late, proj.lucky.track_started) == (False, True)
            assert celery_sim.workers[0].pool.name == "threads"

        @pytest.mark.retrysim(conf={"worker_pool": "solo"})
        def test_marker(celery_sim):
            assert (proj.lucky.acks_late, proj.lucky.track_started) == (False, True)
            assert celery_sim.workers[0].pool.name == "solo"

        def test_outside():
            assert (proj.lucky.acks_late, proj.lucky.track_started) == (False, False)
        """
    )

    project.runpytest_subprocess().assert_outcomes(passed=4)


SCENARIO = """\
name: second time lucky
app: proj:app
submit: [{task: lucky}]
expect: {attempts_at: [0s, 15m], elapsed: 16m}
"""


def test_the_table_reaches_scenario_files_and_the_command_line_wins(project):
    project.path.joinpath("lucky.scenario.yaml").write_text(SCENARIO)
    project.makepyprojecttoml(SETTINGS + 'report = "pages"\n')

    result = project.runpytest_subprocess()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*12:00:00  to celery", "*retry 1 to celery, due 12:15:00", "replay: retrysim run *.yaml --seed 7"]
    )
    assert [page.name[:26] for page in project.path.joinpath("pages").iterdir()] == ["lucky.scenario.yaml-lucky-"]

    result = project.runpytest_subprocess("--retrysim-seed=3", "--retrysim-report=mine")
    result.stdout.fnmatch_lines(["replay: retrysim run *.yaml --seed 3", "report: file://*/mine/*"])


def test_the_table_reaches_retrysim_run(project):
    project.path.joinpath("lucky.scenario.yaml").write_text(SCENARIO.replace("16m", "15m"))
    deep = project.mkdir("deep")
    command = [sys.executable, "-m", "retrysim.cli", "run", "../lucky.scenario.yaml", "--json"]

    ended = subprocess.run(command, cwd=deep, env={**os.environ, "PYTHONPATH": ".."}, capture_output=True, text=True)

    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["seed"] == 7


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("sed = 7", "ERROR: pyproject.toml: [tool.retrysim] has no key 'sed'; did you mean 'seed'?"),
        ("seed = true", "ERROR: pyproject.toml: [tool.retrysim] seed: expected a whole number; got True"),
        (
            "allow = 'localhost'",
            "ERROR: pyproject.toml: [tool.retrysim] allow: expected a list of hosts, "
            "such as [\"localhost:5432\"]; got 'localhost'",
        ),
    ],
)
def test_a_wrong_table_is_one_error(project, line, error):
    project.makepyprojecttoml(f"[tool.retrysim]\n{line}\n")

    result = project.runpytest_subprocess()

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert error in result.errlines


def test_a_wrong_argument_of_the_marker_is_an_error_with_what_came_close(project):
    project.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.retrysim(sed=1)
        def test_it(sim):
            pass
        """
    )

    result = project.runpytest_subprocess()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E*InputError: @pytest.mark.retrysim has no argument 'sed'; did you mean 'seed'?"])
    result.stdout.no_fnmatch_line("*_must_be_known*")  # no line of ours


def test_a_fixture_with_a_wrong_argument_says_what_came_close(project):
    project.makeconftest(
        """
        import retrysim

        celery_sim = retrysim.fixture(app="proj", queue="mail")
        """
    )
    project.makepyfile(
        test_it="""
        def test_it(celery_sim):
            pass
        """
    )

    result = project.runpytest_subprocess()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E*InputError: retrysim.fixture has no argument 'queue'; did you mean 'queues'?"])


def test_without_strictness_a_task_may_call_whom_it_likes(project):
    project.makepyfile(
        test_it="""
        import threading, http.server, urllib.request
        import pytest, proj

        @proj.app.task
        def ask(port):
            return urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).status

        class Handler(http.server.SimpleHTTPRequestHandler):
            def do_GET(self):
                self.send_response(204)
                self.end_headers()

        @pytest.fixture(scope="module")
        def port():
            server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield server.server_port
            server.shutdown()

        @pytest.mark.retrysim(strict=False)
        def test_it(port, sim):
            sim.start_worker(proj.app)
            assert ask.delay(port).get() == 204
        """
    )

    project.runpytest_subprocess().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    "options",
    [
        ("-p", "randomly", "-p", "no:cacheprovider"),
        ("--cov=proj", "--cov-report=term"),
        ("--timeout=60",),
        ("-n", "2"),
        ("-p", "asyncio", "--asyncio-mode=auto"),
        ("-p", "randomly", "--cov=proj", "--timeout=60", "-n", "2", "-p", "asyncio", "--asyncio-mode=auto"),
    ],
    ids=["randomly", "cov", "timeout", "xdist", "asyncio", "all of them"],
)
def test_it_works_beside_other_plugins(project, options):
    project.makepyfile(test_it=TEST, test_again=TEST)

    result = project.runpytest_subprocess(*options)

    result.assert_outcomes(passed=2)


def test_pytest_randomly_does_not_change_what_a_task_draws(project):
    project.makepyfile(
        test_it="""
        import random
        import pytest
        from proj import app

        @pytest.mark.parametrize("time", ["first", "second"])
        def test_a_draw(sim, time):
            @app.task(name="draw")
            def draw():
                return random.random()

            sim.start_worker(app)
            result = draw.delay()
            sim.run()
            print("drawn", result.get())
        """
    )
    sessions = [project.runpytest_subprocess("-s", "-p", "randomly", f"--randomly-seed={seed}") for seed in (1, 2)]
    drawn = [line[line.index("drawn") :] for session in sessions for line in session.outlines if "drawn" in line]

    assert len(drawn) == 4
    assert len(set(drawn)) == 1


def test_an_asyncio_test_beside_a_simulation_goes_on_in_real_time(project):
    project.makepyfile(
        test_it=TEST
        + """

async def test_sleep():
    import asyncio, time
    began = time.monotonic()
    await asyncio.sleep(0.01)
    assert time.monotonic() - began >= 0.009
"""
    )

    project.runpytest_subprocess("--asyncio-mode=auto").assert_outcomes(passed=2)


INSIDE = (
    "{who} inside a simulation: time belongs to the simulation here. Give it its start "
    '(@pytest.mark.retrysim(start="2030-01-01T00:00:00Z"), or Simulation(start=...)), and move it with sim.run_for(...)'
)


def test_the_clock_of_a_simulation_is_its_own_and_everybody_elses_is_a_clear_error(project):
    project.makepyfile(
        test_it="""
        import time
        import freezegun, time_machine, pytest
        from retrysim import InputError, Simulation

        def test_freeze_time(sim):
            with pytest.raises(InputError) as caught:
                freezegun.freeze_time("2030-01-01").start()
            assert str(caught.value) == INSIDE.format(who="freeze_time")
            with pytest.raises(InputError):
                freezegun.freeze_time("2030-01-01")(lambda: None)()

        def test_travel(sim):
            with pytest.raises(InputError) as caught:
                time_machine.travel("2030-01-01").start()
            assert str(caught.value) == INSIDE.format(who="time_machine.travel")

        @pytest.mark.parametrize("freeze", [freezegun.freeze_time, time_machine.travel])
        def test_around(freeze):
            with freeze("2030-01-01"), pytest.raises(InputError, match="time has another owner already"):
                Simulation().__enter__()

        @freezegun.freeze_time("2030-01-01")
        def test_frozen_without_a_simulation():
            assert time.gmtime().tm_year == 2030

        @time_machine.travel("2030-01-01")
        def test_travelling_without_a_simulation():
            assert time.gmtime().tm_year == 2030

        def test_afterwards_time_is_real():
            assert 2024 < time.gmtime().tm_year != 2030

        """
        + f"INSIDE = {INSIDE!r}\n"
    )

    project.runpytest_subprocess().assert_outcomes(passed=7)


def test_importing_the_plugin_costs_less_than_30_ms():
    code = (
        "import time, pytest\nbegan = time.perf_counter()\nimport retrysim.pytest_plugin\n"
        "print(time.perf_counter() - began)"
    )
    spent = [float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(5)]

    assert min(spent) < 0.030
