"""What a failed scenario shows of the log: the lines of the task that failed, and of nobody else."""

import logging

import pytest

from retrysim.scenarios import items_of, load
from retrysim.simulation.player import play

APP = """
import logging

from celery import Celery
from celery.utils.log import get_task_logger

app = Celery("{name}", broker="redis://nobody.example/0", set_as_current=False)
logger, plain = get_task_logger("shop"), logging.getLogger("plain")


@app.task(bind=True, max_retries=2, shared=False)
def sync(self, number, chatter=1):
    for step in range(chatter):
        logger.info("%s: step %s", number, step)
    logger.debug("too much")
    if number == 7:
        plain.warning("%s has no address\\nask %s", number, "bob")
        raise self.retry(countdown=60) if self.request.retries < 1 else ValueError(number)
"""
SCENARIO = """
name: sync
app: {name}:app
start: 2026-03-02T09:00:00Z
workers: {{isolated: {isolated}}}
submit:
  - {{task: sync, for_each: {{number: {numbers}}}, kwargs: {{chatter: {chatter}}}}}
"""
LINES = """\
log of {name}.sync[{id}]:
  09:00:00 INFO     shop: 7: step 0
  09:00:00 WARNING  plain: 7 has no address
  ask bob
  09:01:00 INFO     shop: 7: step 0
  09:01:00 WARNING  plain: 7 has no address
  ask bob

replay: """


@pytest.fixture
def played(tmp_path, monkeypatch, request):
    """Plays the scenario, with an app of its own for each test."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    name = f"app_of_{request.node.name.partition('[')[0]}"

    def run(*, chatter=1, isolated="false", numbers="[1, 7, 3]", more=""):
        (tmp_path / f"{name}.py").write_text(APP.replace("{name}", name))
        text = SCENARIO.format(name=name, chatter=chatter, isolated=isolated, numbers=numbers)
        (tmp_path / "s.scenario.yaml").write_text(text + more)
        [item] = items_of(load("s.scenario.yaml"))
        return play(item)

    return run


def log_in(outcome):
    """The paragraph of the text that is the log, and the beginning of the next one."""
    text = outcome.text()
    return text[text.index("log of ") : text.index("replay: ") + len("replay: ")]


def expected(outcome):
    [failed] = [task for task in outcome.trace.tasks.values() if task.state == "FAILURE"]
    return LINES.format(name=failed.name.partition(".")[0], id=failed.task_id[:8])


@pytest.mark.parametrize("isolated", ["false", "true"])
def test_the_lines_of_the_task_that_failed_are_shown_with_their_virtual_time(played, isolated):
    outcome = played(isolated=isolated)

    assert log_in(outcome) == expected(outcome)


def test_the_last_twenty_lines_are_shown_of_a_task_that_logged_more(played):
    lines = log_in(played(chatter=50)).splitlines()

    assert lines[1] == "  (84 lines before these)"
    assert lines[2:][:2] == ["  09:01:00 INFO     shop: 7: step 32", "  09:01:00 INFO     shop: 7: step 33"]
    assert lines[-3:] == ["  ask bob", "", "replay: "]
    assert len(lines) == 24


def test_of_a_task_that_logged_nothing_no_log_is_shown(played):
    outcome = played(chatter=0, numbers="[1, 3]", more="expect: {elapsed: 1m}\n")

    assert outcome.text().startswith("elapsed: expected ")
    assert "log of" not in outcome.text()


@pytest.mark.parametrize("level", [logging.WARNING, logging.INFO])
def test_others_get_the_records_that_they_get_without_us_and_all_is_put_back(played, caplog, level):
    tasks = logging.getLogger("celery.task")
    before = tasks.level, tasks.propagate, list(tasks.handlers), list(logging.root.handlers), logging.lastResort

    with caplog.at_level(level):
        played()

    shown = [record.getMessage() for record in caplog.records if record.name == "shop"]
    assert shown == ([] if level == logging.WARNING else ["1: step 0", "7: step 0", "3: step 0", "7: step 0"])
    assert [record.levelno for record in caplog.records if record.name == "plain"] == [logging.WARNING] * 2
    assert before == (tasks.level, tasks.propagate, tasks.handlers, logging.root.handlers, logging.lastResort)


def test_where_nobody_listens_a_warning_is_printed_as_without_us(played, monkeypatch, capsys):
    monkeypatch.setattr(logging.root, "handlers", [])
    last = logging.lastResort

    outcome = played()

    assert capsys.readouterr().err == "7 has no address\nask bob\n" * 2
    assert log_in(outcome) == expected(outcome)
    assert logging.lastResort is last


def test_a_logger_with_a_level_of_its_own_keeps_it(played, caplog):
    with caplog.at_level(logging.DEBUG, logger="shop"):
        played()

    assert [record.getMessage() for record in caplog.records if record.levelno == logging.DEBUG] == ["too much"] * 4
