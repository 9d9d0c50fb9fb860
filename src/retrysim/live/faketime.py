"""Starts processes whose wall clock runs N times as fast as real time, from an instant on: libfaketime.

The library is that of the PyPI package ``libfaketime``. All processes that are started by one that runs under it share
its clock, so that a worker, the client and the fakes agree on the time to the microsecond.
"""

from __future__ import annotations

import importlib.util
import os
import platform
from pathlib import Path

from retrysim.durations import SECOND
from retrysim.errors import InputError

#: kombu lets Redis answer a BRPOP within a real second and, by its own clock, gives the connection up after 26: so
#: a clock may run no more than 26 times as fast, and 20 leaves room.
FASTEST = 20


def clock_variables(scale: float, start_ns: int) -> dict[str, str]:
    """The environment that lets a process begin at an instant and live ``scale`` times as fast; empty for 1.

    Raises ``InputError`` where that cannot be had: too fast, or without the library.
    """
    if scale == 1:
        return {}
    if not 1 <= scale <= FASTEST:
        raise InputError(
            f"--scale {scale:g}: expected 1 to {FASTEST}. The broker lives in real time: it answers a BRPOP after a "
            f"second, which is {scale:g} s for the workers, and kombu takes the connection for dead after 26"
        )
    return {
        "LD_PRELOAD": str(_library()),
        "FAKETIME": f"@{start_ns // SECOND} x{scale:g}",
        "FAKETIME_FMT": "%s",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # see rate.py
        "FAKETIME_DONT_RESET": "1",  # a child goes on where its parent is
    }


def real_time() -> dict[str, str]:
    """The environment of this process without its clock: for a broker, and for programs that run as another user.

    The shared memory that holds the clock belongs to the user of this process; another's program ends at once.
    """
    clock = ("LD_PRELOAD", "FAKETIME", "FAKETIME_SHARED")
    return {name: value for name, value in os.environ.items() if name not in clock}


def _library() -> Path:
    found = importlib.util.find_spec("libfaketime")
    if platform.system() != "Linux" or found is None or found.origin is None:
        raise InputError(
            "--scale: time passes faster only under libfaketime, on Linux: pip install 'retrysim[live]'; "
            "without --scale the run takes as long as it takes"
        )
    return Path(found.origin).parent / "vendor" / "libfaketime" / "src" / "libfaketime.so.1"


def forget_clock(pid: int) -> None:
    """Remove what the clock of a process leaves in shared memory when the process is killed."""
    for name in (f"faketime_shm_{pid}", f"sem.faketime_sem_{pid}"):
        (Path("/dev/shm") / name).unlink(missing_ok=True)
