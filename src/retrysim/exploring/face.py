"""The one way into an exploration, for the command, pytest and Python."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from retrysim.databases import each_fork_has_its_own
from retrysim.errors import InputError
from retrysim.exploring.executor import Executed
from retrysim.exploring.exhaustive import prove
from retrysim.exploring.exploration import Budget, Exploration, Explorer, Interrupted, Watch, kinds_named
from retrysim.exploring.further import Further, search_further
from retrysim.exploring.journal import Journal, Journaled
from retrysim.exploring.page import page_of
from retrysim.exploring.report import markdown_report
from retrysim.exploring.runner import Runner
from retrysim.exploring.settle import Settling, mark_accepted
from retrysim.exploring.shared_start import SharedStart, runner_of, why_not_shared
from retrysim.exploring.subject import Subject, subject_of
from retrysim.exploring.surroundings import surroundings_of
from retrysim.exploring.trial import Trial, TrialResult
from retrysim.exploring.warm import warm_up
from retrysim.machine import cores
from retrysim.outside import names_a_file
from retrysim.project import Project
from retrysim.scenarios import ScenarioItem
from retrysim.simulation.player import databases_of


@dataclass(frozen=True, kw_only=True)
class Sharing:
    """How the runs are shared out: with whom, which share is ours, and what others have made already."""

    executor: Executor | None = None
    shard: tuple[int, int] = (1, 1)  # (which, of how many)
    journal: Path | None = None
    merge: Sequence[Path] = ()

    @property
    def is_part(self) -> bool:
        """Whether others make the rest: then nothing is shrunk or written down here."""
        return self.shard[1] > 1


@dataclass(frozen=True, kw_only=True)
class Pages:
    """Reports to be written with the findings."""

    markdown: Path | None = None
    html: Path | None = None


def explore_scenario(
    items: tuple[ScenarioItem, ...],
    *,
    wanted: str | None = None,
    project: Project | None = None,
    faults: Sequence[str] = (),
    budget: Budget | None = None,
    folder: Path | None = Path("found"),
    watch: Watch | None = None,
    sharing: Sharing | None = None,
    pages: Pages | None = None,
    exhaustive: bool = False,
) -> Exploration:
    """Explore one item of a scenario, and write down what was found, unless there is no ``folder`` for it.

    Raises ``InputError`` for a scenario that shows nothing.
    """
    budget, sharing = budget or Budget(), sharing or Sharing()
    kinds = kinds_named(faults)
    subject = subject_of(items, wanted, project)
    around = surroundings_of(subject)
    subject = replace(subject, server=around.broker if around.has_server else None)
    warm_up(around.broker)
    journal = Journal(subject, write=sharing.journal, read=sharing.merge)
    if sharing.executor is None and share_databases(subject.item):
        budget = replace(budget, jobs=1)
    with _runner(subject, budget, sharing) as runner:
        explorer = Explorer(Journaled(runner, journal), around, kinds=kinds, budget=budget, watch=watch)
        explorer.exploration.starts_anew = why_not_shared(subject)
        which, parts = sharing.shard
        search(
            explorer,
            f"{budget.seed}/{which}" if sharing.is_part else str(budget.seed),
            share=(which - 1, parts),
            merged=list(journal.known.values()) if sharing.merge else (),
            exhaustive=exhaustive,
        )
        if folder is None or sharing.is_part:
            mark_accepted(explorer, subject)
        else:
            Settling(explorer, subject, folder).settle()
    explorer.exploration.seconds = explorer.elapsed
    _write_pages(explorer, subject, pages or Pages())
    return explorer.exploration


@contextmanager
def _runner(subject: Subject, budget: Budget, sharing: Sharing) -> Iterator[Runner]:
    if sharing.executor is not None:
        yield Executed(sharing.executor, subject)
        return
    runner = runner_of(subject, jobs=budget.jobs or cores())
    try:
        yield runner
    finally:
        if isinstance(runner, SharedStart):
            runner.close()


def share_databases(item: ScenarioItem) -> bool:
    """Whether runs of it in parallel would meet in one database; makes the test databases, once for all of them."""
    spec = item.scenario.spec
    if spec.databases != "test":
        return spec.databases is not None or any(map(names_a_file, spec.allow))
    with databases_of(item):
        return not each_fork_has_its_own()


def search(
    explorer: Explorer,
    seed: str,
    *,
    share: tuple[int, int] = (0, 1),
    merged: Sequence[tuple[Trial, TrialResult]] = (),
    exhaustive: bool = False,
) -> None:
    """All single faults (or a share of them), what others have found, and what the budget leaves room for.

    ``exhaustive``: in place of what is drawn, every order of ties within bounds.
    """
    further = Further(explorer, seed)
    try:
        explorer.single_faults(learn=further.learn if explorer.is_bounded else None, share=share)
        for trial, result in merged:
            explorer.take_known(trial, result)
        if exhaustive:
            proof = prove(explorer)
            explorer.exploration.proof = proof.line(len(explorer.exploration.states))
        else:
            search_further(explorer, further, share=share)
    except (Interrupted, KeyboardInterrupt):
        explorer.exploration.interrupted = True


def _write_pages(explorer: Explorer, subject: Subject, pages: Pages) -> None:
    name = Path(subject.item.file).name
    if pages.markdown is not None:
        _write("--markdown", pages.markdown, markdown_report(name, explorer.exploration))
    if pages.html is not None:
        _write("--html", pages.html, page_of(name, explorer))


def _write(option: str, path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{option} {path}: cannot be written: {error.strerror}") from None
