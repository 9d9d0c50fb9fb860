"""Bad input as a judge: broken scenario files, command lines and damaged traces, 300 of each, made from seeds.

    python judges/input/judge.py [traces|scenarios|command_lines ...] [--number 300] [--only SEED]

None may end in a traceback or in an exit code that is not documented, take more than 10 s of CPU time or 500 MB, or
write what steers a terminal. Prints the figures, and each case that fails; exit code 1 when one does.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ProcessPoolExecutor
from itertools import islice
from pathlib import Path

from cases import Case, Ended, play
from command_lines import odd_command_lines
from runs import traces_of_runs
from scenarios import broken_scenarios
from traces import damaged_traces

import retrysim.audit
import retrysim.cli.run
import retrysim.reports
import retrysim.simulation.player  # noqa: F401 - a child has it then

HERE = Path(__file__).resolve().parents[2]
#: Cases at once: some wait for a port or for their interrupt.
AT_ONCE = 2 * (os.cpu_count() or 1)


def _traces(number: int) -> Iterable[Case]:
    return damaged_traces(traces_of_runs(HERE), number)


def _command_lines(number: int) -> Iterable[Case]:
    return odd_command_lines(number, traces_of_runs(HERE)[0])


_KINDS: dict[str, Callable[[int], Iterable[Case]]] = {
    "traces": _traces,
    "scenarios": broken_scenarios,
    "command_lines": _command_lines,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(_KINDS)}; all of them by default")
    parser.add_argument("--number", type=int, default=300, help="how many of each kind")
    parser.add_argument("--only", type=int, help="the case of this seed alone, with its output")
    options = parser.parse_args()
    if strangers := set(options.kinds) - set(_KINDS):
        parser.error(f"no kind {min(strangers)!r}")
    kinds = options.kinds or _KINDS
    with ProcessPoolExecutor(AT_ONCE, multiprocessing.get_context("fork")) as players:
        failed = [ended for kind in kinds for ended in _judged(players, kind, options.number, options.only)]
    for ended in failed:
        print(f"{ended.case.name}: {'; '.join(ended.complaints)}\n{_end(ended.output)}")
    return 1 if failed else 0


def _judged(players: Executor, kind: str, number: int, only: int | None) -> list[Ended]:
    began = time.monotonic()
    cases = _KINDS[kind](number if only is None else only + 1)
    chosen = cases if only is None else islice(cases, only, None)
    ends = [_shown(ended, only) for ended in players.map(play, chosen)]
    codes = ", ".join(f"{count} x exit code {code}" for code, count in sorted(Counter(e.code for e in ends).items()))
    failed = [ended for ended in ends if ended.complaints]
    print(
        f"{kind}: {len(ends)} cases in {time.monotonic() - began:.0f} s, {codes}; "
        f"at most {max(e.seconds for e in ends):.1f} s of CPU time "
        f"and {max(e.megabytes for e in ends):.0f} MB; {len(failed)} failed"
    )
    sys.stdout.flush()
    return failed


def _shown(ended: Ended, only: int | None) -> Ended:
    if only is not None:
        print(ended.case.name, ended.code, ended.output, sep="\n")
    return ended


def _end(output: str) -> str:
    """The last lines of an output, harmless."""
    return "\n".join("    " + ascii(line)[1:-1][:200] for line in output.splitlines()[-6:])


if __name__ == "__main__":
    sys.exit(main())
