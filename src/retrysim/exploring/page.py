"""An exploration as one page: the matrix, and behind each cell the run that shows its worst, with its lanes."""

from __future__ import annotations

import html

from retrysim.exploring.exploration import Explorer
from retrysim.exploring.found import headline
from retrysim.exploring.matrix import Cell
from retrysim.exploring.text import cell_text, heading, label_of_kind, untried_lines
from retrysim.exploring.trial import Trial
from retrysim.reports import svg_report
from retrysim.reports.words import last_part
from retrysim.trace.reader import load_ndjson

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; color: #1b1f24;
  background: #fff }
table { border-collapse: collapse; margin: 1.5rem 0 } th, td { padding: .35rem .8rem; text-align: left;
  border-bottom: 1px solid #d8dee4; white-space: nowrap } a { color: inherit }
.ok { color: #57606a } .late { background: #fff8c5 } .twice { background: #ffe7c7 }
.failed, .lost, .hangs { background: #ffdcd7; font-weight: 600 }
section { margin: 2.5rem 0; border-top: 1px solid #d8dee4 } section svg { max-width: 100%; height: auto }
pre { background: #f6f8fa; padding: .8rem; overflow-x: auto }
@media (prefers-color-scheme: dark) { body { background: #14181d; color: #e6e9ed } th, td, section {
  border-color: #30363d } .late { background: #4a4111 } .twice { background: #553a12 } pre { background: #1f252c }
  .failed, .lost, .hangs { background: #5c2420 } .ok { color: #9aa4ae } }
"""


def page_of(name: str, explorer: Explorer) -> str:
    """The text of the page. The runs behind the cells are made again, for their traces."""
    exploration = explorer.exploration
    cells = [cell for cell in exploration.matrix.cells.values() if cell.example is not None]
    trials = [_with_trace(cell.example) for cell in cells if cell.example is not None]
    traces = [result.trace for result in explorer.results(trials)] if trials else []
    anchors = {(cell.task, cell.kind): f"run-{number}" for number, cell in enumerate(cells, start=1)}
    parts = [
        f"<h1>What the tasks of {html.escape(name)} survive</h1><p>{html.escape(heading(name, exploration))}</p>",
        *(f"<p>{html.escape(text)}</p>" for text in untried_lines(exploration)),
        _table(explorer, anchors),
        _findings(explorer),
        *(_run(cell, trace, anchors) for cell, trace in zip(cells, traces, strict=True)),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(name)}: explored</title><style>{_STYLE}</style></head>"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _with_trace(trial: Trial) -> Trial:
    return Trial(strikes=trial.strikes, changes=trial.changes, wants_trace=True)


def _table(explorer: Explorer, anchors: dict[tuple[str, str], str]) -> str:
    matrix = explorer.exploration.matrix
    head = "".join(f"<th>{html.escape(last_part(task))}</th>" for task in matrix.tasks)
    rows = []
    for kind in matrix.kinds:
        cells = []
        for task in matrix.tasks:
            cell = matrix.cell(task, kind)
            text, anchor = html.escape(cell_text(cell)), anchors.get((task, kind))
            shown = f'<a href="#{anchor}">{text}</a>' if anchor else text
            cells.append(f'<td class="{cell.worst if cell else "ok"}">{shown}</td>')
        rows.append(f"<tr><th>{html.escape(label_of_kind(kind))}</th>{''.join(cells)}</tr>")
    return f"<table><thead><tr><th>at every point</th>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _findings(explorer: Explorer) -> str:
    items = []
    for finding in explorer.exploration.new:
        file = f"<br><code>{html.escape(finding.scenario)}</code>" if finding.scenario else ""
        text = html.escape(headline(finding.harm, finding.trial))
        items.append(f"<li>{text}{file}<br>Why: {html.escape(finding.cause)}</li>")
    return f"<h2>Findings</h2><ol>{''.join(items)}</ol>" if items else "<p>Nothing new was found.</p>"


def _run(cell: Cell, trace: str, anchors: dict[tuple[str, str], str]) -> str:
    assert cell.example is not None
    title = f"{last_part(cell.task)}, {label_of_kind(cell.kind)}: {cell_text(cell)}"
    place = ", then ".join(strike.point for strike in cell.example.strikes)
    drawing = svg_report(load_ndjson(trace)) if trace else ""
    return (
        f'<section id="{anchors[cell.task, cell.kind]}"><h2>{html.escape(title)}</h2>'
        f"<p>{html.escape(place)}</p>{drawing}</section>"
    )
