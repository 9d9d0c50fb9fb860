"""Names that prove wrong only when a scenario is played: one message with file:line:column, and nothing left patched."""

import datetime
import sys
import textwrap
import time

import celery
import pytest

from retrysim.errors import InputError, ScenarioError
from retrysim.project import project_in
from retrysim.scenarios import items_of, loads
from retrysim.simulation.player import play

REAL = {"sleep": time.sleep, "datetime": datetime.datetime}

GOOD = """\
name: x
app: {app}
celery: {celery}
fakes: {fakes}
submit:
  - {{task: {task}, kwargs: {{user_id: 1}}}}
expect: {expect}
"""


def error_of(
    app="scenarios.apps.favorites:app", celery="worker", fakes="{}", task="fetch_tweets", expect="{}", more=""
):
    text = GOOD.format(app=app, celery=celery, fakes=fakes, task=task, expect=expect) + more
    with pytest.raises(ScenarioError) as caught:
        play(*items_of(loads(text, file="x.scenario.yaml")))
    assert time.sleep is REAL["sleep"]
    assert datetime.datetime is REAL["datetime"]
    return str(caught.value)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder on sys.path; modules imported from it are forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))

    yield write
    for module in set(sys.modules) - before:
        if str(tmp_path) in (getattr(sys.modules[module], "__file__", None) or ""):
            del sys.modules[module]


def test_a_task_the_app_does_not_have_is_named_with_the_nearest():
    assert error_of(task="fetch_tweet") == (
        "x.scenario.yaml:6:12: submit[0].task: the app 'scenarios.apps.favorites:app' has no task 'fetch_tweet'; "
        "did you mean 'fetch_tweets'?"
    )


def test_settings_that_cannot_be_are_named_at_their_keys():
    assert error_of(more="conf:\n  task_ack_late: true\n  worker_concurrency: 4\n  task_acks_late: 1\n") == (
        f"x.scenario.yaml:9:3: conf.task_ack_late: is not a setting of Celery {celery.__version__}; "
        "did you mean 'task_acks_late'?\n"
        "x.scenario.yaml:10:3: conf.worker_concurrency: cannot be set, because the test chooses it for each worker\n"
        "  Call sim.start_worker(app, concurrency=4), or write workers: {concurrency: 4} in a scenario\n"
        "x.scenario.yaml:11:3: conf.task_acks_late: is true or false; got 1"
    )


def test_a_setting_of_the_project_that_cannot_be_is_named_with_its_file(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.retrysim]\nconf = {broker_url = 'redis://elsewhere'}\n")
    text = GOOD.format(
        app="scenarios.apps.favorites:app", celery="worker", fakes="{}", task="fetch_tweets", expect="{}"
    )

    with pytest.raises(InputError) as caught:
        play(*items_of(loads(text, project=project_in(tmp_path))))

    assert str(caught.value).startswith("pyproject.toml: [tool.retrysim] conf.broker_url: cannot be set, because a sim")


def test_an_unknown_fake_is_named_with_the_nearest():
    assert error_of(fakes="{twiter: {}}").startswith(
        "x.scenario.yaml:4:17: fakes.twiter: no fake 'twiter'; did you mean 'twitter'? (there are "
    )


def test_an_unknown_option_of_a_fake_is_named_with_the_nearest():
    assert error_of(fakes="{twitter: {erra: 2013-2015}}") == (
        "x.scenario.yaml:4:25: fakes.twitter.erra: the fake 'twitter' has no option 'erra'; did you mean 'era'?"
    )


def test_an_unknown_era_is_named_with_the_fake():
    assert error_of(fakes="{twitter: {era: 2013-2016}}") == (
        "x.scenario.yaml:4:24: fakes.twitter.era: era is '2013-2016': expected one of 2013-2015, 2016-2020, 2020+; "
        "did you mean '2013-2015'?"
    )


def test_an_unknown_invariant_is_named_with_the_nearest():
    assert error_of(fakes="{twitter: {}}", expect="{invariants: [retries_start_at_rest]}") == (
        "x.scenario.yaml:7:23: expect.invariants[0]: no invariant 'retries_start_at_rest'; "
        "did you mean 'retries_start_at_reset'?"
    )


def test_an_app_that_is_not_there():
    assert error_of(app="no_such_package.tasks") == (
        "x.scenario.yaml:2:6: app: the app 'no_such_package.tasks' cannot be imported: "
        "ModuleNotFoundError: No module named 'no_such_package'"
    )


