"""What this repository's own scenarios and tests need: ``scenarios.apps`` is importable from here, and ``pytester``."""

pytest_plugins = ["pytester"]
