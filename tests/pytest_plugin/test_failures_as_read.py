"""What a person reads in the evening: the line of the test, what is wrong there, and no insides."""

import pytest

pytestmark = pytest.mark.slow

APP = """
import logging

import requests
from celery import Celery

app = Celery("shop", broker="redis://nobody.example/0", backend="redis://nobody.example/1")

@app.task
def part(n):
    return n

@app.task
def total(numbers):
    return sum(part.delay(n).get(disable_sync_subtasks=False) for n in numbers)

@app.task
def call():
    return requests.get("https://api.unknown.example/x").status_code

@app.task
def breaks(n):
    raise ValueError(n)

@app.task
def chatters(n):
    logging.getLogger("shop").warning("thing %s", n)
    if n == 7:
        raise ValueError(n)

@app.task(bind=True)
def lucky(self):
    if self.request.retries < 2:
        raise self.retry(countdown=1)
"""


@pytest.fixture
def read(pytester):
    """Runs the body of a test with ``sim``; the lines that pytest shows of its failure, from ``>`` on."""
    pytester.makepyfile(shop=APP)
    pytester.syspathinsert()

    def run(*body, options=()):
        lines = "\n    ".join(body)
        pytester.makepyfile(test_it=f"import shop\n\ndef test_it(sim):\n    sim.start_worker(shop.app)\n    {lines}\n")
        result = pytester.runpytest_subprocess("-p", "no:randomly", *options)
        result.assert_outcomes(failed=1)
        start = next(number for number, line in enumerate(result.outlines) if line.startswith(">"))
        end = next(number for number, line in enumerate(result.outlines) if line.startswith("test_it.py:"))
        return [line for line in result.outlines[start : end + 1] if line.strip()]

    return run


def test_an_error_of_ours_ends_at_the_line_of_the_test(read):
    shown = read("shop.part.delay(1)", "sim.run()", 'sim.queue("celer")')

    assert shown == [
        '>       sim.queue("celer")',
        "E       InputError: no queue 'celer' in this run; did you mean 'celery'?",
        "test_it.py:7: InputError",
    ]


def test_a_deadlock_ends_at_the_line_of_the_test_and_names_the_task_and_its_line(read):
    shown = read("shop.total.delay([1])", "sim.run()")

    assert shown[:2] == [
        ">       sim.run()",
        "E       Deadlock: no events remain, but shop.total[22e1c0c7] is still waiting:",
    ]
    assert shown[2].startswith(
        "E         shop.total[22e1c0c7] waits for the result of shop.part[d409dd80] (worker-1 has rec"
    )
    assert shown[3].startswith("E           on celery@worker-1 slot 1001, at ")
    assert shown[-1] == "test_it.py:6: Deadlock"


def test_of_a_traceback_the_frames_of_the_project_are_shown(read):
    shown = read("shop.call.delay()", "sim.run()", "sim.check()")

    start = next(number for number, line in enumerate(shown) if "Traceback" in line)
    assert shown[start + 1][:16] == "E           File"
    assert "shop.py" in shown[start + 1]
    assert shown[start + 2].endswith('return requests.get("https://api.unknown.example/x").status_code')
    rest = [line for line in shown[start + 3 :] if "^^^" not in line]
    assert rest[0].endswith(" inside of libraries)")
    assert rest[1].startswith("E         retrysim.errors.UnservedHost: a task called https://api.unknown.example:443")


def test_states_that_differ_are_shown_with_a_task_of_each(read):
    shown = read("shop.breaks.delay(7)", "shop.part.delay(1)", "sim.run()", 'assert sim.states == {"SUCCESS": 2}')

    assert shown[1:-1] == [
        "E       AssertionError: assert {'FAILURE': 1, 'SUCCESS': 1} == {'SUCCESS': 2}",
        "E         FAILURE: got 1, expected 0; one is shop.breaks[22e1c0c7]: FAILURE (ValueError: 7)",
        "E         SUCCESS: got 1, expected 2; one is shop.part[d409dd80]: SUCCESS",
    ]


def test_retries_can_be_compared_with_a_number(read):
    shown = read(
        "result = shop.lucky.delay()",
        "sim.run()",
        "assert sim.task(result.id).retries == 2",
        "assert len(sim.task(result.id).retries) == 2",
        "assert sim.task(result.id).retries != 3",
        "assert sim.task(result.id).retries == 3",
    )

    assert shown[:3] == [
        ">       assert sim.task(result.id).retries == 3",
        "E       AssertionError: assert <2 retries> == 3",
        "E        +  where <2 retries> = <task shop.lucky[22e1c0c7]: RETRY 1s RETRY 1s SUCCESS>.retries",
    ]


