"""Makes runs on somebody's executor: any ``concurrent.futures.Executor``, Dask's among them.

A simulation patches its whole process, so each batch gets a Python process of its own, wherever the executor runs it;
there every run is a fork, as it is here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import Any

from retrysim.errors import InternalError, SimulationError
from retrysim.exploring.subject import Subject
from retrysim.exploring.trial import Trial, TrialResult, result_from_dict

#: Runs in one batch: some seconds of work.
BATCH = 16


class Executed:
    """Runs on an executor, in batches."""

    def __init__(self, executor: Executor, subject: Subject, *, batch: int = BATCH) -> None:
        self._executor = executor
        self._batch = batch
        item = subject.item
        self._place: dict[str, Any] = {
            "file": item.file,
            "text": Path(item.file).read_text(encoding="utf-8"),
            "item": item.id,
            "seed": item.seed,
            "folder": str(Path.cwd()),
            "path": [entry for entry in sys.path if entry],
        }

    def results(self, trials: Sequence[Trial]) -> Iterator[tuple[int, TrialResult]]:
        """As they come. Raises ``SimulationError`` when the executor gives up."""
        begins = range(0, len(trials), self._batch)
        futures = {
            self._executor.submit(
                play_batch, {**self._place, "trials": [asdict(t) for t in trials[b : b + self._batch]]}
            ): b
            for b in begins
        }
        try:
            for future in _completed(futures):
                for number, values in enumerate(_lines(future)):
                    yield futures[future] + number, result_from_dict(values)
        finally:
            for future in futures:
                future.cancel()


def _completed(futures: Mapping[Any, int]) -> Iterator[Any]:
    """Of the standard library's futures; Dask's have an ``as_completed`` of their own."""
    first = next(iter(futures), None)
    if first is not None and type(first).__module__.startswith("distributed"):
        from distributed import as_completed as of_dask

        return iter(of_dask(list(futures)))
    return iter(as_completed(futures))


def _lines(future: Any) -> list[dict[str, Any]]:
    try:
        lines: list[dict[str, Any]] = future.result()
    except InternalError:
        raise
    except Exception as error:
        raise SimulationError(
            f"the executor could not make a batch of runs: {type(error).__name__}: {error}"
        ) from error
    return lines


def play_batch(payload: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Make a batch of runs in a Python process of its own; called wherever the executor runs it."""
    ran = subprocess.run(
        [sys.executable, "-m", "retrysim.exploring.batch"],
        input=json.dumps(payload),
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(payload["path"])},
        cwd=payload["folder"] if Path(payload["folder"]).is_dir() else None,
    )
    if ran.returncode:
        raise InternalError(f"a batch of runs ended with {ran.returncode}: {ran.stderr.strip()[-2000:]}")
    return [json.loads(line) for line in ran.stdout.splitlines()]
