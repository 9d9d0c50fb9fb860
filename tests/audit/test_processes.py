"""The processes of an audit."""

import multiprocessing
import os

import pytest

from retrysim.audit.processes import in_processes


def where(number):
    return number, os.getpid()


def played(jobs):
    return [*in_processes(where, [1, 2, 3], jobs=jobs)], os.getpid()


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_come_in_order_however_many_processes(jobs):
    results, here = played(jobs)

    assert [number for number, _ in results] == [1, 2, 3]
    assert {pid == here for _, pid in results} == {jobs == 1}


def test_a_process_that_may_have_no_children_does_all_itself():
    """A worker of ``multiprocessing.Pool`` is a daemon."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        results, there = pool.apply(played, (2,))

    assert results == [(1, there), (2, there), (3, there)]
