"""The page in a real browser: it renders, nothing is logged as an error, its table filters, sorts and tells stories."""

import os
import shutil

import pytest
import runs

from retrysim.reports import html_report

pytestmark = pytest.mark.slow

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
#: Milliseconds from the click on a link to a page that can be used.
OPENED = "const t = performance.getEntriesByType('navigation')[0]; return t.loadEventEnd - t.startTime"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if CHROMIUM is None or DRIVER is None:
        message = "needs chromium and chromedriver: apt-get install chromium chromium-driver"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    for flag in [*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"]:
        options.add_argument(flag)
    options.binary_location = CHROMIUM
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def opened(browser, tmp_path):
    """Open the page of a run; when the test ends, nothing was logged and nothing was fetched."""

    def open_page(trace, **how):
        path = tmp_path / "report.html"
        path.write_text(html_report(trace, title="a run", **how), encoding="utf-8")
        browser.get(path.as_uri())
        return browser

    yield open_page
    assert browser.get_log("browser") == []
    assert browser.execute_script("return performance.getEntriesByType('resource').map((e) => e.name)") == []
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def found(browser, selector):
    return browser.find_elements("css selector", selector)


def rows(browser):
    """The ids of the tasks in the table, and their states."""
    script = (
        "return [...document.querySelectorAll('tr.row')].map("
        "(row) => row.querySelector('td.task span').textContent + ' ' + row.querySelector('.state').textContent)"
    )
    return browser.execute_script(script)


def press(browser, text):
    [button] = [button for button in found(browser, "button") if button.text.strip(" ↕↑↓") == text]
    button.click()


def width_of_the_page(browser):
    return browser.execute_script("return document.documentElement.scrollWidth")


def test_the_page_shows_every_part(opened, refused_and_retried):
    page = opened(refused_and_retried)

    assert [heading.text for heading in found(page, "h2")] == [
        "Calls per window",
        "Attempts",
        "By task name",
        "Calls",
        "Tasks",
    ]
    assert len(found(page, ".lanes .bar rect")) == 7
    assert rows(page) == [
        "eeeeeeee FAILURE",  # what went wrong comes first
        "aaaaaaaa SUCCESS",
        "bbbbbbbb SUCCESS",
        "cccccccc SUCCESS",
        "dddddddd SUCCESS",
    ]


def test_the_filter_finds_a_word_of_a_story(opened, refused_and_retried):
    page = opened(refused_and_retried)

    found(page, "#filter")[0].send_keys("429 success")

    assert rows(page) == ["dddddddd SUCCESS"]
    assert found(page, "#shown")[0].text == "1 of 5 tasks"


def test_a_state_is_chosen_and_left_again(opened, refused_and_retried):
    page = opened(refused_and_retried)

    press(page, "retried 2")
    assert rows(page) == ["eeeeeeee FAILURE", "dddddddd SUCCESS"]

    press(page, "all 5")
    assert len(rows(page)) == 5


def test_the_table_sorts_both_ways(opened, refused_and_retried):
    page = opened(refused_and_retried)

    press(page, "State")
    assert rows(page)[0] == "eeeeeeee FAILURE"

    press(page, "State")
    assert rows(page)[-1] == "eeeeeeee FAILURE"
    assert [head.get_attribute("aria-sort") for head in found(page, "#list th[aria-sort]")] == [
        "none",
        "descending",
        "none",
        "none",
        "none",
    ]


def test_the_keyboard_is_enough(opened, refused_and_retried):
    page = opened(refused_and_retried)

    found(page, "body")[0].send_keys("/")
    page.switch_to.active_element.send_keys("eeee")
    found(page, "td.task button")[0].send_keys("\ue007")

    story = [line.text.split("\n") for line in found(page, ".detail .story li")]
    assert story[0] == ["12:00:00", "+0s", "sent", "to queue celery"]
    assert story[3] == ["refused", "429 twitter GET /timeline, 0 of 3 left, opens 12:15:00"]
    assert story[-1][:2] == ["FAILURE", "ValueError: no"]
    assert found(page, "td.task button")[0].get_attribute("aria-expanded") == "true"


def test_a_bar_opens_the_story_of_its_task(opened, refused_and_retried):
    page = opened(refused_and_retried)
    press(page, "SUCCESS 4")

    page.execute_script(
        "document.querySelector('.bar.FAILURE rect').dispatchEvent(new Event('click', {bubbles: true}))"
    )

    assert found(page, "tr.open .state")[0].text == "FAILURE"
    assert len(found(page, "rect.chosen")) == 2


def test_faults_are_listed_and_marked(opened, killed):
    page = opened(killed)

    assert [line.text.split("\n")[-1] for line in found(page, "section > .story li")] == ["kill worker-1 (node lost)"]
    assert rows(page) == ["lost-1 LOST", "fine-2 SUCCESS"]


@pytest.mark.parametrize("run", [runs.refused_and_retried, runs.killed])
def test_nothing_stands_out_of_a_phone(opened, run):
    page = opened(run(), failure="no_task_is_lost: " + "a_very_long_word_" * 20)

    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    found(page, "td.task button")[0].click()

    assert width_of_the_page(page) == 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_theme(opened, refused_and_retried, scheme):
    page = opened(refused_and_retried)

    page.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )

    paper = page.execute_script("return getComputedStyle(document.documentElement).backgroundColor")
    assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 24, 31)"}[scheme]


def test_5000_attempts_open_in_less_than_2_seconds(opened, many):
    took = []
    for _ in range(3):  # the best of three, for another process may have the machine
        page = opened(many)
        took.append(page.execute_script(OPENED))

    assert min(took) < 2_000
    assert len(found(page, ".lanes .bar rect")) == 5_000
    assert len(rows(page)) == 100
    assert found(page, "#shown")[0].text.replace("\u202f", " ") == "2 500 tasks"


def test_the_filter_of_5000_attempts_is_quick(opened, many):
    page = opened(many)

    page.execute_script(
        "window.began = performance.now(); const filter = document.getElementById('filter');"
        "filter.value = '000009c3'; filter.dispatchEvent(new Event('input')); window.took = performance.now() - began"
    )

    assert rows(page) == ["000009c3 SUCCESS"]
    assert page.execute_script("return window.took") < 1_000
