"""Scenario files: what a team expects of its retries, written down as data.

A file is loaded into a ``Scenario``, which has one ``ScenarioItem`` for each way to play it. Nothing here knows Celery
or pytest: names of apps and tasks are checked by whoever plays, and reported through ``Scenario.error``.
"""

from retrysim.scenarios.claims import ALL, InvariantCall
from retrysim.scenarios.expectation import Expect, Retried
from retrysim.scenarios.item import ScenarioItem, items_of
from retrysim.scenarios.kinds import Broker, CeleryMode, PointInTime, Range, fits
from retrysim.scenarios.loader import SUFFIX, load, loads
from retrysim.scenarios.published import json_schema
from retrysim.scenarios.scenario import Scenario
from retrysim.scenarios.schema import OTHERS, RunLimits, ScenarioSpec
from retrysim.scenarios.submission import Submission
from retrysim.scenarios.worker_groups import Workers
from retrysim.scenarios.workers import WorkerSpec

__all__ = [
    "ALL",
    "OTHERS",
    "SUFFIX",
    "Broker",
    "CeleryMode",
    "Expect",
    "InvariantCall",
    "PointInTime",
    "Range",
    "Retried",
    "RunLimits",
    "Scenario",
    "ScenarioItem",
    "ScenarioSpec",
    "Submission",
    "WorkerSpec",
    "Workers",
    "fits",
    "items_of",
    "json_schema",
    "load",
    "loads",
]
