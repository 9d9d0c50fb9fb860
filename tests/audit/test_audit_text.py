"""An audit as a person reads it, on a terminal of 80 columns."""

from io import StringIO

import pytest
from celery import Celery
from rich.console import Console

from retrysim.audit import audit
from retrysim.audit.text import folded, render


@pytest.mark.parametrize(
    ("name", "width", "lines"),
    [
        ("sync", 12, ["sync"]),
        ("synchronise_all_contacts", 18, ["synchronise_all_", "contacts"]),
        ("shop.tasks.push:14", 12, ["shop.tasks.", "push:14"]),
        ("synchroniseallcontacts", 12, ["synchronisea", "llcontacts"]),
        ("__private", 4, ["__", "priv", "ate"]),
    ],
)
def test_a_long_name_goes_on_in_the_next_line_after_a_separator(name, width, lines):
    assert folded(name, width) == lines


def test_what_jitter_makes_of_a_policy_is_explained_below_the_table():
    app = Celery("audited", broker="memory://", set_as_current=False)
    name = "synchronise_all_contacts_of_the_organisation"

    @app.task(name=name, autoretry_for=(OSError,), retry_backoff=True, max_retries=12)
    def synchronise():
        pass

    console = Console(width=80, file=StringIO())
    console.print(render(audit(app, tasks=(name,), copies=20, jobs=1)))  # modules share theirs
    lines = [line.rstrip() for line in console.file.getvalue().splitlines()]

    start = next(number for number, line in enumerate(lines) if line.startswith("synchronise_all_contacts_of_ "))
    assert lines[start + 1] == "the_organisation"
    assert "Where jitter decides what the retries cover, that is the least/median/most of" in lines
