"""The current folder and its ``src``, importable."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from retrysim.project import source_path


@contextmanager
def current_folder_importable() -> Iterator[None]:
    """Puts the current folder first on ``sys.path``, as ``celery -A`` does, so that an app in it is found.

    Its ``src`` comes last.
    """
    folder, last = str(Path.cwd()), source_path(Path.cwd())
    sys.path[:] = [folder, *sys.path, *last]
    try:
        yield
    finally:
        for one in (folder, *last):
            sys.path.remove(one)
