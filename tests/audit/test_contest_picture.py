"""The contest drawn: what stands in the picture, from standings that are written out."""

import xml.etree.ElementTree as ET
from collections import Counter

import pytest

from retrysim.audit.contest import Contest, Standing, Workload
from retrysim.audit.contest.picture import contest_svg
from retrysim.audit.contest.run import ContestRun
from retrysim.audit.contest.workload import ApiCall
from retrysim.ratelimit.rate import Rate

SECOND = 1_000_000_000
SVG = "{http://www.w3.org/2000/svg}"


def result(calls, lost=0, peak=4):
    told = tuple(ApiCall(at_ns=int(second * SECOND), served=served) for second, served in calls)
    return ContestRun(lost=lost, drained_ns=max(call.at_ns for call in told if call.served), peak=peak, calls=told)


REFUSED_ONCE = [(0, True), (0, True), (0, False), (0, False)]


@pytest.fixture
def contest():
    """Four tasks, two calls a minute: one policy comes back at the reset, one gives up, one is late."""
    standings = (
        Standing(name="proj.tasks.push", own=True, results=(result([*REFUSED_ONCE, (1, False)], lost=2),) * 2),
        Standing(
            name="at reset",
            own=False,
            results=(result([*REFUSED_ONCE, (60, True), (60, True)]), result([*REFUSED_ONCE, (61, True), (62, True)])),
        ),
        Standing(name="late & <slow>", own=False, results=(result([*REFUSED_ONCE, (300, True), (600, True)]),) * 2),
    )
    return Contest(workload=Workload(tasks=4, limit=Rate.parse("2 per minute")), seeds=2, standings=standings)


def texts(svg):
    return [element.text for element in ET.fromstring(svg).iter(f"{SVG}text")]


def bars(svg):
    """How many rectangles there are of each kind, without the squares of the legend."""
    counted = Counter(element.get("class") for element in ET.fromstring(svg).iter(f"{SVG}rect"))
    return {kind: counted[kind] - 1 for kind in ("served", "refused", "FAILURE")}


def test_each_policy_has_its_name_and_four_figures(contest):
    shown = texts(contest_svg(contest))

    rows = [shown[index : index + 5] for index, words in enumerate(shown) if words in ("push (yours)", "at reset")]
    assert rows == [["push (yours)", "2", "never", "3", "4"], ["at reset", "0", "1m", "2", "4"]]


def test_what_was_played_and_the_advice_can_be_read(contest):
    shown = texts(contest_svg(contest))

    assert shown[:2] == ["4 tasks at once, 2 per 1m", "max_retries=3 but for tasks' own; 2 seeds (median, least..most)"]
    assert " ".join(shown).endswith(
        "Advice: at reset, because it waits until the API opens, and no longer: none of 4 tasks is lost, the last is "
        "through after 1m2s (at best 1m), and 2 calls are refused. proj.tasks.push loses 2 of 4 as it is."
    )


def test_calls_are_bars_where_they_were_made(contest):
    svg = contest_svg(contest)

    # calls: a bar at 0s for each policy, and one at 1m for `at reset`; figures: two policies drained
    assert bars(svg) == {"served": 3 + 1 + 2, "refused": 3 + 3, "FAILURE": 1}
    assert [words for words in texts(svg) if words in ("0s", "1m", "2m")] == ["0s", "1m", "2m", "1m"]


def test_calls_after_the_last_window_that_is_needed_are_told(contest):
    assert [words for words in texts(contest_svg(contest)) if words.startswith("to ")] == ["to 10m →"]


def test_the_best_time_to_drain_is_marked_on_every_bar(contest):
    svg = contest_svg(contest)

    marks = {element.get("x1") for element in ET.fromstring(svg).iter(f"{SVG}line") if element.get("class") == "best"}
    assert len(marks) == 1
    assert "best 1m" in texts(svg)


def test_a_spread_is_a_line_from_least_to_most(contest):
    drawn = [one for one in ET.fromstring(contest_svg(contest)).iter(f"{SVG}line") if one.get("class") == "spread"]

    assert len(drawn) == 1  # `at reset` drained after 60 s with one seed, after 62 s with the other
    assert float(drawn[0].get("x1")) < float(drawn[0].get("x2"))


def test_names_cannot_break_the_picture(contest):
    assert "late & <slow>" in texts(contest_svg(contest))


def test_the_same_contest_gives_the_same_picture(contest):
    assert contest_svg(contest) == contest_svg(contest)
