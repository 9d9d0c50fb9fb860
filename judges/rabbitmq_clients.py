"""Judge: the integration tests of kombu and py-amqp, unedited, against ``retrysim serve rabbitmq``.

    python judges/rabbitmq_clients.py [--version 4.3] [--real PORT]

The suites come from the source distributions of the installed versions. What needs TLS or the internet is left out by
name. With ``--real`` they run against that RabbitMQ, too, and what passes there must pass here. Exits 1 otherwise.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from importlib.metadata import version
from pathlib import Path

_SUITES = {"kombu": "t/integration/test_py_amqp.py", "amqp": "t/integration/test_rmq.py"}
_LEFT_OUT = "not tls and not default_certs"
_OUTCOME = re.compile(r"^(t/\S+) (PASSED|FAILED|ERROR|SKIPPED)", re.MULTILINE)


def fetch(package: str, folder: Path) -> Path:
    """The source distribution of the installed version, unpacked."""
    name = f"{package}=={version(package)}"
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", name]
    subprocess.run([*command, "--dest", folder], check=True)
    with tarfile.open(next(folder.glob(f"{package}-*.tar.gz"))) as archive:
        archive.extractall(folder, filter="data")
    root = folder / f"{package}-{version(package)}"
    suite = folder / package
    suite.mkdir()
    (root / "t").rename(suite / "t")  # beside nothing else, so that the installed package is imported
    return suite


def run(suite: Path, tests: str, port: int) -> dict[str, str]:
    """Test → outcome."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {"RABBITMQ_HOST": "127.0.0.1", "RABBITMQ_5672_TCP": str(port), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    options = ["-v", "-k", _LEFT_OUT, "-W", "ignore", "-p", "no:cacheprovider", "-o", "python_classes=test_*"]
    command = [sys.executable, "-m", "pytest", *options, tests]
    ran = subprocess.run(command, cwd=suite, env=environment, capture_output=True, text=True, timeout=600, check=False)
    outcomes = dict(_OUTCOME.findall(ran.stdout))
    if not outcomes:
        sys.exit(f"pytest reported nothing:\n{ran.stdout}{ran.stderr}")
    return outcomes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--version", default="4.3")
    parser.add_argument("--real", type=int, metavar="PORT")
    options = parser.parse_args()
    wrong = 0
    command = [sys.executable, "-u", "-m", "retrysim.cli", "serve", "rabbitmq", "--version", options.version]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server, tempfile.TemporaryDirectory() as work:
        try:
            port = int(re.search(r":(\d+)//", server.stdout.readline())[1])
            for package, tests in _SUITES.items():
                suite = fetch(package, Path(work))
                here = run(suite, tests, port)
                there = run(suite, tests, options.real) if options.real else dict.fromkeys(here, "PASSED")
                failed = [test for test, outcome in here.items() if outcome != "PASSED" and there.get(test) == "PASSED"]
                passed = sum(outcome == "PASSED" for outcome in here.values())
                real = f", {sum(o == 'PASSED' for o in there.values())} on the real one" if options.real else ""
                print(f"{package} {version(package)} on RabbitMQ {options.version}: {passed} of {len(here)} pass{real}")
                for test in failed:
                    print(f"  fails here: {test}")
                wrong += len(failed)
        finally:
            server.terminate()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
