"""The plugin in real pytest runs, in a folder that has nothing but a test and an app."""

import signal

import pytest

pytestmark = pytest.mark.slow

APP = """
import time
from celery import Celery

app = Celery("proj", broker="redis://localhost/0", backend="redis://localhost/1")

@app.task(bind=True)
def lucky(self):
    if not self.request.retries:
        raise self.retry(countdown=900)
    return "at last"

@app.task
def nap(seconds):
    time.sleep(seconds)
"""

SCENARIO = """\
name: second time lucky
app: proj:app
celery: [worker, eager]
tags: slow_ones
submit:
  - {task: lucky}
expect:
  states: {SUCCESS: 1}
  elapsed: 15 minutes
"""


@pytest.fixture
def project(pytester):
    pytester.makepyfile(proj=APP)
    pytester.syspathinsert()
    return pytester


def test_the_fixture_is_there_without_any_conftest(project):
    project.makepyfile(
        test_it="""
        from datetime import timedelta
        from proj import app, lucky

        def test_lucky(sim):
            sim.start_worker(app)
            result = lucky.delay()
            sim.run()
            assert sim.task(result.id).timeline == "RETRY 15m SUCCESS"
            assert sim.elapsed == timedelta(minutes=15)
            sim.check()
        """
    )

    project.runpytest_subprocess().assert_outcomes(passed=1)


def test_the_durations_that_pytest_prints_are_real(project):
    project.makepyfile(
        test_it="""
        from proj import app, nap

        def test_a_day(sim):
            sim.start_worker(app)
            nap.delay(86400)
            sim.run()
        """
    )

    result = project.runpytest_subprocess("--durations=0", "-vv")

    [line] = [line for line in result.outlines if "call     test_it.py::test_a_day" in line]
    assert 0 < float(line.split("s ")[0]) < 30
    assert " 1 passed" in result.outlines[-1]


