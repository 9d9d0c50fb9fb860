"""A Redis of the run's own, for faults that stop the broker: nobody else's is ever stopped."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from pathlib import Path

import redis

from retrysim.errors import InputError, LiveError
from retrysim.live.faketime import real_time

#: How often it is asked, 20 times a second, whether it is up.
_TRIES = 200


class PrivateRedis:
    """A ``redis-server`` on a free port, with its data in a folder; what was written is on disk when it is answered."""

    def __init__(self, folder: str, scale: float) -> None:
        self._scale = scale
        self._folder = Path(folder) / "redis"
        self._folder.mkdir()
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        if shutil.which("redis-server") is None:
            raise InputError("a fault stops the broker, and redis-server, to start one of the run's own, is not here")
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
        command += ["--save", "", "--appendonly", "yes", "--appendfsync", "always"]
        self._process = subprocess.Popen(command, env=real_time(), stdout=subprocess.DEVNULL, start_new_session=True)
        client = redis.Redis(port=self.port)
        for _ in range(_TRIES):
            try:
                client.ping()
            except redis.RedisError:
                time.sleep(0.05 * self._scale)
            else:
                return
        raise LiveError(f"redis-server on port {self.port} does not answer")

    def stop(self, *, lose_data: bool = False) -> None:
        """SIGKILL, as a machine that goes down."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        if lose_data:
            shutil.rmtree(self._folder)
            self._folder.mkdir()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
