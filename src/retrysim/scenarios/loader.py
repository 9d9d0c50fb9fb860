"""Loads scenario files: text, document, model, rules; what is wrong is one error, a line for each mistake."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from retrysim.errors import ScenarioError
from retrysim.nearest import nearest
from retrysim.project import Project
from retrysim.scenarios.bounds import MAX_BYTES
from retrysim.scenarios.composer import compose
from retrysim.scenarios.defaults import with_defaults
from retrysim.scenarios.document import Document
from retrysim.scenarios.error_text import got, scenario_error
from retrysim.scenarios.rules import broken_rule
from retrysim.scenarios.scenario import Scenario
from retrysim.scenarios.schema import ScenarioSpec

#: How the name of a scenario file ends.
SUFFIX = ".scenario.yaml"


def load(path: str | Path, *, project: Project | None = None) -> Scenario:
    """The scenario in a file; what it leaves out is as its project has it.

    Raises ``ScenarioError`` for what cannot be read, is not YAML, or is no scenario. Its message
    begins with ``file:line:column``, names the key, and says what was expected and what came close.
    """
    path = Path(path)
    return loads(_text(path), file=str(path), project=project)


def loads(text: str, *, file: str = "scenario", project: Project | None = None) -> Scenario:
    """The scenario in a text; ``file`` is the name that errors show."""
    document = compose(text, file=file)
    spec = _spec(document)
    scenario = Scenario(spec=spec if project is None else with_defaults(spec, project), document=document)
    if broken := broken_rule(scenario.spec, document):
        raise broken
    return scenario


def _spec(document: Document) -> ScenarioSpec:
    if not isinstance(document.value, dict):
        expected = "expected a scenario: a mapping with at least name, app and submit"
        raise document.error((), f"{expected}; got {got(document.value)}")
    try:
        return ScenarioSpec.model_validate(document.value)
    except ValidationError as invalid:
        raise scenario_error(document, invalid) from None


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        if path.is_symlink():
            raise ScenarioError(f"{path}:1:1: is a link to {path.readlink()}, which does not exist") from None
        close = nearest(path.name.removesuffix(SUFFIX), _names_beside(path))
        hint = f"; did you mean '{close}{SUFFIX}'?" if close else ""
        raise ScenarioError(f"{path}:1:1: no such file{hint}") from None
    except IsADirectoryError:
        raise ScenarioError(f"{path}:1:1: is a folder; name its files, such as {path / ('*' + SUFFIX)}") from None
    except OSError as error:
        raise ScenarioError(f"{path}:1:1: cannot be read: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise ScenarioError(f"{path}:1:1: is larger than a scenario may be; expected at most {MAX_BYTES} bytes")
    return _decoded(data, path)


def _names_beside(path: Path) -> list[str]:
    return sorted(sibling.name.removesuffix(SUFFIX) for sibling in path.parent.glob("*" + SUFFIX))


def _decoded(data: bytes, path: Path) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start].split(b"\n")
        column = len(before[-1].decode("utf-8-sig", errors="replace")) + 1
        raise ScenarioError(
            f"{path}:{len(before)}:{column}: not UTF-8: byte 0x{data[error.start]:02x}; save the file as UTF-8"
        ) from None
