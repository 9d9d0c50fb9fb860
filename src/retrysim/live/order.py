"""What a process of a live run receives when it is started, as JSON: the stage by the player, a worker by the stage."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")

#: The file in the folder of a stage that says what came of the run.
CAME = "came.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class StageOrder:
    """Which item to play, where, and how fast."""

    file: str
    item: str
    seed: int | None  # what the item was made with in place of the file's own seeds
    url: str
    results_url: str
    scale: float
    player: int  # the pid of the process that gives the order
    folder: str  # for sockets, logs, and what comes of it


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOrder:
    """Which worker to be, and where the stage listens."""

    app: str
    name: str
    arguments: list[str]  # as `celery worker` takes them
    conf: dict[str, Any]  # the scenario's own, laid over the app's configuration
    settings: dict[str, Any]  # laid over both
    scale: float
    address: str
    key: str
    hosts: list[str]  # that the stage serves
    allow: list[str]  # that tasks may really call
    strict: bool  # whether they may call no other
    costs: dict[str, int] = field(default_factory=dict)


def dump(order: StageOrder | WorkerOrder) -> str:
    return json.dumps(asdict(order))


def load(kind: type[T], text: str) -> T:
    return kind(**json.loads(text))
