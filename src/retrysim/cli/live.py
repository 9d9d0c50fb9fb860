"""The live half of ``retrysim run``: the same items on a real broker, several at once, compared with a simulation."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click

from retrysim.cli.echo import echo
from retrysim.cli.verdict import Verdict, verdict_of
from retrysim.durations import SECOND, format_duration
from retrysim.errors import InputError
from retrysim.live.playable import why_not
from retrysim.live.player import LivePlayer, Venue, tolerance_ns
from retrysim.live.rabbit_version import modelled_version
from retrysim.live.resolution import check_scale, fastest
from retrysim.outcomes.comparison import ComparedRow, agree, compare, table
from retrysim.outcomes.outcome import Outcome
from retrysim.printable import printable, printable_line
from retrysim.scenarios import ScenarioItem

_REDIS = ("RETRYSIM_REDIS_URL", "redis://127.0.0.1:6379/0")
_AMQP = ("RETRYSIM_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672//")
#: The words that stand for the broker that an environment variable names.
_WORDS: Mapping[str, tuple[str, str]] = MappingProxyType({"redis": _REDIS, "amqp": _AMQP})
#: How often it is said what a run waits for where no terminal shows it, in seconds.
_RARELY = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveOptions:
    """What was asked for: ``scale`` is ``None`` for the fastest that the scenario allows."""

    url: str
    scale: float | None
    compare: bool
    jobs: int
    times: int
    seed: int | None
    trace_dir: Path | None
    as_json: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One item played live, and compared with its simulation if that was asked for."""

    item: ScenarioItem
    live: Outcome
    simulated: Outcome | None
    scale: float
    rows: list[ComparedRow]

    @property
    def passed(self) -> bool:
        return self.live.passed and agree(self.rows) and (self.simulated is None or self.simulated.passed)


def play_all(items: Sequence[ScenarioItem], options: LiveOptions) -> list[Verdict]:
    """The verdict on each item that runs a worker; the others say nothing about a real one, and are left out."""
    venue = Venue(url=_url(options.url), results_url=os.environ.get(*_REDIS))
    kind = "redis" if venue.url.startswith("redis") else "amqp"
    if kind == "amqp":
        _check_that_one_host_is_enough(venue.url, options.jobs)
    playable = _playable(items, kind, venue.url)
    began, verdicts = time.perf_counter(), []
    with LiveProgress() as progress:
        simulated = [_simulate(item) if _needs_simulation(options) else None for item in playable]
        scales = [_scale(item, outcome, options) for item, outcome in zip(playable, simulated, strict=True)]
        orders = list(zip(playable, simulated, scales, strict=True)) * options.times
        with LivePlayer(venue, seed=options.seed) as player, ThreadPoolExecutor(options.jobs) as pool:
            try:
                pairs = [pool.submit(_play, player, *order, options, progress) for order in orders]
                for pair in _in_order(pairs):
                    progress.clear()
                    verdicts.append(_print(pair, options))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                player.__exit__(None, None, None)  # ends what runs, so that the threads of the pool end
                raise
    _print_end(verdicts, len(items) * options.times, time.perf_counter() - began, options)
    return verdicts


def _check_that_one_host_is_enough(url: str, jobs: int) -> None:
    from retrysim.live.rabbit_place import named_host

    host = named_host(url)
    if jobs > 1 and host is not None:
        raise InputError(
            f"--live {url} --jobs {jobs}: the virtual host {host!r} holds one run at a time. Write --jobs 1, or a URL "
            "without a virtual host: each run then makes one with rabbitmqctl"
        )


def _in_order(pairs: list[Future[Pair]]) -> Iterator[Pair]:
    for pair in pairs:
        yield pair.result()


def _url(given: str) -> str:
    return os.environ.get(*_WORDS[given]) if given in _WORDS else given


def _playable(items: Sequence[ScenarioItem], kind: str, url: str) -> list[ScenarioItem]:
    """The items that a live run can play; what keeps the others from it is said. Raises it where none is left."""
    reasons = [why_not(item, kind) for item in items]
    if all(reasons):
        raise next(reason for reason in reasons if reason is not None)
    for item, reason in zip(items, reasons, strict=True):
        if reason is not None and item.celery == "worker":
            echo(f"left out: {reason}", err=True)
    # the simulated broker that stands beside this real one
    broker: Any = "redis" if kind == "redis" else f"rabbitmq:{modelled_version(url)}"
    return [replace(item, broker=broker) for item, reason in zip(items, reasons, strict=True) if reason is None]


