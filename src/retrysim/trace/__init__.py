"""What happened: typed events in the order of time, the views of them, and their form on disk."""

from retrysim.trace.comparable import Retries, States
from retrysim.trace.events import (
    ApiCalled,
    Event,
    FaultFired,
    RunEnded,
    TaskFailed,
    TaskIgnored,
    TaskOutcome,
    TaskReceived,
    TaskRejected,
    TaskRetried,
    TaskRevoked,
    TaskSent,
    TaskStarted,
    TaskSucceeded,
    WorkerLogged,
    WorkerReady,
    WorkerStopped,
)
from retrysim.trace.history import Attempt, TaskHistory, Trace, is_named
from retrysim.trace.ndjson import dump_ndjson
from retrysim.trace.reader import load_ndjson
from retrysim.trace.waste import Waste, waste_of
from retrysim.trace.words import Words, aligned

__all__ = [
    "ApiCalled",
    "Attempt",
    "Event",
    "FaultFired",
    "Retries",
    "RunEnded",
    "States",
    "TaskFailed",
    "TaskHistory",
    "TaskIgnored",
    "TaskOutcome",
    "TaskReceived",
    "TaskRejected",
    "TaskRetried",
    "TaskRevoked",
    "TaskSent",
    "TaskStarted",
    "TaskSucceeded",
    "Trace",
    "Waste",
    "Words",
    "WorkerLogged",
    "WorkerReady",
    "WorkerStopped",
    "aligned",
    "dump_ndjson",
    "is_named",
    "load_ndjson",
    "waste_of",
]
