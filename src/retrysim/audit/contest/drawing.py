"""The contest for a person: a table, a lane of calls for each policy, and the advice."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from retrysim.audit.chain import Spread
from retrysim.audit.contest.contest import Contest, Standing, advice
from retrysim.audit.findings import shown
from retrysim.durations import format_duration

#: The columns of a lane.
_WIDTH = 48
#: What stands in a column: (some call was served, some was refused) -> sign and colour.
_SIGNS = {
    (True, False): ("█", "green"),
    (True, True): ("▓", "yellow"),
    (False, True): ("x", "red"),
    (False, False): ("·", "dim"),
}


def render(contest: Contest) -> RenderableType:
    """All of it, for 80 columns."""
    heading = Text(f"\n{heading_of(contest)}\n", style="bold")
    return Group(heading, _table(contest), Text(""), _lanes(contest), Text(f"\n{advice(contest)}"))


def heading_of(contest: Contest) -> str:
    """What was played, how often, and how figures are written."""
    retries = "no end" if contest.workload.max_retries is None else contest.workload.max_retries
    seeds = "1 seed" if contest.seeds == 1 else f"{contest.seeds} seeds (median, least..most)"
    return f"{contest.workload}; max_retries={retries} but for tasks' own; {seeds}"


def _table(contest: Contest) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("policy", overflow="fold")
    for heading in (
        "lost",
        f"drained ({format_duration(contest.workload.optimum_ns)} at best)",
        "refused",
        "peak/s",
        "calls",
    ):
        table.add_column(heading, justify="right")
    for one in contest.standings:
        style = "red" if one.lost.most else "default"
        counts = (spread_text(spread) for spread in (one.refused, one.peak, one.attempts))
        table.add_row(name_of(one), Text(spread_text(one.lost), style=style), _drained(one), *counts)
    return table


def _drained(standing: Standing) -> str:
    """When the last task was through; a policy that always loses some never drains."""
    return "never" if standing.lost.least else shown(standing.drained.median)


def name_of(standing: Standing) -> str:
    """The policy; a task's own without its module."""
    return f"{standing.name.rpartition('.')[2]} (yours)" if standing.own else standing.name


def spread_text(spread: Spread) -> str:
    """``220``, or ``214 (210..219)``."""
    return str(spread.median) if spread.is_one else f"{spread.median} ({spread.least}..{spread.most})"


def _lanes(contest: Contest) -> RenderableType:
    """The calls of the first seed."""
    horizon_ns = contest.horizon_ns
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(overflow="fold")
    grid.add_column(no_wrap=True)
    for one in contest.standings:
        grid.add_row(name_of(one), _lane(one, horizon_ns))
    grid.add_row("", Text(f"0s{format_duration(horizon_ns):>{_WIDTH - 2}}", style="dim"))
    grid.add_row("", Text("█ served  ▓ served and refused  x refused  · no call", style="dim"))
    return grid


def _lane(standing: Standing, horizon_ns: int) -> Text:
    seen = [(False, False)] * _WIDTH
    for call in standing.results[0].calls:
        column = call.at_ns * _WIDTH // horizon_ns
        if column < _WIDTH:
            served, refused = seen[column]
            seen[column] = (served or call.served, refused or not call.served)
    return Text.assemble(*(_SIGNS[one] for one in seen))


def contest_markdown(contest: Contest) -> str:
    """The table and the advice, for a ticket."""
    optimum = format_duration(contest.workload.optimum_ns)
    lines = [
        f"| policy | lost | drained ({optimum} at best) | refused | peak/s | calls |",
        "| --- " + "| ---: " * 5 + "|",
    ]
    for one in contest.standings:
        counts = (spread_text(spread) for spread in (one.refused, one.peak, one.attempts))
        cells = (name_of(one), spread_text(one.lost), _drained(one), *counts)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([f"### {heading_of(contest)}", "", *lines, "", advice(contest)])
