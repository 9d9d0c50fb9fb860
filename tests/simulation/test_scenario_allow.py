"""What a scenario file lets tasks really do: the hosts of ``allow``, or any if it is not ``strict``."""

import socket
import sys

import pytest

from retrysim.scenarios import items_of, loads
from retrysim.simulation.player import play

APP = """
import urllib.request
from celery import Celery

app = Celery("caller", broker="redis://nobody.example/0", set_as_current=False)

@app.task(name="caller.call", shared=False)
def call(port):
    urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5)
"""


@pytest.fixture
def port(tmp_path, monkeypatch):
    """One on which nobody listens."""
    (tmp_path / "caller.py").write_text(APP)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "caller", raising=False)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.mark.parametrize(
    ("more", "raised"),
    [
        ("", "UnservedHost"),
        ("allow: 127.0.0.2", "UnservedHost"),
        ("allow: 127.0.0.1", "URLError"),
        ("allow: ['127.0.0.1:{port}', subprocess]", "URLError"),
        ("strict: false", "URLError"),
    ],
)
def test_a_host_is_really_called_if_the_file_lets_it(port, more, raised):
    text = f"name: a\napp: caller:app\nsubmit: [{{task: call, args: [{port}]}}]\n{more.format(port=port)}\n"
    [item] = items_of(loads(text, file="f"))

    [task] = play(item).trace.tasks.values()

    assert task.failure.exception.partition(":")[0] == raised
