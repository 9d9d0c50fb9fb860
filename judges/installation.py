"""The installation as a judge: retrysim beside the pins of five public projects.

    python judges/installation.py

Each line of ``PINS`` is what a project's own file says of packages that retrysim uses, too. pip resolves both
together, without installing anything; a resolution that fails, or takes longer than two minutes, is exit code 1.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
#: A resolution that backtracks takes minutes.
LONGEST_S = 120
#: Read in the projects' repositories in 2025 and 2026.
PINS = {
    "apache/superset (requirements/base.txt)": [
        "amqp==5.3.1", "billiard==4.2.1", "celery==5.5.2", "click==8.2.1", "greenlet==3.1.1", "h11==0.16.0",
        "jinja2==3.1.6", "kombu==5.5.3", "markdown-it-py==3.0.0", "packaging==25.0", "pydantic==2.11.7",
        "pydantic-core==2.33.2", "python-dateutil==2.9.0.post0", "pyyaml==6.0.2", "redis==4.6.0", "requests==2.32.4",
        "rich==13.9.4", "typing-extensions==4.15.0", "urllib3==2.5.0", "vine==5.1.0",
    ],
    "pretix/pretix (pyproject.toml)": [
        "celery==5.4.*", "kombu==5.3.*", "packaging", "python-dateutil==2.9.*", "redis==5.0.*", "requests==2.31.*",
    ],
    "WeblateOrg/weblate (pyproject.toml)": [
        "celery[redis]==5.6.3", "packaging==26.3", "redis==6.4.0", "requests==2.34.2", "ruamel.yaml==0.19.1",
    ],
    "paperless-ngx/paperless-ngx (pyproject.toml)": [
        "celery[redis]~=5.5.1", "jinja2~=3.1.5", "python-dateutil~=2.9.0", "redis[hiredis]~=5.2.1",
    ],
    "saleor/saleor (pyproject.toml)": [
        "celery[redis]>=4.4.5,<6.0.0", "fakeredis>=2.10,<3", "freezegun>=1,<2", "requests>=2.22,<3",
    ],
}  # fmt: skip


def main() -> int:
    with tempfile.TemporaryDirectory() as venv:
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        subprocess.run([f"{venv}/bin/pip", "-q", "install", "--upgrade", "pip"], check=True)
        return 1 if [project for project, pins in PINS.items() if not _resolves(venv, project, pins)] else 0


def _resolves(venv: str, project: str, pins: list[str]) -> bool:
    pip = [f"{venv}/bin/pip", "--disable-pip-version-check", "-q", "install", "--dry-run"]
    began = time.monotonic()
    try:
        ran = subprocess.run([*pip, *pins, str(HERE)], check=False, capture_output=True, text=True, timeout=LONGEST_S)
    except subprocess.TimeoutExpired:
        print(f"{project}: no resolution after {LONGEST_S} s", flush=True)
        return False
    took = f"{time.monotonic() - began:.0f} s"
    if ran.returncode:
        lines = [line for line in ran.stderr.splitlines() if not line.startswith("WARNING")]
        print(f"{project}: cannot be resolved ({took}):", *lines, sep="\n    ", flush=True)
        return False
    print(f"{project}: resolved in {took}", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
