"""Forks: which task begins when, and what is reported of a process that ends without a result."""

from __future__ import annotations

import os

from retrysim.exploring.forks import Forks


def test_a_task_waits_for_one_that_claims_the_same_and_others_go_ahead():
    log, (read, write) = [], os.pipe()

    def work(task):
        if task == "first":
            os.read(read, 1)

    forks = Forks(
        work,
        jobs=2,
        before=lambda task: log.append(("begins", task)),
        claims=lambda task: () if task == "other" else ("database",),
    )
    for index, _ in forks.results(["first", "second", "other"]):
        log.append(("ended", index))
        if index == 2:
            os.write(write, b".")

    assert log == [
        ("begins", "first"), ("begins", "other"), ("ended", 2), ("ended", 0), ("begins", "second"), ("ended", 1),
    ]  # fmt: skip


def test_the_death_of_a_process_is_the_result_of_its_task_alone():
    def work(task):
        if task == "dies":
            os._exit(7)
        return task

    forks = Forks(work, jobs=1, on_death=lambda task, status: (task, os.waitstatus_to_exitcode(status)))

    assert list(forks.results(["dies", "lives"])) == [(0, ("dies", 7)), (1, "lives")]
