"""The workers of one item: how many of which kind, and what each of them is called."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from retrysim.scenarios.kinds import Pool
from retrysim.scenarios.worker_groups import WorkerGroup, Workers


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSpec:
    """One worker. ``queues`` and ``pool`` are ``None`` where the app's own configuration says it."""

    name: str
    concurrency: int
    pool: Pool | None
    queues: tuple[str, ...] | None
    #: whether its pool processes are processes of the machine, in a simulation
    isolated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One value of each list of a group."""

    group: WorkerGroup | Workers
    pool: Pool | None
    count: int
    concurrency: int

    @property
    def label(self) -> tuple[str, ...]:
        """What tells it from the group's others; of several groups, after the group's name."""
        words = list(_distinctions(self.group, self.pool, self.count, self.concurrency))
        return tuple([self.group.name, *words] if words and isinstance(self.group, WorkerGroup) else words)

    def workers(self) -> Iterator[WorkerSpec]:
        """Its workers."""
        for name in _names(self.group, self.count):
            yield WorkerSpec(
                name=name,
                concurrency=self.concurrency,
                pool=self.pool,
                queues=self.group.queues,
                isolated=self.group.isolated,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSet:
    """All workers of an item: a choice of each group. They are made when they are asked for."""

    choices: tuple[Choice, ...]

    @property
    def label(self) -> tuple[str, ...]:
        """What tells this crew from the others that the file's lists make."""
        return tuple(word for choice in self.choices for word in choice.label)

    @property
    def workers(self) -> tuple[WorkerSpec, ...]:
        return tuple(worker for choice in self.choices for worker in choice.workers())


def crews_of(workers: Workers) -> Iterator[WorkerSet]:
    """A crew for each combination of the values that the file lists, in the order of its lists."""
    groups = workers.groups or (workers,)
    return (WorkerSet(choices=choices) for choices in product(*map(_choices, groups)))


def _choices(group: WorkerGroup | Workers) -> Iterator[Choice]:
    for pool, count, concurrency in product(group.pool or (None,), group.count, group.concurrency):
        yield Choice(group=group, pool=pool, count=count, concurrency=concurrency)


def names_of(group: WorkerGroup, count: int) -> tuple[str, ...]:
    """The node name of each worker of a group that has so many."""
    return _numbered(group.name, count) if count > 1 else (group.name,)


def _numbered(name: str, count: int) -> tuple[str, ...]:
    return tuple(f"{name}-{number}" for number in range(1, count + 1))


def _names(group: WorkerGroup | Workers, count: int) -> Sequence[str]:
    if isinstance(group, WorkerGroup):
        return names_of(group, count)
    return _numbered("worker", count) if group.hostname is None else (group.hostname.rpartition("@")[2],)


def _distinctions(group: WorkerGroup | Workers, pool: Pool | None, count: int, concurrency: int) -> Iterator[str]:
    if pool is not None and len(group.pool or ()) > 1:
        yield pool
    if len(group.count) > 1:
        yield f"{count}x{concurrency}"
    elif len(group.concurrency) > 1:
        yield str(concurrency)
