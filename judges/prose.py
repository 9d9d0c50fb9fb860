"""Checks the project's prose for the phrases that the writing guide refuses: ``python judges/prose.py [PATH ...]``.

The phrases are read from the table "Phrases that the linter refuses" of ``docs/contributing/writing.md``. Without a
path, it checks the README, the other pages of the root and ``docs``. In Markdown, code is exempt. In Python, it checks
string literals of several words (messages, help, docstrings), but not names and comments.

Prints ``file:line: 'phrase': write ...`` for each finding. Exits with 1 if there is one, and with 2 if the guide has no
such table or a path does not exist.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GUIDE = ROOT / "docs/contributing/writing.md"
DEFAULT = ("README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "CHANGELOG.md", "docs")
_TABLE = re.compile(r"^## Phrases that the linter refuses\n.*?^\|---\|---\|\n(?P<rows>(?:\|[^\n]*\n)+)", re.M | re.S)
_CODE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.M | re.S)
_TABLE_ROW = re.compile(r"^\|.*$", re.M)


@dataclass(frozen=True, kw_only=True)
class Phrase:
    """A refused phrase, what to write instead, and the pattern that finds it: whole words, across a line break too."""

    text: str
    wanted: str
    pattern: re.Pattern[str]


def phrases(guide: str) -> list[Phrase]:
    """The rows of the guide's table. Raises ``ValueError`` if the guide has no such table."""
    table = _TABLE.search(guide)
    if table is None:
        raise ValueError("the writing guide has no table 'Phrases that the linter refuses'")
    found = []
    for row in table["rows"].splitlines():
        wanted, refused = (cell.strip() for cell in row.strip("|").split("|"))
        for text in refused.split(","):
            words = r"\s+".join(map(re.escape, text.split()))
            pattern = re.compile(rf"(?<![\w-]){words}(?![\w-])", re.I)
            found.append(Phrase(text=text.strip(), wanted=wanted, pattern=pattern))
    return found


def _blank(match: re.Match[str]) -> str:
    """The same number of characters and lines, without words, so that the lines of other findings stay right."""
    return re.sub(r"[^\n]", "\0", match[0])


def prose_of_markdown(text: str, *, tables: bool = True) -> Iterator[tuple[int, str]]:
    text = _CODE.sub(_blank, text)
    yield 1, text if tables else _TABLE_ROW.sub(_blank, text)


def prose_of_python(text: str) -> Iterator[tuple[int, str]]:
    """The string literals of several words with their lines, the constant parts of f-strings included."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value.split()) > 1:
            yield node.lineno, re.sub(r"`+[^`\n]+`+", _blank, node.value)


def findings(path: Path, refused: list[Phrase]) -> list[tuple[int, Phrase]]:
    """The line and the phrase of each finding in a file."""
    text = path.read_text(encoding="utf-8")
    # The guide's own tables quote what it refuses.
    prose = prose_of_python(text) if path.suffix == ".py" else prose_of_markdown(text, tables=path != GUIDE)
    found = [
        (first + part.count("\n", 0, match.start()), phrase)
        for first, part in prose
        for phrase in refused
        for match in phrase.pattern.finditer(part)
    ]
    return sorted(found, key=lambda finding: (finding[0], finding[1].text))


def files(paths: list[Path]) -> Iterator[Path]:
    """The Markdown and Python files under the paths. Raises ``FileNotFoundError`` for a path that does not exist."""
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"no such file or folder: {path}")
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (file for file in inside if file.suffix in (".md", ".py") and "_build" not in file.parts)


def main(arguments: list[str]) -> int:
    try:
        refused = phrases(GUIDE.read_text(encoding="utf-8"))
        checked = list(files([Path(one).resolve() for one in arguments] or [ROOT / one for one in DEFAULT]))
    except (ValueError, FileNotFoundError) as error:
        print(f"prose: {error}", file=sys.stderr)
        return 2
    count = 0
    for file in checked:
        shown = file.relative_to(ROOT) if file.is_relative_to(ROOT) else file
        for line, phrase in findings(file, refused):
            print(f"{shown}:{line}: {phrase.text!r}: write {phrase.wanted}")
            count += 1
    print(f"prose: {count} findings in {len(checked)} files", file=sys.stderr)
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
