"""The documentation keeps its word: every block of code is run, every page is reached, every link leads somewhere."""

import importlib
import re
import subprocess
import sys

import pytest
from ruamel.yaml import YAML
from tests.docs.pages import DOCS, ROOT, blocks, pages, play, played_pages

from retrysim import project
from retrysim.scenarios import InvariantCall, ScenarioSpec
from retrysim.scenarios.block import Block


@pytest.mark.slow
@pytest.mark.parametrize("page", played_pages(), ids=lambda page: str(page.relative_to(DOCS)))
def test_the_code_of_a_page_does_what_the_page_says(page, tmp_path):
    play(page, tmp_path)

    drawn = {path.name: path.read_text() for path in tmp_path.glob("*.svg")}
    shown = set(re.findall(r"^\$ .*--svg (\S+\.svg)", page.read_text(), re.M))
    assert drawn.keys() >= shown
    # to draw them anew: run the commands of the page
    assert drawn == {name: (DOCS / "pictures" / name).read_text() for name in drawn}


def test_every_link_to_a_file_leads_somewhere():
    links = [(page, target) for page in pages() for target in _linked_files(page)]

    assert [f"{page.relative_to(ROOT)}: {to}" for page, to in links if not (page.parent / to).exists()] == []
    assert len(links) > 50


def _linked_files(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)
    return re.findall(r"\]\((?!https?:|#)([^)#\s]+)", text)


def test_each_file_that_the_boundary_names_exists():
    text = (DOCS / "explanation" / "boundary.md").read_text()
    named = set(re.findall(r"`([a-z_]+/(?:[\w/]+\.(?:py|toml))?)`", text))

    folders = ROOT, ROOT / "src" / "retrysim"
    assert sorted(name for name in named if not any((folder / name).exists() for folder in folders)) == []
    assert len(named) > 30


def test_the_documentation_is_built_without_a_warning(tmp_path):
    pytest.importorskip("sphinx", reason="the documentation is built where `.[docs]` is installed")

    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", str(DOCS), str(tmp_path)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)

    assert built.returncode == 0, built.stderr


def test_every_key_of_a_scenario_is_in_the_reference_with_what_it_means(monkeypatch):
    pytest.importorskip("sphinx", reason="the documentation is built where `.[docs]` is installed")
    monkeypatch.syspath_prepend(DOCS / "_ext")
    written = "\n".join(importlib.import_module("reference_pages").PAGES["schema"]())
    rows = set(re.findall(r"^\| `(\w+)`(?: \(required\))? \| [^|]+(?:\\\|[^|]+)* \| \S.* \|$", written, re.M))

    keys = {key for block in _blocks_of(ScenarioSpec) for key in block.keys()}  # noqa: SIM118
    assert keys - rows == set()
    assert len(keys) > 100


def _blocks_of(block):
    """A block of the scenario schema and those inside of it, but for an invariant's, which is a name with arguments."""
    yield block
    for field in block.model_fields.values():
        for inner in re.findall(r"retrysim\.scenarios\.\w+\.(\w+)", repr(field.annotation)):
            kind = next((one for one in Block.__subclasses__() + _deeper(Block) if one.__name__ == inner), None)
            if kind is not None and kind is not InvariantCall:
                yield from _blocks_of(kind)


def _deeper(block):
    return [one for near in block.__subclasses__() for one in (*near.__subclasses__(), *_deeper(near))]


def test_the_workflow_to_copy_is_one():
    [workflow] = [block.text for block in blocks(DOCS / "how-to/run-in-ci.md") if block.language == "yaml"]

    assert list(YAML(typ="safe").load(workflow)["jobs"]) == ["retries"]


@pytest.mark.parametrize("page", [ROOT / "README.md", *pages()], ids=lambda page: str(page.relative_to(ROOT)))
def test_an_address_outside_can_be_clicked_and_is_checked(page):
    """Sphinx's check of links sees what is one: `<https://...>` or `[...](https://...)`."""
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", page.read_text(), flags=re.M | re.S)

    assert re.findall(r"(?<![<(])\bhttps?://[^\s)>]+", text) == []


def test_every_option_and_setting_of_the_plugin_has_a_row(pytestconfig):
    page = (DOCS / "reference/pytest.md").read_text()
    options = {option for action in pytestconfig._parser._anonymous.options for option in action.names()}
    options |= {name for group in pytestconfig._parser._groups for one in group.options for name in one.names()}

    rows = set(re.findall(r"^\| `(--retrysim-[\w-]+|\w+)", page, re.M))

    assert rows == {name for name in options if name.startswith("--retrysim-")} | set(project._KINDS)
