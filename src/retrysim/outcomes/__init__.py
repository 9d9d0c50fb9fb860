"""The outcome of a run: a scenario's expectations judged, the facts for a machine, the text for a person.

Import from the modules: a test without a scenario file needs `verdict` alone, and not the scenario schema, which loads
pydantic and a YAML parser.
"""