def test_an_app_whose_module_raises_says_the_last_line_of_the_traceback(project):
    project("app_that_raises", "import celery\n1 / 0\n")

    message = error_of(app="app_that_raises")
    assert message.startswith(
        "x.scenario.yaml:2:6: app: the app 'app_that_raises' cannot be imported: ZeroDivisionError: division by zero ("
    )
    assert message.endswith("app_that_raises.py:2)")


def test_an_app_that_misses_an_environment_variable_says_what_to_add(project):
    project("app_without_env", "import os\nTOKEN = os.environ['NO_SUCH_TOKEN']\n")

    lines = error_of(app="app_without_env").splitlines()
    assert lines[0].startswith(
        "x.scenario.yaml:2:6: app: the app 'app_without_env' cannot be imported: KeyError: 'NO_SUCH_TOKEN' ("
    )
    assert lines[1] == (
        "add `env: {NO_SUCH_TOKEN: ...}` to the scenario, or set NO_SUCH_TOKEN before the app is imported"
    )


def test_an_app_that_is_something_else(project):
    project("app_that_is_none", "app = 42\n")

    assert error_of(app="app_that_is_none:app") == (
        "x.scenario.yaml:2:6: app: 'app_that_is_none:app' is no Celery app but a int: expected an app, or what "
        '`celery -A` takes, such as "proj" or "proj.celery:app"'
    )


def test_an_app_that_reads_its_settings_at_import_gets_those_of_each_scenario(project):
    project(
        "reads_env",
        """
        import os
        from celery import Celery
        app = Celery("reads_env", broker=os.environ["BROKER"])
        @app.task
        def which():
            return os.environ["BROKER"], app.main
        seen = os.environ["BROKER"]
        @app.task
        def seen_at_import():
            return seen
        """,
    )
    text = (
        "name: x\napp: reads_env\nenv: {{BROKER: '{0}'}}\nsubmit: [{{task: seen_at_import}}]\n"
        "expect: {{results: '{0}', states: {{SUCCESS: 1}}}}\n"
    )
    for broker in ("redis://one/0", "redis://two/0", "redis://one/0"):
        [item] = items_of(loads(text.format(broker), file="x.scenario.yaml"))
        assert play(item).findings == []


def test_a_task_that_never_stops_retrying_is_a_runaway_with_its_name(project):
    project(
        "endless",
        """
        from celery import Celery
        app = Celery("endless")
        @app.task(bind=True, max_retries=None)
        def again(self):
            raise self.retry(countdown=1)
        """,
    )
    text = "name: x\napp: endless\nlimits: {attempts_per_task: 20}\nsubmit: [{task: again}]\n"
    [item] = items_of(loads(text, file="x.scenario.yaml"))

    outcome = play(item)

    first, remedy, *_ = outcome.text().splitlines()
    assert first.startswith("Runaway: endless.again[")
    assert first.endswith("] was attempted 20 times and does not settle: its retries, or deliveries, have no end")
    assert remedy.startswith("If that is meant, allow more: ")
    assert "`limits: {attempts_per_task: ...}` in a scenario file" in remedy
    assert outcome.as_json()["tasks"]["pending"] == 1


OPTIONS_APP = """\
from celery import Celery
app = Celery("options_app")
@app.task
def add(): ...
"""


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("serializer: nope", "SerializerNotInstalled: No encoder installed for nope"),
        ("compression: nope", "KeyError: 'nope'"),
    ],
)
def test_an_option_with_which_a_task_cannot_be_sent_is_told_where_it_stands(project, option, message):
    project("options_app", OPTIONS_APP)
    text = f"name: x\napp: options_app:app\nsubmit:\n  - task: options_app.add\n    options: {{{option}}}\n"
    [item] = items_of(loads(text, file="x.scenario.yaml"))

    with pytest.raises(ScenarioError) as caught:
        play(item)

    assert str(caught.value) == f"x.scenario.yaml:5:14: submit[0].options: the task cannot be sent: {message}"
    assert time.sleep is REAL["sleep"]


def test_of_wrong_states_a_task_in_an_unexpected_one_is_shown(project):
    project(
        "mixed",
        """
        from celery import Celery
        app = Celery("mixed", broker="memory://", set_as_current=False)

        @app.task
        def divide(by):
            return 1 / by
        """,
    )
    text = (
        "name: x\napp: mixed:app\nsubmit: [{task: divide, for_each: {by: [1, 2, 0]}}]\nexpect: {states: {SUCCESS: 3}}\n"
    )
    [item] = items_of(loads(text, file="x.scenario.yaml"))

    [line] = [line for line in play(item).text().splitlines() if line.startswith("states: ")]

    assert line.startswith("states: expected {SUCCESS: 3}, got {FAILURE: 1, SUCCESS: 2}; for one mixed.divide[")
    assert line.endswith("]: FAILURE")
