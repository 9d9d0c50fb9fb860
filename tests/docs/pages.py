"""Plays a page of the documentation in a folder: files are written, programs run, commands compared with their output.

- A Python or YAML block whose first line is ``# name.py`` is that file.
- Any other Python block is run, after those above it on its page.
- ``console``: each ``$`` command is run there; the lines below it are its output, ``...`` stands for anything. What
  installs something is left out: the test has it installed.
- ``sh``: a ``retrysim`` command must exist and take these options.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from retrysim.cli import main

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
_FENCE = re.compile(r"^```(?P<language>[\w-]*)\n(?P<text>.*?)^```$", re.M | re.S)
_FILE_NAME = re.compile(r"# (?P<name>[\w./-]+\.\w+)\n")
_INSTALLS = re.compile(r"(python3? -m venv|pip install|\. \.venv)")
_BIN = Path(sys.executable).parent


@dataclass(frozen=True, kw_only=True)
class Block:
    """A fenced block; ``line`` is where it begins on its page."""

    language: str
    text: str
    line: int


def pages():
    """Every page that people read, by its path."""
    return sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)


def played_pages():
    """Those whose code is run here. The pages of traps are written from scenarios, which are run as tests themselves."""
    return [page for page in pages() if page.parent.name != "traps"]


def blocks(page):
    text = page.read_text()
    for fence in _FENCE.finditer(text):
        line = text.count("\n", 0, fence.start()) + 1
        yield Block(language=fence["language"], text=fence["text"], line=line)


def play(page, folder):
    """Raises ``AssertionError`` at the first block that does not do what its page says."""
    script = ""
    for block in blocks(page):
        where = f"{page.relative_to(ROOT)}:{block.line}"
        named = _FILE_NAME.match(block.text)
        if named and block.language in ("python", "yaml", "toml"):
            file = folder / named["name"]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text)
        elif block.language == "python":
            script += block.text
            ended = _run([sys.executable, "-c", script], folder)
            assert ended.returncode == 0, f"{where}: {ended.stdout}{ended.stderr}"
        elif block.language == "console":
            _compare_commands(block, folder, where)
        elif block.language == "sh":
            check_options(block.text, where)


def _run(command, folder):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "80", "PATH": f"{_BIN}:{os.environ['PATH']}"}
    environment["PYTEST_ADDOPTS"] = "-p no:hypothesispytest -p no:anyio"  # no page is about them; they import slowly
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def _compare_commands(block, folder, where):
    for part in re.split(r"^\$ ", block.text, flags=re.M)[1:]:
        command, _, expected = part.partition("\n")
        if _INSTALLS.match(command):
            continue
        ended = _run(["bash", "-c", command], folder)
        assert _pattern(expected).fullmatch(ended.stdout + ended.stderr), (
            f"{where}: $ {command}\nexpected:\n{expected}\ngot:\n{ended.stdout}{ended.stderr}"
        )


def _pattern(expected):
    """``...`` stands for anything; trailing blanks do not count."""
    text = "\\s*\n".join(re.escape(line.rstrip()) for line in expected.rstrip("\n").split("\n"))
    return re.compile(text.replace(r"\.\.\.", ".*") + r"\s*", re.S)


def check_options(commands, where):
    """Each ``retrysim`` command of these lines exists, and takes these options."""
    for line in commands.splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["retrysim"] and words[1:2] != ["--help"]:
            command = main.commands.get(words[1])
            assert command is not None, f"{where}: no command {words[1]!r}"
            arguments = list(takewhile(lambda word: word not in ("|", "||", "&&", ">", ">>"), words[2:]))
            if "--help" not in arguments:
                command.make_context(words[1], arguments)
