"""What the reports of a run of 5 000 attempts cost: ``python benchmarks/reports.py`` (a browser opens one, if there is one).

2 800 tasks call an API that answers in a fraction of a second and refuses most of them at first.
"""

import random
import shutil
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from celery import Celery

from retrysim.fakes import API
from retrysim.reports import html_report, perfetto_report, svg_report, terminal_report, timeline
from retrysim.simulation import Simulation
from retrysim.trace import dump_ndjson, load_ndjson

app = Celery("shop", broker="redis://localhost/0")


@app.task(bind=True, name="shop.tasks.sync_contact")
def sync_contact(self):
    try:
        urllib.request.urlopen("https://crm.acme.io/contacts")
    except urllib.error.HTTPError as error:
        raise self.retry(exc=error, countdown=random.uniform(60, 3_600)) from error


def run():
    """A run of about 5 000 attempts."""
    with Simulation(seed=1) as sim:
        sim.serve(API("https://crm.acme.io", limit="200 per minute", answer={"ok": True}, latency="200ms to 900ms"))
        for _ in range(2):
            sim.start_worker(app, concurrency=8)
        for _ in range(2_800):
            sync_contact.delay()
        sim.run()
        return sim.trace


def seconds(function):
    """The best of three."""
    took = []
    for _ in range(3):
        began = time.perf_counter()
        function()
        took.append(time.perf_counter() - began)
    return min(took)


def open_in_a_browser(page):
    """Seconds until the page can be used, or ``None`` without a browser."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        return None
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    with tempfile.TemporaryDirectory() as folder:
        for flag in (
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            f"--user-data-dir={folder}/profile",
        ):
            options.add_argument(flag)
        path = Path(folder) / "report.html"
        path.write_text(page, encoding="utf-8")
        browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
        browser.get(path.as_uri())
        entry = "performance.getEntriesByType('navigation')[0]"
        took = browser.execute_script(f"return {entry}.loadEventEnd - {entry}.startTime")
        browser.quit()
    return took / 1_000


def main():
    trace = run()
    text = dump_ndjson(trace)
    page = html_report(trace, title="a run")
    attempts = sum(len(task.attempts) for task in trace.tasks.values())
    print(f"{attempts} attempts, {len(trace)} events; the page has {len(page) / 1e6:.1f} MB")
    print(f"read the trace   {seconds(lambda: load_ndjson(text)):.2f} s")
    print(f"HTML             {seconds(lambda: html_report(trace, title='a run')):.2f} s")
    print(f"SVG              {seconds(lambda: svg_report(trace)):.2f} s")
    print(f"Perfetto         {seconds(lambda: perfetto_report(trace)):.2f} s")
    print(f"figures          {seconds(lambda: terminal_report(trace)):.2f} s")
    print(f"timeline         {seconds(lambda: list(timeline(trace))):.2f} s")
    opened = open_in_a_browser(page)
    print("no browser" if opened is None else f"open the page    {opened:.2f} s")


if __name__ == "__main__":
    main()
