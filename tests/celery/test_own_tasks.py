"""A task's name means the app's own function, whatever other apps have been made before."""

import pytest
from celery import Celery, _state, shared_task

from retrysim.errors import AppError
from retrysim.simulation import Simulation


def app_with(answer, name="twins"):
    app = Celery(name, broker="memory://", backend="cache+memory://", set_as_current=False)

    @app.task(name="work")
    def work():
        return answer

    return app, work


def test_of_two_apps_each_runs_its_own_function():
    """The set of what is shared has no order: several apps, so that it goes wrong on some of them."""
    for number in range(8):
        app, work = app_with(number)
        with Simulation() as sim:
            sim.start_worker(app)

            assert work.delay().get() == number


def test_a_simulation_leaves_the_set_of_shared_tasks_as_it_found_it():
    before = set(_state._on_app_finalizers)
    with Simulation() as sim:
        app, work = app_with(1)

        @shared_task(name="shared")
        def shared():
            pass

        sim.start_worker(app)
        assert work.delay().get() == 1
        assert _state._on_app_finalizers != before

    assert _state._on_app_finalizers == before


def test_two_functions_under_one_name_are_an_error_with_both_lines():
    app = Celery("twins", broker="memory://", set_as_current=False)

    @app.task(name="work")
    def first():
        return 1

    @app.task(name="work")
    def second():
        return 2

    here = test_two_functions_under_one_name_are_an_error_with_both_lines.__code__.co_firstlineno
    with Simulation() as sim, pytest.raises(AppError) as error:
        sim.start_worker(app)

    assert str(error.value) == (
        f"two functions are the task 'work': {__file__}:{here + 3} and {__file__}:{here + 7}. A worker runs the first of "
        "them, whichever is called. Give one a name of its own: @app.task(name=...)"
    )
