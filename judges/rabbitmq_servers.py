"""Brings up real RabbitMQ servers of other versions beside each other, for the judges: Debian's packages in chroots.

    python judges/rabbitmq_servers.py start 4.0 4.3     # needs root, Linux and Debian's debootstrap
    python judges/rabbitmq_differential.py --version 4.0 --port 5683
    PATH=/var/tmp/retrysim-rabbitmq/4.0:$PATH retrysim run conformance/*.scenario.yaml \\
        --live amqp://guest:guest@127.0.0.1:5683// --scale auto --compare --jobs 5
    python judges/rabbitmq_servers.py stop

The folder that is put before PATH has a `rabbitmqctl` of that server. `judges/rabbitmq_versions.py` does all of this.

The packages come from the mirror that this machine's own apt uses. Says why where it cannot; exits 1 then.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

#: version → Debian's release that has it, and the port it gets here
RELEASES = {"4.0": ("trixie", 5683), "4.3": ("forky", 5684)}
ROOT = Path("/var/tmp/retrysim-rabbitmq")
_SCRIPTS = Path("/usr/share/debootstrap/scripts")
_MIRROR = re.compile(r"^(?:URIs:|deb(?:\s+\[[^]]*\])?)\s+(https?://\S+/debian)/?\s", re.MULTILINE)
_PATIENCE_S = 90


def mirror() -> str:
    """The mirror of this machine's own apt."""
    files = [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")]
    for file in files:
        if file.is_file() and (found := _MIRROR.search(file.read_text() + "\n")):
            return found[1]
    raise SystemExit("apt's sources name no Debian mirror: this script is for Debian")


def need_what_it_takes() -> None:
    if os.geteuid():
        raise SystemExit("bringing up servers needs root: debootstrap and chroot")
    if not shutil.which("debootstrap"):
        raise SystemExit("debootstrap is not installed: apt-get install debootstrap")


def start(version: str) -> None:
    """Install the version, if it is not there yet, and start it; returns when it answers."""
    release, port = RELEASES[version]
    folder = ROOT / release
    if not (folder / "usr/lib/rabbitmq/bin/rabbitmq-server").exists():
        install(release, folder)
    for name in ("proc", "dev"):
        if not os.path.ismount(folder / name):
            subprocess.run(["mount", "--bind", f"/{name}", folder / name], check=True)
    shutil.copy("/etc/hosts", folder / "etc/hosts")
    settings = {
        "RABBITMQ_NODE_PORT": port,
        "RABBITMQ_NODENAME": f"retrysim{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_DIST_PORT": 20_000 + port,
    }
    words = " ".join(f"{name}={value}" for name, value in settings.items())
    command = (
        f"{words} setsid /usr/lib/rabbitmq/bin/rabbitmq-server >/tmp/rabbitmq.log 2>&1 & echo $! >/tmp/rabbitmq.pid"
    )
    subprocess.run(["chroot", folder, "su", "rabbitmq", "-s", "/bin/sh", "-c", command], check=True)
    wait_for(port, folder / "tmp/rabbitmq.log")
    control(release, "await_startup")
    write_control(version)
    print(f"RabbitMQ {version} ({release}) answers at amqp://guest:guest@127.0.0.1:{port}//")


def install(release: str, folder: Path) -> None:
    print(f"installing rabbitmq-server of {release}; this takes some minutes", flush=True)
    script = _SCRIPTS / release
    if not script.exists():
        script.symlink_to("sid")
    ROOT.mkdir(parents=True, exist_ok=True)
    packages = "--include=rabbitmq-server,procps"
    command = ["debootstrap", "--variant=minbase", packages, release, folder, mirror()]
    log = ROOT / f"{release}.log"
    with log.open("w") as output:
        if subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False).returncode:
            raise SystemExit(f"debootstrap {release} failed: see {log}")


def wait_for(port: int, log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(1)
    raise SystemExit(f"nothing answers at port {port} after {_PATIENCE_S} s: see {log}")


def control(release: str, command: str) -> None:
    """Run ``rabbitmqctl`` beside a server."""
    _, port = next(known for known in RELEASES.values() if known[0] == release)
    words = f"RABBITMQ_NODENAME=retrysim{port}@localhost /usr/lib/rabbitmq/bin/rabbitmqctl -q {command}"
    subprocess.run(["chroot", ROOT / release, "su", "rabbitmq", "-s", "/bin/sh", "-c", words], check=False)


def write_control(version: str) -> None:
    """A ``rabbitmqctl`` of that server, in a folder of its own."""
    release, port = RELEASES[version]
    tool = control_folder(version) / "rabbitmqctl"
    tool.parent.mkdir(exist_ok=True)
    node = f"RABBITMQ_NODENAME=retrysim{port}@localhost"
    tool.write_text(
        f"#!/bin/sh\nexec chroot {ROOT / release} /usr/sbin/runuser -u rabbitmq -- "
        f'env HOME=/var/lib/rabbitmq {node} /usr/lib/rabbitmq/bin/rabbitmqctl "$@"\n'
    )
    tool.chmod(0o755)


def control_folder(version: str) -> Path:
    return ROOT / version


def stop() -> None:
    """End the servers that this script has started, and unmount what it has mounted; the files stay."""
    for release, _ in RELEASES.values():
        folder = ROOT / release
        if (folder / "tmp/rabbitmq.pid").exists():
            control(release, "stop")
            (folder / "tmp/rabbitmq.pid").unlink()
        for name in ("proc", "dev"):
            unmount(folder / name)


def unmount(folder: Path) -> None:
    """A server that is ending keeps it busy for a moment."""
    deadline = time.monotonic() + _PATIENCE_S
    while os.path.ismount(folder):
        if subprocess.run(["umount", "-q", folder], check=False).returncode and time.monotonic() > deadline:
            raise SystemExit(f"{folder} stays mounted: something still uses it")
        time.sleep(0.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("verb", choices=["start", "stop"])
    parser.add_argument("versions", nargs="*", help=f"of {', '.join(RELEASES)}; default: all")
    options = parser.parse_args()
    unknown = [version for version in options.versions if version not in RELEASES]
    if unknown:
        parser.error(f"no server of {', '.join(unknown)}; there are {', '.join(RELEASES)}")
    need_what_it_takes()
    if options.verb == "stop":
        stop()
    else:
        for version in options.versions or RELEASES:
            start(version)


if __name__ == "__main__":
    sys.exit(main())