def test_the_marker_and_the_option_set_the_seed(project):
    project.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.retrysim(seed=7, start="2015-08-03T12:00:00Z")
        def test_seed(sim):
            assert sim.seed == EXPECTED
            assert sim.now.year == 2015
        EXPECTED = 7
        """
    )
    project.runpytest_subprocess("--strict-markers").assert_outcomes(passed=1)

    result = project.runpytest_subprocess("--retrysim-seed=3")
    result.stdout.fnmatch_lines(["*assert 3 == 7*"])


def test_pyproject_and_the_marker_isolate_pool_processes(project):
    project.makepyprojecttoml("[tool.retrysim]\nisolated = true\n")
    project.makepyfile(
        test_it="""
        import pytest
        from proj import app

        def test_of_pyproject(sim):
            assert sim.start_worker(app).isolated

        @pytest.mark.retrysim(isolated=False)
        def test_of_the_marker(sim):
            assert not sim.start_worker(app).isolated
        """
    )
    project.runpytest_subprocess("--strict-markers").assert_outcomes(passed=2)


def test_pyproject_and_the_marker_set_the_version_of_rabbitmq_and_a_list_makes_items(project):
    project.makepyprojecttoml('[tool.retrysim]\nbroker = "rabbitmq:3.13"')
    project.makepyfile(
        test_it="""
        import pytest
        from proj import app

        def release(sim):
            sim.start_worker(app)
            with app.connection_for_write() as connection:
                return connection.connection.server_properties["version"]

        def test_of_pyproject(sim):
            assert release(sim) == "3.13.7"

        @pytest.mark.retrysim(broker="rabbitmq:4.0")
        def test_of_the_marker(sim):
            assert release(sim) == "4.0.5"
        """
    )
    versions = "broker: {rabbitmq: {version: [3.13, 4.3]}}\n"
    project.path.joinpath("two.scenario.yaml").write_text(SCENARIO.replace("celery: [worker, eager]\n", versions))

    project.runpytest_subprocess().assert_outcomes(passed=4)


def test_scenario_files_are_items_one_for_each_value(project):
    project.path.joinpath("lucky.scenario.yaml").write_text(SCENARIO)

    result = project.runpytest_subprocess("-v", "--strict-markers")

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        ["lucky.scenario.yaml::lucky?worker? PASSED*", "lucky.scenario.yaml::lucky?eager? PASSED*"]
    )
    project.runpytest_subprocess("-m", "slow_ones").assert_outcomes(passed=2)
    project.runpytest_subprocess("-m", "not slow_ones").assert_outcomes(deselected=2)


def test_a_scenario_that_fails_says_what_which_task_and_how_to_replay(project):
    project.path.joinpath("lucky.scenario.yaml").write_text(
        SCENARIO.replace("[worker, eager]", "worker").replace("15 minutes", "14 minutes")
    )

    result = project.runpytest_subprocess()

    result.assert_outcomes(failed=1)
    start = next(n for n, line in enumerate(result.outlines) if line.startswith("elapsed: "))
    assert result.outlines[start : start + 14] == [
        "elapsed: expected 14m, got 15m; the last was proj.lucky[22e1c0c7]: RETRY 15m SUCCESS",
        "  task      proj.lucky[22e1c0c7-0ba7-4c87-b9e4-15bbd5edf385]",
        "  timeline  RETRY 15m SUCCESS",
        "            broker                           worker-1",
        "  00:00:00  to celery",
        "                                             attempt 1",
        "            retry 1 to celery, due 00:15:00",
        "                                             RETRY in 15m",
        "                                             received",
        "  00:15:00                                   attempt 2",
        "                                             SUCCESS",
        "",
        "replay: retrysim run lucky.scenario.yaml --seed 0",
        "        pytest 'lucky.scenario.yaml::lucky[worker]' --retrysim-seed=0",
    ]


def test_a_scenario_that_is_none_is_an_error_of_collection_without_a_traceback(project):
    project.path.joinpath("bad.scenario.yaml").write_text(SCENARIO.replace("submit", "submitt"))

    result = project.runpytest_subprocess()

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["bad.scenario.yaml:5:1: submitt: *did you mean 'submit'?"])
    assert "Traceback" not in result.stdout.str()


def test_xfail_is_known_to_fail_and_passing_is_a_failure(project):
    text = SCENARIO.replace("[worker, eager]", "worker") + "xfail: a known trap\n"
    project.path.joinpath("fails.scenario.yaml").write_text(text.replace("15 minutes", "1 minute"))
    project.path.joinpath("passes.scenario.yaml").write_text(text)

    project.runpytest_subprocess().assert_outcomes(xfailed=1, failed=1)


def test_a_scenario_about_another_version_is_skipped_with_the_reason(project):
    project.path.joinpath("old.scenario.yaml").write_text(
        SCENARIO.replace("[worker, eager]", "worker") + "requires: celery<1\n"
    )

    result = project.runpytest_subprocess("-rs")

    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*requires celery<1, and * is installed"])


def test_ctrl_c_in_a_task_ends_pytest_at_once_and_nothing_stays_patched(project):
    project.makepyfile(
        test_it=f"""
        import os, subprocess, time
        from proj import app
        REAL = [time.sleep, time.time]

        @app.task
        def interrupted():
            try:
                sum(1 for _ in range(10**12))
            finally:
                print("FINALLY OF THE TASK")

        def test_interrupt(sim):
            sim.start_worker(app)
            subprocess.Popen(["sh", "-c", f"sleep 0.5; kill -{int(signal.SIGINT)} {{os.getpid()}}"])
            interrupted.delay()
            sim.run()
        """,
        conftest="""
        import time
        REAL = [time.sleep, time.time, time.monotonic]

        def pytest_unconfigure():
            print("RESTORED", REAL == [time.sleep, time.time, time.monotonic])
        """,
    )

    result = project.runpytest_subprocess("-s")

    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*RESTORED True*"])
    result.stdout.no_fnmatch_line("*FINALLY OF THE TASK*")
    result.stdout.no_fnmatch_line("*WorkerLostError*")


def test_a_timeout_of_pytest_timeout_is_the_tests_failure(project):
    pytest.importorskip("pytest_timeout")
    project.makepyfile(
        test_it="""
        import pytest
        from proj import app

        @app.task
        def busy():
            while True:
                pass

        @pytest.mark.timeout(2, method="signal", func_only=True)
        def test_timeout(sim):
            sim.start_worker(app)
            busy.delay()
            sim.run()

        def test_after(sim):
            sim.start_worker(app)
            assert sim.states == {}
        """
    )

    result = project.runpytest_subprocess()

    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["*Timeout*2.0s*"])
    result.stdout.no_fnmatch_line("*WorkerLostError*")


def test_importing_the_plugin_imports_nothing_heavy(project):
    project.makepyfile(
        test_it="""
        import sys

        def test_light():
            assert not {"celery", "greenlet", "pydantic", "ruamel.yaml", "retrysim.simulation"} & set(sys.modules)
        """
    )

    project.runpytest_subprocess("-p", "no:hypothesispytest").assert_outcomes(passed=1)


def test_it_works_under_xdist(project):
    pytest.importorskip("xdist")
    project.path.joinpath("lucky.scenario.yaml").write_text(SCENARIO)
    project.makepyfile(
        test_it="""
        from proj import app, lucky

        def test_lucky(sim):
            sim.start_worker(app)
            assert lucky.delay().get() == "at last"
        """
    )

    project.runpytest_subprocess("-n", "2").assert_outcomes(passed=3)


def test_a_projects_own_fixture_serves_fresh_fakes_and_starts_its_worker(project):
    project.makeconftest(
        """
        import retrysim
        from retrysim.fakes import API

        crm = API("https://crm.acme.io", limit="1 per minute", answer={"ok": True})
        celery_sim = retrysim.fixture(app="proj", fakes=[crm], start="2015-08-03T12:00:00Z")
        eager_sim = retrysim.fixture(app="proj", eager=True)
        mail_sim = retrysim.fixture(app="proj", queues=["celery", "mail"])
        """
    )
    project.makepyfile(
        test_it="""
        import pytest
        import requests
        from conftest import crm
        from proj import lucky

        @pytest.mark.parametrize("time", [1, 2])
        def test_worker(celery_sim, time):
            assert lucky.delay().get() == "at last"
            assert requests.get("https://crm.acme.io/").json() == {"ok": True}
            assert len(crm.calls) == 1
            assert celery_sim.now.isoformat() == "2015-08-03T12:15:00+00:00"

        def test_eager(eager_sim):
            assert lucky.delay().get() == "at last"

        @pytest.mark.parametrize("queue", ["celery", "mail"])
        def test_queues(mail_sim, queue):
            assert lucky.apply_async(queue=queue).get() == "at last"
        """
    )

    project.runpytest_subprocess().assert_outcomes(passed=5)


def test_timelines_that_differ_are_shown_word_under_word(project):
    project.makepyfile(
        test_it="""
        from proj import app, lucky

        def test_lucky(sim):
            sim.start_worker(app)
            result = lucky.delay()
            sim.run()
            assert sim.task(result.id).timeline == "RETRY 15m RETRY 15m SUCCESS"

        def test_no_failure(sim):
            sim.start_worker(app)
            lucky.delay()
            sim.run()
            assert not sim.tasks(state="SUCCESS")
        """
    )

    result = project.runpytest_subprocess()

    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "E*assert 'RETRY 15m SUCCESS' == 'RETRY 15m RETRY 15m SUCCESS'",
            "E*got                 RETRY 15m SUCCESS",
            "E*expected  RETRY 15m RETRY 15m SUCCESS",
            "E*          ^^^^^ ^^^",
            "E*assert not [[]<task proj.lucky[[]????????[]]: RETRY 15m SUCCESS>[]]",
        ]
    )


def test_a_check_that_fails_says_how_to_run_the_test_again(project):
    project.makepyfile(
        test_it="""
        from proj import app, lucky

        def test_lucky(sim):
            sim.start_worker(app)
            lucky.delay()
            sim.run_for(60)
            sim.check()
        """
    )

    result = project.runpytest_subprocess("--retrysim-seed=3")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E*Violation: every_task_settles: proj.lucky[[]????????[]] did not settle: it is RETRY and the run ended first",
            "E*replay: pytest 'test_it.py::test_lucky' --retrysim-seed=3",
        ]
    )


def test_a_crash_of_retrysim_says_that_it_is_a_bug_and_where_the_trace_is(project):
    project.makepyfile(
        test_it="""
        from proj import app, lucky

        def test_lucky(sim):
            sim.start_worker(app)
            sim._recorder.attempts = None
            lucky.delay()
            sim.run()
        """
    )

    result = project.runpytest_subprocess()

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E*InternalError: this is a bug in retrysim, not in your code: AttributeError: 'NoneType' object has no attribute 'ended' (recorder.py:*)",
            "E*with python 3.*, celery 5.*",
            "E*what had happened until then is in *.ndjson; please report the bug with that file",
        ]
    )
