"""What a project's ``[tool.retrysim]`` does to a scenario file that leaves keys out."""

import pytest

from retrysim.errors import InputError, ScenarioError
from retrysim.project import Project, project_around, project_in
from retrysim.scenarios import items_of, loads

SHORT = "name: a\napp: p\nsubmit: [{task: t}]\n"
EVERYTHING = """\
[tool.retrysim]
seed = 7
broker = "redis"
start = 2015-08-03T12:00:00Z
allow = ["localhost:5432"]
strict = false
env = {TOKEN = "fake", WORKERS = 3}
report = "reports"
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "pyproject.toml").write_text(EVERYTHING)
    return project_in(tmp_path)


def loaded(project, more=""):
    return loads(SHORT + more, project=project).spec


def test_what_the_file_leaves_out_is_as_the_project_has_it(project):
    spec = loaded(project)

    assert (spec.seed, spec.broker, spec.start_ns) == (7, ("redis",), 1_438_603_200 * 10**9)
    assert (spec.allow, spec.strict) == (("localhost:5432",), False)
    assert spec.env == {"TOKEN": "fake", "WORKERS": "3"}
    assert project.report == project.folder / "reports"


def test_what_the_file_says_wins_and_of_env_each_variable(project):
    spec = loaded(
        project,
        "seed: 1\nbroker: memory\nstart: 2020-01-01T00:00:00Z\nallow: db\nstrict: true\nenv: {TOKEN: mine, NEW: x}\n",
    )

    assert (spec.seed, spec.broker, spec.start_ns) == (1, ("memory",), 1_577_836_800 * 10**9)
    assert (spec.allow, spec.strict) == (("db",), True)
    assert spec.env == {"TOKEN": "mine", "WORKERS": "3", "NEW": "x"}


def test_each_setting_of_conf_is_one(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.retrysim.conf]\ntask_acks_late = true\nworker_pool = 'solo'\n")
    project = project_in(tmp_path)

    assert loaded(project).conf == {"task_acks_late": True, "worker_pool": "solo"}
    assert loaded(project, "conf: {worker_pool: threads, task_time_limit: 5}\n").conf == {
        "task_acks_late": True,
        "worker_pool": "threads",
        "task_time_limit": 5,
    }


def test_the_command_line_wins_over_both(project):
    [item] = items_of(loads(SHORT + "seed: 1\n", project=project), seed=3)

    assert (item.seed, item.id) == (3, "worker-seed3")


def test_seeds_of_the_file_stand_alone(project):
    assert [item.seed for item in items_of(loads(SHORT + "seeds: 1..2\n", project=project))] == [1, 2]


def test_the_rules_of_a_file_are_held_against_what_it_has_from_its_project(project):
    restart = "faults: [{restart: broker, at: 1s}]\n"

    assert loaded(project, restart).faults
    with pytest.raises(ScenarioError, match="needs a broker that can break; write broker: redis or broker: rabbitmq"):
        loads(SHORT + restart)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (
            'broker = "rediss"',
            "broker: expected memory, redis, rabbitmq, rabbitmq:3.10, rabbitmq:3.13, rabbitmq:4.0 or rabbitmq:4.3; got 'rediss'; did you mean 'redis'?",
        ),
        ('start = "noon"', "start: expected an instant with its zone, such as 2015-08-03T12:15:00Z; got 'noon'"),
        ("start = 2015-08-03T12:00:00", "start: expected an instant with its zone, such as 2015-08-03T12:15:00Z; "),
        ("seed = -1", "seed: expected a whole number of 0 or more; got -1"),
        ("allow = [1]", "allow: expected text; got 1; put it in quotes"),
        ("report = 1", 'report: expected a folder, such as "reports"; got 1'),
        ("strict = 1", "strict: expected true or false; got 1"),
        ("conf = []", "conf: expected a table of Celery's settings, such as {task_acks_late = true}; got []"),
        ("seed = 1]", "pyproject.toml: is not TOML: "),
    ],
)
def test_a_value_that_no_scenario_could_have_is_one_error(tmp_path, line, error):
    (tmp_path / "pyproject.toml").write_text(f"[tool.retrysim]\n{line}\n")

    with pytest.raises(InputError) as caught:
        loads(SHORT, project=project_in(tmp_path))

    assert error in str(caught.value)
    assert str(caught.value).startswith("pyproject.toml: ")


def test_the_nearest_pyproject_upwards_is_the_projects(project):
    deep = project.folder / "scenarios" / "deep"
    deep.mkdir(parents=True)

    assert project_around(deep) == project
    (deep / "pyproject.toml").write_text("[project]\nname = 'inner'\n")
    assert project_around(deep) == Project(folder=deep)
