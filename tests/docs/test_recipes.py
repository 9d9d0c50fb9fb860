"""The recipes for a limit per API key: the page has their code, and the figures of their scenarios."""

from collections import Counter

import pytest
from tests.docs.pages import DOCS, ROOT, blocks

from retrysim.durations import format_duration
from retrysim.scenarios import items_of, load
from retrysim.simulation.player import play
from retrysim.trace import ApiCalled

PAGE = DOCS / "how-to" / "limit-calls-per-key.md"
RECIPES = sorted((ROOT / "scenarios" / "recipes").glob("*.py"))


def figures(recipe):
    """Lost and refused calls, started tasks, and when the last call of the busy and of the quiet key was served."""
    outcome = play(items_of(load(recipe.with_suffix(".scenario.yaml")))[0])
    assert outcome.passed, outcome.text()
    trace = outcome.trace
    calls = list(trace.of(ApiCalled))
    served = Counter(call.partition for call in calls if call.status == 200)
    last = {call.partition: call.at_ns - trace.start_ns for call in calls if call.status == 200}
    refused = sum(call.status == 429 for call in calls)
    attempts = sum(len(task.attempts) for task in trace.tasks.values())
    (busy, _), (quiet, _) = served.most_common()
    return [100 - served.total(), refused, attempts, format_duration(last[busy]), format_duration(last[quiet])]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.stem)
def test_the_page_has_the_figures_of_a_recipe_and_its_code(recipe):
    text = PAGE.read_text(encoding="utf-8")

    [row] = [line for line in text.splitlines() if line.startswith(f"| [`{recipe.stem}`]")]
    assert row.endswith("| " + " | ".join(map(str, figures(recipe))) + " |")
    shown = [block.text for block in blocks(PAGE) if block.language == "python"]
    assert f"# scenarios/recipes/{recipe.name}\n{recipe.read_text(encoding='utf-8')}" in shown


def test_no_recipe_is_missing():
    assert len(RECIPES) == 5
