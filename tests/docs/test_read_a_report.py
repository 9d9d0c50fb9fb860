"""The how-to about reports keeps its word: its commands run, its picture is what they draw."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from retrysim.reports import svg_report
from retrysim.scenarios import items_of, load
from retrysim.simulation.player import play

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/how-to/read-a-report.md").read_text(encoding="utf-8")


def test_the_commands_of_the_page_run(tmp_path):
    shutil.copytree(ROOT / "scenarios/apps", tmp_path / "scenarios/apps")
    for name in ("user_200_calls", "user_400_calls"):
        shutil.copy(ROOT / f"scenarios/{name}.scenario.yaml", tmp_path / "scenarios")
    commands = "".join(re.findall(r"^```sh\n(.*?)^```$", PAGE, re.M | re.S))
    commands = re.sub(r"^pytest .*\n", "", commands, flags=re.M)  # these have tests of their own
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(tmp_path)}

    ran = subprocess.run(
        ["bash", "-ec", commands], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "the runs part after" in ran.stdout
    assert {"report.html", "run.svg", "run.json"} <= {path.name for path in tmp_path.iterdir()}


def parts(svg):
    """What is written in a drawing, and how many bars it has of each colour."""
    names = ("SUCCESS", "RETRY", "FAILURE")
    bars = {name: svg.partition(f'class="bar {name}"')[2].partition("</g>")[0].count("<rect") for name in names}
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg), bars


def test_the_drawing_of_the_docs_is_what_is_drawn():
    """To draw it anew: retrysim run ... --trace traces; retrysim trace traces/user_400_calls-worker.ndjson --svg ..."""
    item, _ = items_of(load(ROOT / "scenarios/user_400_calls.scenario.yaml"))

    drawn = svg_report(play(item).trace)

    assert parts(drawn) == parts((ROOT / "docs/pictures/user_400_calls.svg").read_text(encoding="utf-8"))


def test_the_pictures_of_the_page_are_there():
    for picture in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", PAGE):
        assert (ROOT / "docs/how-to" / picture).is_file()
