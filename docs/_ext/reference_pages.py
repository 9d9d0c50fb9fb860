"""Reference that is generated from the code: the scenario schema, invariants, events and kinds of finding."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class Generated(SphinxDirective):
    """``{generated} invariants``: the Markdown that the function of that name writes."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        lines = "\n".join(PAGES[self.arguments[0]]()).splitlines()
        container = nodes.container()
        self.state.nested_parse(StringList(lines, source=__file__), self.content_offset, container)
        return container.children


def invariants() -> Iterable[str]:
    """Each with its docstring; the default ones are marked."""
    from retrysim.invariants import BY_NAME, DEFAULT

    for name, invariant in BY_NAME.items():
        default = " *(checked by default)*" if invariant in DEFAULT else ""
        yield f"**`{name}`**{default}\n: {_text(invariant)}\n"


def events() -> Iterable[str]:
    """Each kind with what it carries; ``at_ns`` is in all."""
    from retrysim.trace.events import KINDS

    for kind, event in KINDS.items():
        names = ", ".join(f"`{field.name}`" for field in fields(event) if field.name != "at_ns")
        yield f"**`{kind}`**: {names}\n: {_text(event)}\n"


def schema() -> Iterable[str]:
    """A table for each object of the JSON Schema, the scenario itself first."""
    from retrysim.scenarios import json_schema

    whole = json_schema()
    yield from _object("A scenario", whole)
    for name, one in whole.get("$defs", {}).items():
        if one.get("properties"):
            yield from _object(name, one)


def commands() -> Iterable[str]:
    """The help of each command, as it is printed."""
    import click

    from retrysim.cli import main

    for name, command in sorted(main.commands.items()):
        context = click.Context(command, info_name=f"retrysim {name}", terminal_width=80)
        yield f"**`retrysim {name}`**\n\n```text\n{command.get_help(context)}\n```\n"


def findings() -> Iterable[str]:
    """The kinds of finding of an audit."""
    from retrysim.audit.finding import FindingKind

    source = inspect.getsource(FindingKind)
    for kind in FindingKind:
        line = next(line for line in source.splitlines() if f'"{kind.value}"' in line)
        yield f"**`{kind.value}`**\n: {line.partition('# ')[2]}\n"


def _object(title: str, schema: dict[str, Any]) -> Iterable[str]:
    yield f"**{title}**\n"
    yield "| key | takes | what it is |"
    yield "|---|---|---|"
    for key, value in schema["properties"].items():
        required = " (required)" if key in schema.get("required", ()) else ""
        yield f"| `{key}`{required} | {_takes(value)} | {_cell(value.get('description', ''))} |"
    yield ""


def _takes(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]
    for of in ("anyOf", "oneOf"):
        if of in schema:
            return " or ".join(dict.fromkeys(_takes(one) for one in schema[of] if one.get("type") != "null"))
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if schema.get("type") == "array":
        return f"list of {_takes(schema.get('items', {}))}"
    kind = schema.get("type", "anything")
    return _cell(" or ".join(kind) if isinstance(kind, list) else str(kind))


def _text(thing: object) -> str:
    return " ".join((inspect.getdoc(thing) or "").split()).replace("``", "`")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("``", "`").replace("|", "\\|")


PAGES = {"commands": commands, "invariants": invariants, "events": events, "schema": schema, "findings": findings}


def leave_out_empty_folders(app: Sphinx, _page: str, source: list[str]) -> None:
    """A folder without pages is no entry of the navigation (and no warning)."""
    globs = re.findall(r"^([\w-]+)/\*$", source[0], re.M)
    for folder in globs:
        if not list((Path(app.srcdir) / folder).glob("*.md")):
            source[0] = source[0].replace(f"\n{folder}/*\n", "\n")


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("generated", Generated)
    app.connect("source-read", leave_out_empty_folders)
    return {"parallel_read_safe": True}
