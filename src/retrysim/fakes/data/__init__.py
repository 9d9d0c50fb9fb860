"""Data files of the fakes: limits and dialects, each with its source and date; read when they are needed."""

from __future__ import annotations

from importlib.resources import files


def read_data(name: str) -> str:
    """The text of a data file, by its path below this folder."""
    return files(__name__).joinpath(name).read_text(encoding="utf-8")


def data_names(folder: str, ending: str) -> list[str]:
    """The names, without their ending, of the files in a folder."""
    names = (file.name for file in files(__name__).joinpath(folder).iterdir())
    return sorted(name.removesuffix(ending) for name in names if name.endswith(ending))
