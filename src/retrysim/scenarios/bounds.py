"""How large a scenario may be: what is larger is a typing error, not a test. The JSON Schema names these bounds, too.

The file is read in at most a few seconds, and what it lists is counted before any of it is built.
"""

#: The size of a file in bytes, and how many values it holds.
MAX_BYTES = 1_000_000
MAX_VALUES = 50_000
#: The items that the lists of one file make together.
MAX_ITEMS = 10_000
#: The seeds of a range.
MAX_SEEDS = 10_000
#: The tasks that one item submits.
MAX_TASKS = 1_000_000
#: The workers of one item, and the tasks that all of them run at once.
MAX_WORKERS = 200
MAX_CONCURRENCY = 10_000
