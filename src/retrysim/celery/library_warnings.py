"""What Celery and the libraries below it warn of while a run is under way: as in a worker's own process.

There Python's own filters hold, not those of a test session: deprecations inside a library are not shown, and no
warning of it is an error, which would end the worker's work in the middle.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_LIBRARIES = r"(celery|kombu|billiard|vine|amqp|redis|fakeredis)(\.|$)"


@contextmanager
def warnings_of_a_worker() -> Iterator[None]:
    """While inside, the libraries' warnings go by these filters, the project's own by those of the session."""
    with warnings.catch_warnings():
        if any(action == "error" for action, *_ in warnings.filters):
            warnings.filterwarnings("default", module=_LIBRARIES)
        for category in (DeprecationWarning, PendingDeprecationWarning):
            warnings.filterwarnings("ignore", category=category, module=_LIBRARIES)
        # An extension by Cython that is imported in a task: our classes stand for those of datetime, and are larger.
        warnings.filterwarnings("ignore", message=r"datetime\.\w+ size changed", category=RuntimeWarning)
        # A worker's log has it, in one line (``celery/recorder.py``); the warning is a traceback of 50.
        warnings.filterwarnings("ignore", message="Exception raised outside body", category=RuntimeWarning)
        yield
