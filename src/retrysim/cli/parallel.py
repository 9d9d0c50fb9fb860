"""Plays items in parallel, each in a fork of this process, and gives them back in their order.

What an item writes to standard output and error comes before the text about it, as when this process plays it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from retrysim.celery.brokers import kind_of_broker
from retrysim.cli.ending import CommandError, EndedElsewhere
from retrysim.cli.interrupts import sigterm_is_ctrl_c
from retrysim.cli.item_player import ItemPlayer, Played, name_of
from retrysim.cli.progress import Count, wants_progress
from retrysim.exploring.face import share_databases
from retrysim.exploring.forks import Forks
from retrysim.exploring.warm import warm_up
from retrysim.outside import permit_for
from retrysim.playing import environment_variables, find_app, trace_file

if TYPE_CHECKING:
    from retrysim.scenarios import ScenarioItem


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    """How an item ended, and what it wrote."""

    result: Played | CommandError
    out: str = ""
    err: str = ""


def played_in_parallel(items: Sequence[ScenarioItem], player: ItemPlayer, jobs: int) -> Generator[Played]:
    """Play up to ``jobs`` items at once. Raises ``EndedElsewhere`` for the first item that raises an error."""
    count = Count(sys.stderr, len(items)) if wants_progress() else None
    with sigterm_is_ctrl_c(), TemporaryDirectory(prefix="retrysim-run-") as folder:
        forked = _Forked(items, player, Path(folder), count)
        try:
            for one in forked.in_order(jobs):
                if count:
                    count.clear()
                yield _shown(one)
        finally:
            if count:
                count.clear()


def _shown(ended: _Ended) -> Played:
    """The item, after what it wrote."""
    for stream, text in ((sys.stdout, ended.out), (sys.stderr, ended.err)):
        stream.write(text)
        stream.flush()
    if isinstance(ended.result, CommandError):
        raise EndedElsewhere(ended.result)
    return ended.result


class _Forked:
    """The items of a command by their numbers, each played in a process of its own."""

    def __init__(
        self, items: Sequence[ScenarioItem], player: ItemPlayer, folder: Path, count: Count | None = None
    ) -> None:
        self._items = items
        self._player = player
        self._folder = folder
        self._count = count
        self._imported: set[str] = set()
        self._shared: dict[str, bool] = {}

    def in_order(self, jobs: int) -> Iterator[_Ended]:
        """How each item ended, the first first, as soon as all before it have."""
        ended: dict[int, _Ended] = {}
        for number, item in enumerate(self._items):
            if (skipped := self._player.skipped(item)) is not None:
                ended[number] = _Ended(result=skipped)
        to_play = [number for number in range(len(self._items)) if number not in ended]
        forks: Forks[int, _Ended] = Forks(
            self._play, jobs=jobs, on_death=self._died, before=self._prepare, claims=self._claims
        )
        following = 0
        with closing(forks.results(to_play)) as results:
            for index, one in results:
                ended[to_play[index]] = one
                while following in ended:
                    yield ended.pop(following)
                    following += 1
                if self._count:
                    self._count.end(to_play[index], following + len(ended))
        yield from (ended[number] for number in sorted(ended))  # skipped, after the last that was played

    # -- before the fork -----------------------------------------------------------------------------------------------

    def _claims(self, number: int) -> Collection[str]:
        """What no other item may use meanwhile: a database, the files that are kept."""
        item, player = self._items[number], self._player
        claims = [str(trace_file(item, Path()))] if player.trace_dir or player.html_dir else []
        return [*claims, "databases"] if self._share_databases(item) else claims

    def _share_databases(self, item: ScenarioItem) -> bool:
        spec = item.scenario.spec
        if spec.databases is None:
            return share_databases(item)
        if spec.app not in self._shared:
            self._import(item)
            self._shared[spec.app] = True
            with suppress(Exception):  # the fork meets it, too, and reports it
                self._shared[spec.app] = share_databases(item)
        return self._shared[spec.app]

    def _prepare(self, number: int) -> None:
        """Import what the fork would have to, and leave nothing in a buffer that the fork would write again."""
        item = self._items[number]
        if self._count:
            self._count.begin(number, name_of(item))
        self._import(item)
        sys.stdout.flush()
        sys.stderr.flush()

    def _import(self, item: ScenarioItem) -> None:
        """The app of an item, and what a simulation on its broker takes."""
        spec = item.scenario.spec
        if spec.app in self._imported:
            return
        self._imported.add(spec.app)
        with suppress(Exception), environment_variables(item):  # the fork meets it, too, and reports it
            app = find_app(item, allowed=(*spec.allow, *permit_for(spec.databases)))
            warm_up((item.broker or kind_of_broker(app)).partition(":")[0])

    # -- in the fork ---------------------------------------------------------------------------------------------------

    def _play(self, number: int) -> _Ended:
        os.setpgid(0, 0)  # its isolated pool processes end with it
        for descriptor, file in self._files(number).items():
            opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(opened, descriptor)
            os.close(opened)
        result: Played | CommandError
        try:
            result = self._player.played(self._items[number])
        except Exception as error:
            result = CommandError.of(error)
        sys.stdout.flush()
        sys.stderr.flush()
        return self._ended(number, result)

    # -- after it ------------------------------------------------------------------------------------------------------

    def _died(self, number: int, status: int) -> _Ended:
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGINT:
            raise KeyboardInterrupt  # a terminal sends it to all processes
        return self._ended(number, self._player.crashed(self._items[number], _how(status)))

    def _files(self, number: int) -> Mapping[int, Path]:
        """Where the fork writes what goes to its standard output and error."""
        return {1: self._folder / f"{number}.out", 2: self._folder / f"{number}.err"}

    def _ended(self, number: int, result: Played | CommandError) -> _Ended:
        out, err = (
            file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
            for file in self._files(number).values()
        )
        return _Ended(result=result, out=out, err=err)


def _how(status: int) -> str:
    """How a process ended that was to play an item."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
        return f"the process that played this item was killed by {name}"
    return f"the process that played this item exited with {os.waitstatus_to_exitcode(status)} before the item ended"
