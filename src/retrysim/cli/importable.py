"""The current folder and its ``src``, importable."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def current_folder_importable() -> Iterator[None]:
    """Puts the current folder first on ``sys.path``, as ``celery -A`` does, so that an app in it is found.

    Its ``src`` comes last, so that no module there hides another: in a project of that layout which is not installed.
    """
    folder, source = str(Path.cwd()), Path.cwd() / "src"
    last = [str(source)] if source.is_dir() and str(source) not in sys.path else []
    sys.path[:] = [folder, *sys.path, *last]
    try:
        yield
    finally:
        for one in (folder, *last):
            sys.path.remove(one)
