"""What the machine that plays simulations has."""

from __future__ import annotations

import os


def cores() -> int:
    """How many processes this process may run at once."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
