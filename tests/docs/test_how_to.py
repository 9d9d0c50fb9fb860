"""The how-to pages keep their word: their code runs."""

import re
from pathlib import Path

HOW_TO = Path(__file__).parents[2] / "docs/how-to"


def test_existing_celery_tests_run_as_the_page_says(pytester):
    page = (HOW_TO / "move-from-celery-contrib-pytest.md").read_text()
    [code] = re.findall(r"^```python\n(.*?)^```$", page, re.M | re.S)
    pytester.makeconftest('pytest_plugins = ["celery.contrib.pytest"]')
    pytester.makepyfile(test_retry=code)

    pytester.runpytest_subprocess("--retrysim-worker").assert_outcomes(passed=1)
