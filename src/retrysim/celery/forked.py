"""What a pool process that is one of the machine asks of the process that forked it, as far as Celery goes.

Trace, attempts and redaction are one for all; so are a broker in memory and a result store, which have no server.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kombu import Connection

from retrysim.celery.attempts import Attempts, RunsTasks
from retrysim.trace import Event, TaskStarted
from retrysim.trace.events import TaskEvent

if TYPE_CHECKING:
    from retrysim.celery.memory import MemoryBroker
    from retrysim.celery.publishing import Judgement
    from retrysim.celery.recorder import Recorder, Surroundings
    from retrysim.celery.result_conditions import ResultConditions
    from retrysim.celery.results import ResultStore
    from retrysim.kernel import Environment
    from retrysim.kernel.forked.face import Face
    from retrysim.kernel.forked.faces import Faces
    from retrysim.kernel.forked.inside import Link

#: What kombu's memory transport does to what all of its channels share.
_OF_A_CHANNEL = (
    "exchange_declare", "exchange_delete", "queue_declare", "queue_delete", "queue_bind", "queue_unbind", "queue_purge",
    "basic_publish", "get_table", "list_bindings", "_lookup", "_get", "_put", "_put_fanout", "_size", "_has_queue",
    "_new_queue", "_delete", "_purge",
)  # fmt: skip
_OF_A_STORE = ("get", "mget", "set", "delete", "incr", "expire", "cleanup")


def share_recorder(faces: Faces, recorder: Recorder) -> None:
    """Let what children record go into the one trace."""
    faces.services["recorder"] = lambda face: _Recording(recorder, face)
    faces.in_child.append(recorder.record_elsewhere)


class _Recording:
    """What a recorder in a child asks of the one in its parent."""

    def __init__(self, recorder: Recorder, face: Face) -> None:
        self._recorder = recorder
        self._face = face

    def append(self, event: Event) -> None:
        number = getattr(event, "attempt", None)
        if number is not None:  # an outcome
            assert isinstance(event, TaskEvent)
            self.ended(number, event.task_id, self._face.process.host.machine, False)
        self._recorder.trace.append(event)

    def started(self, event: TaskStarted, label: str | None) -> int:
        """An attempt has begun; its number, which only the parent can know."""
        self._face.process.thread.tasks[:] = [] if label is None else [label]
        return self._recorder.note_start(event.task_id, event.name, event.worker, None, self._face.process)

    def redact(self, text: str) -> str:
        return self._recorder.redact(text)

    def learn(self, name: str, value: object) -> None:
        self._recorder.redact.learn(name, value)

    def take_routed(self, task_id: str) -> list[str] | None:
        routed = self._recorder.routed()
        return None if routed is None else routed.pop(task_id, [])

    def ended(self, number: int | None, task_id: str, worker: str, running: bool) -> int | None:
        process = self._face.process
        return self._recorder.attempts.ended(None, task_id, worker, process, running=running, number=number)


class FarAttempts(Attempts):
    """The attempts, as a child knows them: those of its own requests; the others its parent knows."""

    def __init__(self, link: Link) -> None:
        super().__init__()
        self._link = link

    def next(self, task_id: str) -> int:
        return 0  # the parent counts

    def begin(self, request: Any, task_id: str, number: int, worker: str, process: RunsTasks | None) -> None:
        self._of_request[request] = number

    def ended(
        self,
        request: Any,
        task_id: str,
        worker: str,
        teller: RunsTasks | None,
        *,
        running: bool = False,
        number: int | None = None,
    ) -> int | None:
        number = self.of(request)
        if number is None:
            number = self._link.call("recorder", "ended", None, task_id, worker, running)
        return number  # that it has ended, the parent reads from its outcome


class FarTrace:
    """The trace, as a child knows it."""

    def __init__(self, link: Link, environment: Surroundings) -> None:
        self._link = link
        self._environment = environment

    def append(self, event: Event) -> int | None:
        if not isinstance(event, TaskStarted):
            self._link.call("recorder", "append", event)
            return None
        tasks = self._environment.current.thread.tasks
        number: int = self._link.call("recorder", "started", event, tasks[-1] if tasks else None)
        return number


class FarRedactor:
    """The redactor, as a child knows it."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def __call__(self, text: str) -> str:
        redacted: str = self._link.call("recorder", "redact", text)
        return redacted

    def learn(self, name: str, value: object) -> None:
        self._link.call("recorder", "learn", name, value)


class FarRouted:
    """The queues that messages were put into, as a child knows them."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def pop(self, task_id: str, default: Any = None) -> Any:
        return self._link.call("recorder", "take_routed", task_id) or default


def share_judgement(faces: Faces, judgement: Judgement) -> None:
    """Let the rules of the run judge what children publish."""
    faces.services["judgement"] = lambda face: _Judging(judgement, face.environment)
    faces.in_child.append(lambda link: link.replace(judgement, "judgement", "of", "note", "put_later"))


class _Judging:
    """What a child asks of the rules in its parent, which also sends what is delayed: the child may be gone by then."""

    def __init__(self, judgement: Judgement, environment: Environment) -> None:
        self.of, self.note = judgement.of, judgement.note
        self._environment = environment

    def put_later(self, by_ns: int, info: Mapping[str, Any], queue: str, message: Any) -> None:
        """Put a message into a queue over a connection of kombu's with this ``info``."""
        environment = self._environment

        def put() -> None:
            with Connection(**info) as connection:
                connection.default_channel.put_unjudged(queue, message)

        def arrive() -> None:
            environment.spawn(put, name="a delayed message")

        environment.schedule(environment.clock.ns + by_ns, arrive)


def share_result_conditions(faces: Faces, conditions: ResultConditions) -> None:
    faces.services["conditions"] = lambda _: conditions
    faces.in_child.append(lambda link: link.replace(conditions, "conditions", "before_storing"))


def share_results(faces: Faces, store: ResultStore) -> None:
    """Let children keep their results in the simulation's own store."""
    key = f"results {len(faces.services)}"
    faces.services[key] = lambda _: store
    faces.share(key, store.changed)
    faces.in_child.append(lambda link: link.replace(store, key, *_OF_A_STORE))


def share_memory(faces: Faces, broker: MemoryBroker) -> None:
    """Let children publish to, and consume from, the queues of the simulation; each has one channel there."""
    key = f"memory {len(faces.services)}"
    faces.services[key] = lambda _: broker.new_channel()
    faces.share(key, broker.changed)
    faces.in_child.append(lambda link: link.replace(broker.channel, key, *_OF_A_CHANNEL))
