"""The line that an error names: the project's, or that of the library which called another one."""

import sysconfig
from pathlib import Path

import pytest

from retrysim.patches.places import call_site

LIBRARIES = Path(sysconfig.get_path("purelib"))
SCRIPTS = Path(sysconfig.get_path("scripts"))


def said_in(*files):
    """What the innermost of these modules is told, of which each calls the next."""
    ask = call_site
    for file in reversed(files):
        named = {"__name__": f"{file.parent.name}.{file.stem}", "ask": ask}
        exec(compile("def call():\n    return ask()\n", str(file), "exec"), named)
        ask = named["call"]
    return ask()


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([Path("/project/shop/tasks.py"), LIBRARIES / "orm" / "query.py"], "tasks.py:2"),
        ([SCRIPTS / "retrysim", LIBRARIES / "hooks" / "apps.py", LIBRARIES / "orm" / "query.py"], "apps.py:2"),
        ([SCRIPTS / "retrysim", LIBRARIES / "orm" / "query.py", LIBRARIES / "orm" / "sql.py"], "sql.py:2"),
    ],
    ids=["a line of the project", "the library that called the innermost one", "one library alone"],
)
def test_the_nearest_line_that_a_reader_can_change(files, expected, monkeypatch):
    monkeypatch.setattr("retrysim.patches.places._is_ours_or_standard", only_these(files))

    assert said_in(*files) == expected


def only_these(files):
    """A test is a line of the project itself: it, and what called it, are left out."""
    from retrysim.patches.places import _is_ours_or_standard

    named = {str(file) for file in files}
    return lambda frame: frame.f_code.co_filename not in named or _is_ours_or_standard(frame)
