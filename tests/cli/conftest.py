"""The command as a function, and a player that says what the test wants."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest

from retrysim.cli import main

SCENARIO = """\
name: an add task
app: proj.celery:app
celery: [worker, eager]
submit: [{task: add}]
"""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, kw_only=True)
class FakeOutcome:
    """An outcome as the player gives it."""

    item: str
    passed: bool = True

    def as_json(self):
        return {"scenario": "an add task", "item": self.item, "passed": self.passed, "elapsed": 900.0}

    def summary(self):
        return "1 task, 1 attempt, 0s"

    def text(self):
        return "every_task_settles: 1 of 1 tasks is lost\n  task add[1]: RETRY 2s"


@dataclass(kw_only=True)
class FakePlayer:
    """Plays nothing: fails the items it is told to fail, raises what it is told to raise."""

    failing: set = field(default_factory=set)
    raising: Exception | None = None
    played: list = field(default_factory=list)
    sys_path: list = field(default_factory=list)

    def play(self, item, *, trace_dir=None, watch=None):
        self.played.append((item.file, item.id, item.seed, trace_dir))
        self.sys_path = list(sys.path)
        if self.raising is not None:
            raise self.raising
        return FakeOutcome(item=item.id, passed=item.id not in self.failing)


@pytest.fixture
def player(monkeypatch):
    """The player that ``retrysim run`` finds."""
    player = FakePlayer()
    monkeypatch.setitem(sys.modules, "retrysim.simulation.player", SimpleNamespace(play=player.play))
    return player


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, which has one good scenario file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "add.scenario.yaml").write_text(SCENARIO, encoding="utf-8")
    return tmp_path


@pytest.fixture
def retrysim(capsys, monkeypatch):
    """The command line, in this process: ``retrysim("run", "FILE")``; ``color`` as on a terminal."""
    monkeypatch.delenv("NO_COLOR", raising=False)

    def call(*arguments, color=None):
        with pytest.raises(SystemExit) as left:
            main.main([str(argument) for argument in arguments], prog_name="retrysim", color=color)
        out, err = capsys.readouterr()
        return Ended(code=left.value.code, out=out, err=err)

    return call
