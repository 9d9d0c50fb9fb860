"""Warnings of Celery and the libraries below it are those of a worker's process; the project's own are the session's."""

from __future__ import annotations

import warnings

import pytest
from celery import Celery

from retrysim import Simulation

LIBRARY = {"__name__": "kombu.deep.inside"}


def app_that_warns(namespace, category):
    app = Celery("warns", broker="redis://nobody.example/0", backend="redis://nobody.example/1", set_as_current=False)

    @app.task(name="warns", shared=False)
    def warns():
        exec("import warnings; warnings.warn('old', category)", {**namespace, "category": category})
        return "went on"

    return app


def result_of(namespace, category):
    app = app_that_warns(namespace, category)
    with Simulation() as sim:
        sim.start_worker(app)
        result = app.tasks["warns"].delay()
        sim.run()
        return result.result


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("category", [DeprecationWarning, PendingDeprecationWarning])
def test_a_deprecation_inside_a_library_ends_no_task_and_is_not_shown(category, recwarn):
    assert result_of(LIBRARY, category) == "went on"
    assert [str(one.message) for one in recwarn] == []


@pytest.mark.filterwarnings("error")
def test_another_warning_of_a_library_is_shown_and_no_error(recwarn):
    assert result_of(LIBRARY, RuntimeWarning) == "went on"
    assert [str(one.message) for one in recwarn] == ["old"]


@pytest.mark.filterwarnings("error")
def test_a_deprecation_in_the_project_is_still_an_error():
    assert isinstance(result_of({"__name__": "shop.tasks"}, DeprecationWarning), DeprecationWarning)


def test_what_the_session_ignores_of_a_library_stays_ignored(recwarn):
    warnings.filterwarnings("ignore", message="old")

    assert result_of(LIBRARY, RuntimeWarning) == "went on"
    assert [str(one.message) for one in recwarn] == []


def test_the_filters_are_those_of_before_after_a_run():
    before = list(warnings.filters)

    result_of(LIBRARY, DeprecationWarning)

    assert list(warnings.filters) == before


@pytest.mark.filterwarnings("error")
def test_an_extension_that_is_imported_in_a_task_does_not_warn_of_our_dates(recwarn):
    app = Celery("warns", broker="redis://nobody.example/0", backend="redis://nobody.example/1", set_as_current=False)

    @app.task(name="imports", shared=False)
    def imports():
        warnings.warn("datetime.date size changed, may indicate binary incompatibility", RuntimeWarning, stacklevel=1)
        return "went on"

    with Simulation() as sim:
        sim.start_worker(app)
        result = imports.delay()
        sim.run()
        assert result.result == "went on"
    assert list(recwarn) == []
