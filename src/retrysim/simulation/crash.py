"""What is said when retrysim itself fails: that it is our bug, where, and the trace up to there."""

from __future__ import annotations

import sysconfig
import tempfile
import traceback
from pathlib import Path

from retrysim.errors import InternalError, RetrysimError
from retrysim.trace import Trace, dump_ndjson

_HERE = Path(__file__).parents[1]


def is_ours(error: Exception) -> bool:
    """Whether an error that ended a run was raised by us, or by what we run, and not by the user's own code."""
    if isinstance(error, RetrysimError):
        return False
    frames = traceback.extract_tb(error.__traceback__)
    last = Path(frames[-1].filename) if frames else _HERE
    return any(place in last.parents for place in (_HERE, *map(Path, _INSTALLED)))


_INSTALLED = {sysconfig.get_path(name) for name in ("purelib", "platlib", "stdlib")}


def explained(error: Exception, trace: Trace) -> InternalError:
    """The error to raise in its place; the trace is written to a file of the system's temporary folder."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    with tempfile.NamedTemporaryFile("w", prefix="retrysim-crash-", suffix=".ndjson", delete=False) as file:
        file.write(dump_ndjson(trace))
    return InternalError(
        f"this is a bug in retrysim, not in your code: {type(error).__name__}: {error} "
        f"({Path(last.filename).name}:{last.lineno})\n"
        f"what had happened until then is in {file.name}; please report the bug with that file"
    )
