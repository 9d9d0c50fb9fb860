"""The journal: each run and its result as a line of JSON, so that a search is resumed, or put together from parts.

A run is known by its trial alone, for the same trial of the same scenario always has the same result.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from retrysim.errors import InputError
from retrysim.exploring.runner import Runner
from retrysim.exploring.subject import Subject
from retrysim.exploring.trial import Trial, TrialResult, result_as_dict, result_from_dict, trial_from_dict

FORMAT = "retrysim-explore/1"
#: Whose versions decide what a run does.
_PACKAGES = ("celery", "kombu", "redis", "retrysim")


def key_of(trial: Trial) -> str:
    """What a trial is known by."""
    return hashlib.sha256(json.dumps(asdict(trial), sort_keys=True).encode()).hexdigest()[:24]


def header_of(subject: Subject) -> dict[str, Any]:
    """The first line: which scenario, and which versions."""
    text = json.dumps(subject.values, sort_keys=True, default=str)
    versions = {name: version(name) for name in _PACKAGES}
    return {"format": FORMAT, "scenario": hashlib.sha256(text.encode()).hexdigest()[:24], "versions": versions}


class Journal:
    """The runs of earlier searches, and where those of this one are written."""

    def __init__(self, subject: Subject, *, write: Path | None = None, read: Sequence[Path] = ()) -> None:
        self._header = header_of(subject)
        self.known: dict[str, tuple[Trial, TrialResult]] = {}
        sources = [*read, *([write] if write is not None and write.exists() else [])]
        for path in sources:
            self._read(path)
        self._out = write
        if write is not None and not write.exists():
            self._append([self._header])
        elif write is not None and not write.read_bytes().endswith(b"\n"):
            self._append([])  # the last line was cut off

    def _read(self, path: Path) -> None:
        try:
            first, *lines = path.read_text(encoding="utf-8").splitlines() or [""]
            header = json.loads(first)
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from None
        except ValueError as error:
            raise InputError(f"{path}: not a journal of retrysim explore: {error}") from None
        if header != self._header:
            raise InputError(
                f"{path}: a journal of another scenario or of other versions\n"
                f"  it has   {json.dumps(header, sort_keys=True)}\n"
                f"  expected {json.dumps(self._header, sort_keys=True)}\n"
                "  Remove the file, or explore with what it was made with."
            )
        for line in lines:
            try:
                values = json.loads(line)
            except ValueError:  # the line that was being written when the search was ended
                continue
            trial = trial_from_dict(values["trial"])
            self.known[key_of(trial)] = trial, result_from_dict(values["result"])

    def note(self, trial: Trial, result: TrialResult) -> None:
        self.known[key_of(trial)] = trial, result
        self._append([{"trial": asdict(trial), "result": result_as_dict(result)}])

    def _append(self, lines: Sequence[Any]) -> None:
        if self._out is None:
            return
        try:
            with self._out.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(line, sort_keys=True) + "\n" for line in lines)
                if not lines:
                    file.write("\n")
        except OSError as error:
            raise InputError(f"--journal {self._out}: cannot be written: {error.strerror}") from None


class Journaled:
    """A runner that makes only the runs which no journal has."""

    def __init__(self, runner: Runner, journal: Journal) -> None:
        self._runner = runner
        self._journal = journal

    def results(self, trials: Sequence[Trial]) -> Iterator[tuple[int, TrialResult]]:
        missing: list[int] = []
        for index, trial in enumerate(trials):
            known = self._journal.known.get(key_of(trial))
            if known is None:
                missing.append(index)
            else:
                yield index, known[1]
        for number, result in self._runner.results([trials[index] for index in missing]):
            self._journal.note(trials[missing[number]], result)
            yield missing[number], result
