"""A Dask cluster as an executor (extra ``dask``)."""

from __future__ import annotations

from concurrent.futures import Executor
from typing import Any

from retrysim.errors import InputError


def dask_executor(url: str, *, timeout: float = 10.0) -> Executor:
    """The executor of the cluster whose scheduler is at this URL. Raises ``InputError`` where there is none."""
    try:
        from distributed import Client
    except ImportError:
        raise InputError("--dask needs Dask: pip install 'retrysim[dask]'") from None
    try:
        client: Any = Client(url, timeout=timeout)
    except (OSError, ValueError) as error:
        raise InputError(f"--dask {url}: no scheduler of Dask answers there: {error}") from None
    executor: Executor = client.get_executor(pure=False, retries=3)
    return executor
