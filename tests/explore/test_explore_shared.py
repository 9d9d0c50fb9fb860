"""Runs that others make: another process, an executor, a part of a CI matrix, a Dask cluster that loses a worker."""

from __future__ import annotations

import copyreg
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.explore.conftest import HEAD, items

from retrysim.errors import InputError
from retrysim.exploring.exploration import Budget
from retrysim.exploring.face import Sharing, explore_scenario
from retrysim.exploring.forks import Forks
from retrysim.exploring.trial import TrialResult
from retrysim.scenarios import items_of, load

pytestmark = pytest.mark.slow

TEXT = "submit: [{task: quiet, times: 2}, {task: swallow, at: 1m}]\n"
KINDS = ("child_killed", "message_doubled", "api_5xx")


@pytest.fixture(scope="module", autouse=True)
def exceptions_are_pickled_as_before():
    """Dask changes how: ``tblib`` unpickles a ``SystemExit`` without its code, in this process, for good."""
    before = dict(copyreg.dispatch_table)
    yield
    copyreg.dispatch_table.clear()
    copyreg.dispatch_table.update(before)


def cells(exploration):
    return [cell.as_json() for cell in exploration.matrix.cells.values()]


def found(exploration):
    return [(finding.key, finding.runs, finding.trial) for finding in exploration.worst_first]


def explore(sharing=None, budget=None, text=TEXT):
    budget = budget or Budget(jobs=2)
    return explore_scenario(items(text), faults=KINDS, budget=budget, folder=None, sharing=sharing)


@pytest.fixture(scope="module")
def alone():
    return explore()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "shop.scenario.yaml"
    path.write_text(HEAD + TEXT)
    return path


def test_the_process_of_a_run_ends_by_the_signals_that_end_the_search():
    def handlers(_task):
        return [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        found = list(Forks(handlers, jobs=1, on_hang=handlers).results([1]))
    finally:
        signal.signal(signal.SIGTERM, before)

    assert found == [(0, [signal.SIG_DFL, signal.SIG_DFL])]


def test_an_executor_makes_the_same_runs(alone, file):
    with ThreadPoolExecutor(2) as executor:
        exploration = explore_scenario(
            items_of(load(file)), faults=KINDS, folder=None, sharing=Sharing(executor=executor)
        )

    assert cells(exploration) == cells(alone)
    assert found(exploration) == found(alone)


def test_the_parts_of_a_matrix_put_together_are_the_whole(alone, tmp_path):
    parts = [tmp_path / f"part{which}.ndjson" for which in (1, 2, 3)]
    runs = [explore(Sharing(shard=(which, 3), journal=part)).runs for which, part in enumerate(parts, start=1)]

    merged = explore(Sharing(merge=parts))

    assert sum(runs) == alone.runs
    assert max(runs) - min(runs) <= 1
    assert cells(merged) == cells(alone)
    assert found(merged) == found(alone)


def test_a_search_that_was_ended_goes_on_where_it_stopped(alone, tmp_path):
    journal = tmp_path / "runs.ndjson"
    explore(Sharing(journal=journal), Budget(jobs=1, runs=7))
    with journal.open("a") as torn:
        torn.write('{"trial": {"strikes": [')
    before = len(journal.read_text().splitlines())

    whole = explore(Sharing(journal=journal))
    after = len(journal.read_text().splitlines())
    explore(Sharing(journal=journal))

    assert before < after
    assert len(journal.read_text().splitlines()) == after  # nothing was made again
    assert cells(whole) == cells(alone)


def test_a_journal_of_another_scenario_is_refused(tmp_path):
    journal = tmp_path / "runs.ndjson"
    explore(Sharing(journal=journal), Budget(runs=1))

    with pytest.raises(InputError) as caught:
        explore(Sharing(journal=journal), text="submit: [{task: quiet}]\n")

    first, *_, last = str(caught.value).splitlines()
    assert first == f"{journal}: a journal of another scenario or of other versions"
    assert last == "  Remove the file, or explore with what it was made with."


def test_a_file_that_is_no_journal_is_refused(tmp_path):
    (tmp_path / "x.ndjson").write_text("hello\n")

    with pytest.raises(InputError, match=r"x\.ndjson: not a journal of retrysim explore: "):
        explore(Sharing(merge=[tmp_path / "x.ndjson"]))


def test_a_journal_that_there_is_not_is_one_clear_error(tmp_path):
    with pytest.raises(InputError, match=r"x\.ndjson: cannot be read: No such file or directory$"):
        explore(Sharing(merge=[tmp_path / "x.ndjson"]))


def test_no_point_is_lost_with_a_worker_of_a_dask_cluster(alone, file):
    if not os.environ.get("CI"):
        pytest.importorskip("distributed", reason="needs the extra dask")
    import distributed

    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        pids = list(client.run(os.getpid).values())
        seen: list[TrialResult] = []

        def kill_one(exploration):
            if exploration.runs and not seen:
                seen.append(exploration.base)
                os.kill(pids[0], signal.SIGKILL)

        executor = client.get_executor(pure=False, retries=3)
        exploration = explore_scenario(
            items_of(load(file)), faults=KINDS, folder=None, sharing=Sharing(executor=executor), watch=kill_one
        )

    assert seen
    assert cells(exploration) == cells(alone)
    assert found(exploration) == found(alone)


def test_a_dask_cluster_that_does_not_answer_is_one_clear_error():
    pytest.importorskip("distributed", reason="needs the extra dask")
    from retrysim.exploring.dask import dask_executor

    with pytest.raises(InputError, match=r"--dask tcp://127\.0\.0\.1:9: no scheduler of Dask answers there: "):
        dask_executor("tcp://127.0.0.1:9", timeout=1.0)