def test_of_a_flood_of_logs_the_end_is_shown(pytester):
    pytester.makepyfile(shop=APP)
    pytester.makepyfile(
        test_it="""
        import shop

        def test_it(sim):
            sim.start_worker(shop.app)
            for n in range(50):
                shop.breaks.delay(n)
            sim.run()
            assert not sim.states
        """
    )
    pytester.syspathinsert()

    result = pytester.runpytest_subprocess("-p", "no:randomly")

    result.stdout.fnmatch_lines(["*Captured log call*", "(* lines before these; all of them: -o log_file=FILE)"])
    assert sum("Traceback" in line for line in result.outlines) < 10


def test_of_a_flood_of_logs_the_lines_of_the_task_that_failed_are_shown(pytester):
    pytester.makepyfile(shop=APP)
    pytester.makepyfile(
        test_it="""
        import shop

        def test_it(sim):
            sim.start_worker(shop.app)
            for n in range(60):
                shop.chatters.delay(n)
            sim.run()
            sim.check()
        """
    )
    pytester.syspathinsert()

    result = pytester.runpytest_subprocess("-p", "no:randomly")

    start = next(number for number, line in enumerate(result.outlines) if "Captured log call" in line)
    assert not [line for line in result.outlines if "Captured log teardown" in line]  # our workers' warm shutdown
    end = next(number for number, line in enumerate(result.outlines) if "short test summary" in line)
    shown = [line for line in result.outlines[start + 1 : end] if line.startswith(("(", "WARNING", "ERROR"))]
    assert shown[:2] == [
        "(59 lines that are not of this task; all of them: -o log_file=FILE)",
        "WARNING  shop:shop.py:26 thing 7",
    ]
    assert [line[:5] for line in shown[2:]] == ["ERROR"]


def test_the_summary_names_the_error_and_what_is_wrong(pytester):
    pytester.makepyfile(shop=APP)
    pytester.makepyfile(
        test_it="""
        import shop

        def test_violation(sim):
            sim.start_worker(shop.app)
            shop.breaks.delay(7)
            sim.run()
            sim.check()

        def test_deadlock(sim):
            sim.start_worker(shop.app)
            shop.total.delay([1])
            sim.run()
        """
    )
    pytester.syspathinsert()

    result = pytester.runpytest_subprocess("-p", "no:randomly")

    summary = [line for line in result.outlines if line.startswith("FAILED")]
    assert [len(line) <= 80 for line in summary] == [True, True]
    assert summary[0].startswith("FAILED test_it.py::test_violation - Violation: no_task_fails: shop.breaks[22e")
    assert summary[1].startswith("FAILED test_it.py::test_deadlock - Deadlock: no events remain, but shop.total")


@pytest.mark.parametrize("body", ["assert not sim.states", "shop.total.delay([1]); sim.run()", 'sim.queue("celer")'])
def test_each_failure_says_how_to_run_it_again(pytester, body):
    pytester.makepyfile(shop=APP)
    pytester.makepyfile(
        test_it=f"import shop\n\ndef test_it(sim):\n    sim.start_worker(shop.app)\n    shop.part.delay(1)\n    sim.run()\n    {body}\n"
    )
    pytester.syspathinsert()

    result = pytester.runpytest_subprocess("-p", "no:randomly", "--retrysim-seed=3")

    result.stdout.fnmatch_lines(["*- replay -*", "pytest 'test_it.py::test_it' --retrysim-seed=3"])


def test_a_task_that_is_sent_and_that_no_worker_runs_is_an_error(pytester):
    pytester.makepyfile(
        test_it="""
        from celery import Celery

        app = Celery("forgotten", broker="memory://")

        @app.task(name="forgotten.task")
        def task():
            pass

        def test_it(sim):
            task.delay()
            sim.run()
        """
    )

    result = pytester.runpytest_subprocess("-p", "no:randomly")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E  *InputError: forgotten.task was sent, and there is no worker: call sim.start_worker(app) before "
            "sim.run(), or sim.run_eagerly(app) before a task is sent"
        ]
    )
