"""A command line to try, the files it reads, and how it ended; each runs in a child process, forked from this one.

A fork is warm: what the command imports is there. Time, memory and output are measured per child.
"""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

#: What a case may take, in seconds of CPU time, which a busy machine does not lengthen; and when it hangs.
SECONDS, MEGABYTES, HANGS_AFTER = 10, 500, 60
#: What protects the machine.
ADDRESS_SPACE = 4 << 30
EXIT_CODES = (0, 1, 2)
#: The words of an error that is ours.
_OURS = re.compile("^Traceback|a bug of its own|bug in retrysim|MemoryError|RecursionError", re.M)
#: What no terminal may get, but for newlines, tabs, and colours.
_UNSEEN = "\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069"
_CONTROLS = re.compile(f"[{_UNSEEN}]|\x1b(?!\\[[0-9;]*m)")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One command; ``name`` says what is wrong with its input, and reproduces it."""

    name: str
    arguments: Sequence[str]
    files: Mapping[str, bytes] = field(default_factory=dict)
    #: A command that serves until it is interrupted is interrupted after this many seconds.
    interrupt_after: float | None = None


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a case ended; ``code`` is negative for a signal."""

    case: Case
    code: int
    seconds: float
    megabytes: float
    output: str
    #: What is wrong with the files that it wrote.
    spoilt: list[str]

    @property
    def complaints(self) -> list[str]:
        """What is wrong with that end; empty where nothing is."""
        wrong = [] if self.code in EXIT_CODES else [f"exit code {self.code}"]
        wrong += [f"says {words[0]!r}" for words in [_OURS.search(self.output)] if words]
        wrong += self.spoilt
        wrong += [f"took {self.seconds:.1f} s of CPU time"] if self.seconds > SECONDS else []
        wrong += [f"took {self.megabytes:.0f} MB"] if self.megabytes > MEGABYTES else []
        if control := _CONTROLS.search(self.output):
            wrong.append(f"writes {control[0]!r} to the terminal")
        if self.code == 2 and not self.output.strip():
            wrong.append("exit code 2 without a word")
        return wrong


def play(case: Case) -> Ended:
    """Run a case in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="retrysim-input-") as folder:
        for name, content in case.files.items():
            Path(folder, name).write_bytes(content)
        output = Path(folder, ".output")
        child = os.fork()
        if child == 0:
            _become(case, folder, output)
        with _ended_in_time(child, case):
            _, status, usage = os.wait4(child, 0)
        return Ended(
            case=case,
            code=os.waitstatus_to_exitcode(status),
            seconds=usage.ru_utime + usage.ru_stime,
            megabytes=usage.ru_maxrss / 1024,
            output=output.read_text(encoding="utf-8", errors="backslashreplace"),
            spoilt=[spoilt for name in _CHECKS if (spoilt := _spoilt(Path(folder, name)))],
        )


@contextmanager
def _ended_in_time(child: int, case: Case) -> Iterator[None]:
    """Ctrl-C where the case wants it; SIGKILL when the time is over."""
    pending = [signal.SIGINT] if case.interrupt_after else []

    def ring(*_: object) -> None:
        if pending:
            os.kill(child, pending.pop())
            signal.setitimer(signal.ITIMER_REAL, HANGS_AFTER)
        else:
            os.kill(child, signal.SIGKILL)

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, case.interrupt_after or HANGS_AFTER)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _spoilt(file: Path) -> str | None:
    """What is wrong with a file that a command wrote: no reader of its kind takes it, or it steers a terminal."""
    if not file.exists():
        return None
    text = file.read_text(encoding="utf-8")
    try:
        _CHECKS[file.name](text)
    except (ValueError, ElementTree.ParseError) as error:
        return f"{file.name}: {error}"
    return f"{file.name} holds {found[0]!r}" if (found := _CONTROLS.search(text)) else None


_CHECKS: Mapping[str, Callable[[str], object]] = {
    "o.svg": ElementTree.fromstring,
    "o.json": json.loads,
    "o.html": len,
}


def _become(case: Case, folder: str, output: Path) -> None:
    code = 3
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
        os.chdir(folder)
        sink = os.open(output, os.O_WRONLY | os.O_CREAT)
        for number in (1, 2):
            os.dup2(sink, number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdin = open(0, closefd=False)  # noqa: SIM115
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        from retrysim.cli import main

        main.main(list(case.arguments), prog_name="retrysim")
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else int(left.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)
