"""Brings up real RabbitMQ servers of other versions beside each other, for the judges: Debian's packages in chroots.

    python judges/rabbitmq_servers.py start 4.0 4.3     # needs root, Linux and Debian's debootstrap
    python judges/rabbitmq_differential.py --version 4.0 --port 5683
    PATH=/var/tmp/retrysim-rabbitmq/4.0/control:$PATH retrysim run conformance/*.scenario.yaml \\
        --live amqp://guest:guest@127.0.0.1:5683// --scale auto --compare --jobs 5
    python judges/rabbitmq_servers.py stop              # ends them and deletes their files

The folder that is put before PATH has a `rabbitmqctl` of that server. `judges/rabbitmq_versions.py` does all of this.

The packages come from the mirror that this machine's own apt uses: about 100 MB and two minutes for each version. Says
why where it cannot; exits 2 then.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

#: version → Debian's release that has it, and the port it gets here
RELEASES = {"4.0": ("trixie", 5683), "4.3": ("forky", 5684)}
ROOT = Path("/var/tmp/retrysim-rabbitmq")
_SCRIPTS = Path("/usr/share/debootstrap/scripts")
_MIRROR = re.compile(r"^(?:URIs:|deb(?:\s+\[[^]]*\])?)\s+(https?://\S+/debian)/?\s", re.MULTILINE)
_PATIENCE_S = 90
_END_S = 60


class NoServer(Exception):  # noqa: N818
    """A server cannot be brought up, and why."""


@contextlib.contextmanager
def server(version: str) -> Iterator[str]:
    """A server of that version, for as long as the block lasts: its URL. Raises ``NoServer``; leaves nothing behind."""
    start(version)
    try:
        yield url(version)
    finally:
        stop(version)


def url(version: str) -> str:
    return f"amqp://guest:guest@127.0.0.1:{RELEASES[version][1]}//"


def control_folder(version: str) -> Path:
    """Where the ``rabbitmqctl`` of that server is."""
    return ROOT / version / "control"


def start(version: str) -> None:
    """Install the version and start it; returns when it answers. Leaves nothing behind where it fails."""
    need_what_it_takes(version)
    try:
        _install(version)
        _start(version)
    except BaseException:
        stop(version)
        raise


def need_what_it_takes(version: str) -> None:
    """Raises ``NoServer`` where it can be told beforehand that there will be none."""
    if not sys.platform.startswith("linux") or os.geteuid():
        raise NoServer("it takes root on Linux, for debootstrap and chroot")
    if not shutil.which("debootstrap"):
        raise NoServer("debootstrap is not installed: apt-get install debootstrap")
    if _chroot(version).parent.exists():
        remedy = f"if no other run uses it: python judges/rabbitmq_servers.py stop {version}"
        raise NoServer(f"{_chroot(version).parent} is there; {remedy}")
    port = RELEASES[version][1]
    if _answers(port):
        raise NoServer(f"something else answers at its port {port}")


def mirror() -> str:
    """The mirror of this machine's own apt."""
    files = [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")]
    for file in files:
        if file.is_file() and (found := _MIRROR.search(file.read_text() + "\n")):
            return found[1]
    raise NoServer("apt's sources name no Debian mirror: this script is for Debian")


def stop(version: str) -> None:
    """End what runs in the server's chroot, unmount what is mounted in it, and delete all its files."""
    root = _chroot(version)
    _until(lambda: not _kill_all_in(root), f"processes in {root} do not end")
    for folder in _mounted_under(root):
        _until(lambda folder=folder: not _run(["umount", folder])[0], f"{folder} stays mounted: something uses it")
    _run(["rm", "-rf", "--one-file-system", root.parent])
    with contextlib.suppress(OSError):  # the other server's files are there, or none ever were
        ROOT.rmdir()


def _install(version: str) -> None:
    release, _ = RELEASES[version]
    root = _chroot(version)
    _tell(f"RabbitMQ {version}: installing rabbitmq-server of Debian {release}; this takes some minutes")
    root.mkdir(parents=True)
    packages = "--include=rabbitmq-server,procps"
    # every release has the same script; an older debootstrap does not know the newest by name
    _must(["debootstrap", "--variant=minbase", packages, release, root, mirror(), _SCRIPTS / "sid"])
    for name in ("proc", "dev"):
        _must(["mount", "--bind", f"/{name}", root / name])
    shutil.copy("/etc/hosts", root / "etc/hosts")
    _write_control(version)


def _start(version: str) -> None:
    port = RELEASES[version][1]
    control = control_folder(version) / "rabbitmqctl"
    log = _chroot(version) / "tmp/rabbitmq.log"
    with log.open("w") as output:
        command = _inside(version, "rabbitmq-server")
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
    _wait_for(port, log)
    _must([control, "await_startup"])
    _tell(f"RabbitMQ {version}: {_must([control, 'version']).strip()} answers at {url(version)}")


def _chroot(version: str) -> Path:
    return ROOT / version / "root"


def _inside(version: str, tool: str) -> list[str]:
    """The command that runs a tool of RabbitMQ's in the chroot, with an epmd of its own."""
    port = RELEASES[version][1]
    settings = {
        "HOME": "/var/lib/rabbitmq",
        "ERL_EPMD_PORT": 10_000 + port,
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": port,
        "RABBITMQ_NODENAME": f"retrysim{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_DIST_PORT": 20_000 + port,
    }
    words = [f"{name}={value}" for name, value in settings.items()]
    user = ["/usr/sbin/runuser", "-u", "rabbitmq", "--"]
    return ["chroot", str(_chroot(version)), *user, "env", *words, f"/usr/lib/rabbitmq/bin/{tool}"]


def _write_control(version: str) -> None:
    tool = control_folder(version) / "rabbitmqctl"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\nexec {" ".join(_inside(version, "rabbitmqctl"))} "$@"\n')
    tool.chmod(0o755)


def _must(command: Sequence[str | Path]) -> str:
    """What a command prints; raises ``NoServer`` with the last of it where it fails."""
    code, output = _run(command)
    if code:
        raise NoServer(f"`{' '.join(map(str, command))}` exited with {code}: {_last_lines(output)}")
    return output


def _run(command: Sequence[str | Path]) -> tuple[int, str]:
    """Exit code and output of a command; it and its children end if this is interrupted."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as process:
        try:
            output, _ = process.communicate()
        finally:
            end_group(process)
    return process.returncode, output


def end_group(process: subprocess.Popen[str], patience_s: int = 0) -> None:
    """End a process that leads a session of its own, with so much time to tidy up, and kill what is left of it."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _last_lines(output: str) -> str:
    return " / ".join(output.strip().splitlines()[-3:]) or "it says nothing"


def _wait_for(port: int, log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not _answers(port):
        if time.monotonic() > deadline:
            raise NoServer(f"it does not answer after {_PATIENCE_S} s: {_last_lines(log.read_text())}")
        time.sleep(1)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _kill_all_in(root: Path) -> int:
    """Kill the processes whose root this is; how many there were."""
    count = 0
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            if (process / "root").readlink() == root:
                os.kill(int(process.name), signal.SIGKILL)
                count += 1
    return count


def _mounted_under(root: Path) -> list[Path]:
    """The inner ones first."""
    places = [Path(line.split()[1]) for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [place for place in reversed(places) if place.is_relative_to(root)]


def _until(done: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + _END_S
    while not done():
        if time.monotonic() > deadline:
            raise SystemExit(otherwise)
        time.sleep(0.2)


def _tell(text: str) -> None:
    print(text, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("verb", choices=["start", "stop"])
    parser.add_argument("versions", nargs="*", help=f"of {', '.join(RELEASES)}; default: all")
    options = parser.parse_args()
    if unknown := [version for version in options.versions if version not in RELEASES]:
        parser.error(f"no server of {', '.join(unknown)}; there are {', '.join(RELEASES)}")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was begun is undone then, too
    for version in options.versions or RELEASES:
        try:
            {"start": start, "stop": stop}[options.verb](version)
        except NoServer as reason:
            print(f"RabbitMQ {version} cannot be brought up: {reason}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print(f"RabbitMQ {version}: interrupted, and removed", file=sys.stderr)
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