def _needs_simulation(options: LiveOptions) -> bool:
    return options.compare or options.scale is None


def _simulate(item: ScenarioItem) -> Outcome:
    from retrysim.simulation.player import play

    return play(item)


def _scale(item: ScenarioItem, simulated: Outcome | None, options: LiveOptions) -> float:
    trace = None if simulated is None else simulated.trace
    if options.scale is None:
        return fastest(item, trace)
    check_scale(item, options.scale, trace)
    return options.scale


def _play(
    player: LivePlayer,
    item: ScenarioItem,
    simulated: Outcome | None,
    scale: float,
    options: LiveOptions,
    progress: LiveProgress,
) -> Pair:
    name = f"{Path(item.file).name.partition('.')[0]}[{item.id}]"
    live = player.play(
        item, scale=scale, trace_dir=options.trace_dir, say=lambda text: progress.say(name, f"waiting {text}")
    )
    compared = simulated if options.compare else None
    rows = [] if compared is None else compare(compared, live, tolerance_ns(item, scale), scale)
    return Pair(item=item, live=live, simulated=compared, scale=scale, rows=rows)


# -- what is printed ---------------------------------------------------------------------------------------------------


class LiveProgress:
    """A line on standard error that says what the runs wait for; where that is no terminal, one now and then."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._said: dict[str, float] = {}

    def __enter__(self) -> LiveProgress:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def say(self, name: str, text: str) -> None:
        if self._is_terminal:
            click.echo("\r\x1b[K" + printable_line(f"{name}: {text}")[:160], err=True, nl=False)
        elif time.monotonic() - self._said.get(name, 0) >= _RARELY:
            self._said[name] = time.monotonic()
            echo(f"{name}: {text}", err=True)

    def clear(self) -> None:
        if self._is_terminal:
            click.echo("\r\x1b[K", err=True, nl=False)


def _print(pair: Pair, options: LiveOptions) -> Verdict:
    verdict = verdict_of(passed=pair.passed, known_to_fail=pair.item.scenario.spec.xfail is not None)
    if options.as_json:
        echo(json.dumps(_as_json(pair)))
        return verdict
    word = click.style(verdict.value, fg="green" if verdict.is_good else "red")
    speed = "" if pair.scale == 1 else f", {pair.scale:g} times as fast"
    took = f"in {pair.live.wall_ns / SECOND:.0f} s{speed}"
    echo(f"{word}  {printable(f'{pair.item.file}[{pair.item.id}]')} {took}", styled=True)
    if pair.rows and (not agree(pair.rows) or not options.jobs > 1):
        echo(table(pair.rows))
    if not verdict.is_good:
        for arm, outcome in (("live", pair.live), ("simulated", pair.simulated)):
            if outcome is not None and not outcome.passed:
                echo(f"{arm}: {outcome.text()}\n")
    return verdict


def _as_json(pair: Pair) -> dict[str, Any]:
    facts = {**pair.live.as_json(), "arm": "live", "passed": pair.passed, "scale": pair.scale}
    facts["tolerance"] = tolerance_ns(pair.item, pair.scale) / SECOND
    if pair.simulated is not None:
        facts["agrees"] = agree(pair.rows)
        facts["comparison"] = [
            {"what": row.what, "simulated": row.simulated, "live": row.live, "same": row.same} for row in pair.rows
        ]
    return facts


def _print_end(verdicts: list[Verdict], asked: int, seconds: float, options: LiveOptions) -> None:
    if options.as_json:
        return
    good = sum(verdict.is_good for verdict in verdicts)
    left_out = (
        f", {asked - len(verdicts)} left out: no real worker runs them, or not on this broker"
        if asked > len(verdicts)
        else ""
    )
    word = "agree" if options.compare else "hold"
    echo(f"{good} of {len(verdicts)} {word}{left_out}; {format_duration(int(seconds) * SECOND)}")
