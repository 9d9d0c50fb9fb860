"""The workers of one item: how many of which kind, and what each of them is called."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from retrysim.scenarios.kinds import Pool
from retrysim.scenarios.schema import WorkerGroup, Workers


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSpec:
    """One worker. ``queues`` and ``pool`` are ``None`` where the app's own configuration says it."""

    name: str
    concurrency: int
    pool: Pool | None
    queues: tuple[str, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """All workers of an item; ``label`` tells it from the others that the file's lists make."""

    label: tuple[str, ...]
    workers: tuple[WorkerSpec, ...]


def crews_of(workers: Workers) -> list[Crew]:
    """A crew for each combination of the values that the file lists, in the order of its lists."""
    if not workers.groups:
        return list(_of_group(workers, name=None))
    crews = [list(_of_group(group, name=group.name)) for group in workers.groups]
    return [
        Crew(
            label=tuple(word for crew in chosen for word in crew.label),
            workers=tuple(worker for crew in chosen for worker in crew.workers),
        )
        for chosen in product(*crews)
    ]


def names_of(group: WorkerGroup, count: int) -> tuple[str, ...]:
    """The node name of each worker of a group that has so many."""
    return _numbered(group.name, count) if count > 1 else (group.name,)


def _numbered(name: str, count: int) -> tuple[str, ...]:
    return tuple(f"{name}-{number}" for number in range(1, count + 1))


def _of_group(group: WorkerGroup | Workers, *, name: str | None) -> Iterator[Crew]:
    for pool, count, concurrency in product(group.pool or (None,), group.count, group.concurrency):
        words = list(_distinctions(group, pool, count, concurrency))
        yield Crew(
            label=tuple([name, *words] if words and name is not None else words),
            workers=tuple(
                WorkerSpec(name=own, concurrency=concurrency, pool=pool, queues=group.queues)
                for own in _names(group, count)
            ),
        )


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
