"""``files="scratch"``: a task may change only what the run itself has made in the temporary folder."""

from __future__ import annotations

import logging
import mmap
import os
import shelve
import shutil
import socket
import tempfile
import zipfile
from pathlib import Path

import pytest
from celery import Celery

from retrysim import InputError, RealFile, Simulation

CHANGES = {
    "open for writing": lambda folder: (folder / "new").open("w"),
    "open for appending": lambda folder: (folder / "old").open("a"),
    "open for both": lambda folder: (folder / "old").open("r+"),
    "os.open": lambda folder: os.open(folder / "new", os.O_CREAT | os.O_WRONLY),
    "os.open of bytes": lambda folder: os.open(os.fsencode(folder / "new"), os.O_CREAT | os.O_WRONLY),
    "touch": lambda folder: (folder / "new").touch(),
    "remove": lambda folder: (folder / "old").unlink(),
    "remove in an open folder": lambda folder: _in(folder, lambda number: os.remove("old", dir_fd=number)),
    "rmtree": lambda folder: shutil.rmtree(folder),
    "rmdir": lambda folder: (folder / "empty").rmdir(),
    "mkdir": lambda folder: (folder / "new").mkdir(),
    "rename": lambda folder: (folder / "old").rename(folder / "new"),
    "move out of it": lambda folder: shutil.move(folder / "old", tempfile.mkdtemp()),
    "replace": lambda folder: (folder / "old").replace(folder / "new"),
    "symlink": lambda folder: (folder / "new").symlink_to("/nowhere"),
    "link": lambda folder: (folder / "new").hardlink_to(folder / "old"),
    "chmod": lambda folder: (folder / "old").chmod(0o777),
    "chmod of an open file": lambda folder: _of(folder / "old", lambda number: os.fchmod(number, 0o777)),
    "chown": lambda folder: os.chown(folder / "old", os.getuid(), os.getgid()),
    "utime": lambda folder: os.utime(folder / "old", (1, 1)),
    "truncate": lambda folder: os.truncate(folder / "old", 0),
    "mkfifo": lambda folder: os.mkfifo(folder / "new"),
    "copy": lambda folder: shutil.copy(__file__, folder / "new"),
    "zip": lambda folder: zipfile.ZipFile(folder / "new", "w"),
    "shelve": lambda folder: shelve.open(str(folder / "new")),  # noqa: SIM115
    "a log": lambda folder: logging.FileHandler(folder / "new"),
    "mmap": lambda folder: mmap.mmap((folder / "old").open("r+b").fileno(), 0),
    "a socket": lambda folder: socket.socket(socket.AF_UNIX).bind(str(folder / "new")),
    "through a link of one's own": lambda folder: _linked(folder / "old").write_text("changed"),
}


def _in(folder, act):
    number = os.open(folder, os.O_RDONLY)
    try:
        act(number)
    finally:
        os.close(number)


def _of(file, act):
    with file.open() as opened:
        act(opened.fileno())


def _linked(file):
    link = Path(tempfile.mkdtemp(), "link")
    link.symlink_to(file)
    return link


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "old").write_text("old")
    (tmp_path / "old").chmod(0o600)
    return tmp_path


def state_of(folder):
    return sorted(
        (path.name, path.lstat().st_mode, path.lstat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
        for path in folder.rglob("*")
    )


def played(act, **options):
    """A simulation in which a task does this, and what it gave or raised."""
    app = Celery("files", broker="memory://", backend="cache+memory://", set_as_current=False)
    outcome = []

    @app.task(name="changes")
    def changes():
        try:
            outcome.append(act())
        except BaseException as error:
            outcome.append(error)

    with Simulation(**options) as sim:
        sim.start_worker(app)
        changes.delay()
        sim.run()
        return sim.refusals, outcome[0]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_a_file_is_refused_and_not_made(folder, change):
    before = state_of(folder)

    refusals, error = played(lambda: CHANGES[change](folder), files="scratch")

    assert isinstance(error, RealFile), error
    assert str(error).startswith(f"a task changes a real file: {folder}")
    assert "test_files.py:" in str(error)
    assert [(kind, Path(path).is_relative_to(folder)) for kind, path in refusals] == [(RealFile, True)]
    assert state_of(folder) == before


def in_the_temporary_folder():
    with tempfile.TemporaryDirectory() as made:
        first, second = Path(made, "first"), Path(made, "second")
        first.write_text("text")
        first.rename(second)
        second.chmod(0o600)
        shutil.copytree(made, f"{made}-too")
        shutil.rmtree(f"{made}-too")
    with tempfile.NamedTemporaryFile() as file, tempfile.TemporaryFile() as other:
        file.write(b"text")
        other.write(b"text")


def nowhere():
    with Path(os.devnull).open("w") as null:
        null.write("text")
    read, write = os.pipe()
    os.write(write, b"text")
    with os.fdopen(write, "wb") as pipe:
        pipe.write(b"text")
    os.close(read)


@pytest.mark.parametrize("act", [in_the_temporary_folder, nowhere, lambda: Path(__file__).read_text()[:0]])
def test_what_the_run_makes_and_what_is_no_file_is_left_alone(act):
    assert played(act, files="scratch") == ([], act())


def test_without_it_tasks_change_files_and_with_it_the_test_does(folder):
    refusals, error = played((folder / "old").unlink)
    assert (refusals, error, (folder / "old").exists()) == ([], None, False)

    with Simulation(files="scratch"):
        (folder / "new").write_text("by the test")
    assert (folder / "new").exists()


def test_a_pool_process_of_its_own_is_refused_too(folder):
    app = Celery("files", broker="memory://", set_as_current=False)

    @app.task(name="removes")
    def removes():
        (folder / "old").unlink()

    with Simulation(files="scratch", isolated=True) as sim:
        sim.start_worker(app)
        removes.delay()
        sim.run()
        assert sim.states == {"FAILURE": 1}
    assert (folder / "old").exists()


def test_another_word_is_one_clear_error():
    with pytest.raises(InputError, match=r"""^files='temporary': expected "real" or "scratch"$"""):
        Simulation(files="temporary")
