"""Says where a suspended process stands: the user's line that waits, what it has called, what its event loop awaits."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import FrameType
from typing import Any

from retrysim.kernel import Process
from retrysim.patches.places import library_call_in, outwards, site_in


def standing_of(process: Process) -> list[str]:
    """Lines for a person: the task, or else the process, what it waits for, and where in it that is."""
    if process.elsewhere is not None and (lines := process.elsewhere()) is not None:
        return lines
    assert process.wait is not None
    frames = outwards(process.stands_in.gr_frame)
    called = library_call_in(frames)
    awaited = process.wait.condition.name + (f", in {called}" if called else "")
    return [*standing_at(process, frames[0], awaited), *(f"  {awaits}" for awaits in _awaits(process))]


def standing_at(process: Process, frame: FrameType | None, awaited: str) -> list[str]:
    """The same for a process that is at this frame, and waits for an order."""
    tasks = process.thread.tasks
    who = tasks[-1].removeprefix("task ") if tasks else process.name
    where = f"on {process.name}, " if tasks else ""
    return [f"{who} waits for {awaited}", f"  {where}at {site_in(outwards(frame))}"]


def _awaits(process: Process) -> list[str]:
    """The coroutines of the event loop that waits, and where each of them stands."""
    loop = getattr(process.thread.kept, "loop", None)
    tasks = [] if loop is None else [task for task in asyncio.all_tasks(loop) if not task.done()]
    coroutines = [task.get_coro() for task in tasks]
    return sorted(f"{_name(each)} awaits at {site_in(list(_inwards(each))[::-1])}" for each in coroutines)


def _name(coroutine: Any) -> str:
    return str(coroutine.__qualname__.rpartition(".")[2])


def _inwards(coroutine: Any) -> Iterator[FrameType]:
    while (frame := getattr(coroutine, "cr_frame", None)) is not None:
        yield frame
        coroutine = coroutine.cr_await
