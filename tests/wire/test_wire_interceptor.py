"""Installing and uninstalling: nothing stays behind, nothing is imported for it, nobody does it twice."""

from __future__ import annotations

import gc
import http.client
import os
import ssl
import subprocess
import sys
import textwrap
from pathlib import Path

import aiohttp
import httpcore
import httplib2
import pytest
import requests
import urllib3.connection
from wire_helpers import Scripted, ok, serving_test_host

from retrysim.errors import FakeError
from retrysim.fakes.response import Break
from retrysim.wire import Interceptor, interceptor

PATCHED = [
    http.client.HTTPConnection,
    http.client.HTTPSConnection,
    urllib3.connection.HTTPConnection,
    urllib3.connection.HTTPSConnection,
    httplib2.HTTPConnectionWithTimeout,
    httplib2.HTTPSConnectionWithTimeout,
    httpcore.ConnectionPool,
    httpcore.HTTPProxy,
    httpcore.AsyncConnectionPool,
    httpcore.AsyncHTTPProxy,
    aiohttp.TCPConnector,
    ssl.SSLContext,
]


def attributes():
    return [dict(vars(cls)) for cls in PATCHED], list(sys.meta_path)


def run_python(code):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(code)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_every_class_is_patched_while_installed():
    before, _ = attributes()

    with serving_test_host(Scripted(ok())):
        during, _ = attributes()

    assert [old == new for old, new in zip(before, during, strict=True)] == [False] * len(PATCHED)


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt, SystemExit])
def test_everything_is_put_back_whatever_happens(error):
    before = attributes()

    try:
        with serving_test_host(Scripted(ok())):
            requests.get("https://api.test/")
            if error is not None:
                raise error
    except (ValueError, KeyboardInterrupt, SystemExit):
        pass

    assert attributes() == before


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_failing_installation_leaves_nothing_behind(error, monkeypatch):
    def fail(module, network, undo):
        raise error("in the middle of it")

    before = attributes()
    monkeypatch.setattr(interceptor, "PATCHES", {**interceptor.PATCHES, "aiohttp.connector": fail})

    with pytest.raises(error, match=r"^in the middle of it$"):
        serving_test_host(Scripted(ok())).install()

    assert attributes() == before


def test_second_interceptor_is_a_clear_error_and_the_first_stands():
    handler = Scripted(ok())

    with serving_test_host(handler):
        with pytest.raises(FakeError) as error:
            serving_test_host(Scripted(ok(b"other"))).install()
        text = requests.get("https://api.test/").text

    assert str(error.value) == (
        "hosts are served in this process already, by a simulation or a serving() block: "
        "end it first, or give it all the fakes"
    )
    assert text == "hello"


def test_interceptor_can_be_installed_again():
    one = serving_test_host(Scripted(ok()))

    texts = []
    for _ in range(2):
        with one:
            texts.append(requests.get("https://api.test/").text)
    one.uninstall()

    assert texts == ["hello", "hello"]


def test_patches_of_others_that_came_later_are_not_undone_by_an_exception(monkeypatch):
    with serving_test_host(Scripted(ok())):
        monkeypatch.setattr(requests.Session, "send", lambda *args, **options: "mocked")
        answer = requests.get("https://api.test/")

    assert answer == "mocked"


def test_endless_wait_is_left_to_whoever_installs():
    class ParkedError(Exception):
        """Stands in for what a simulation does: it parks the process."""

    def hang(origin):
        raise ParkedError(str(origin))

    silent = Scripted(ok(broken=Break.SILENCE))

    with Interceptor(lambda *_: silent, hang=hang), pytest.raises(ParkedError, match=r"^https://api\.test$"):
        requests.get("https://api.test/")


def test_importing_and_installing_imports_no_client_library():
    outcome = run_python("""
        import sys
        from retrysim.wire import Interceptor

        with Interceptor(lambda scheme, host, port: None):
            clients = {"urllib3", "requests", "httpcore", "httpx", "httplib2", "aiohttp", "responses", "celery"}
            print(sorted(clients & set(sys.modules)))
    """)

    assert (outcome.stdout, outcome.stderr) == ("[]\n", "")


def test_client_imported_while_installed_is_served_and_put_back():
    outcome = run_python("""
        import sys
        from retrysim.fakes.response import Response
        from retrysim.wire import Interceptor
        from retrysim.patches.import_watch import ImportWatch

        with Interceptor(lambda scheme, host, port: lambda request: Response(status=200, body=b"hello")):
            import requests, httpx, urllib3.connection
            print(requests.get("https://api.test/").text, httpx.get("https://api.test/").text)
            print(urllib3.connection.__loader__.get_source("urllib3.connection")[:4])
        print(any(isinstance(finder, ImportWatch) for finder in sys.meta_path))
        print(urllib3.connection.HTTPSConnection.connect.__module__)
    """)

    assert (outcome.stdout, outcome.stderr) == ("hello hello\nfrom\nFalse\nurllib3.connection\n", "")


def test_client_imported_afterwards_is_left_alone():
    outcome = run_python("""
        from retrysim.wire import Interceptor

        with Interceptor(lambda scheme, host, port: None):
            pass
        import urllib3.connection
        print(urllib3.connection.HTTPSConnection.connect.__module__)
    """)

    assert (outcome.stdout, outcome.stderr) == ("urllib3.connection\n", "")


def test_client_that_cannot_be_imported_fails_as_ever():
    outcome = run_python("""
        import sys
        from retrysim.wire import Interceptor

        sys.meta_path = [finder for finder in sys.meta_path if "Path" not in getattr(finder, "__name__", "")]
        with Interceptor(lambda scheme, host, port: None):
            try:
                import httplib2
            except ImportError as error:
                print(error)
    """)

    assert (outcome.stdout, outcome.stderr) == ("No module named 'httplib2'\n", "")


@pytest.mark.slow
def test_descriptors_are_given_back_with_the_last_connection():
    def open_descriptors():
        return len(list(Path("/proc/self/fd").iterdir()))

    if not Path("/proc/self/fd").exists():
        pytest.skip("counts descriptors in /proc, which only Linux has")
    gc.collect()
    before = open_descriptors()

    for _ in range(10):
        with serving_test_host(Scripted(ok())):
            requests.get("https://api.test/")

    gc.collect()
    assert open_descriptors() <= before  # what an earlier test left to the collector may be closed meanwhile
