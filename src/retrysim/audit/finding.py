"""A sentence about a task's retries, and which kind of sentence it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FindingKind(StrEnum):
    """What a finding is about; the words are those of ``--json`` and ``--fail-if``."""

    LOST = "lost"  # what the policy does not outlive
    EDGE = "edge"  # the last try falls on the end of a window
    HERD = "herd"  # all copies come back in one instant, for ever
    VISIBILITY = "visibility-timeout"  # a delay passes the time after which the broker delivers again
    CONSUMER_TIMEOUT = "consumer-timeout"  # a message stays unacked for longer than RabbitMQ waits
    DELIVERY_LIMIT = "delivery-limit"  # a quorum queue drops the message of a task whose pool process dies each time
    EXPIRES = "expires"  # the message expires while it waits
    TIME_LIMIT = "time-limit"  # a body that is killed is not retried
    NO_EFFECT = "no-effect"  # a setting that Celery reads and does not use
    CLIPPED = "clipped"  # a backoff that its maximum cuts off
    UNKNOWN_NAME = "unknown-name"  # a setting that Celery never reads
    BY_HAND = "by-hand"  # self.retry in the body, which needs a test
    LEFT_OUT = "left-out"  # code of the task's class that may have a say in its retries, and did not run
    NOT_PLAYED = "not-played"  # the audit cannot say


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFinding:
    """One sentence; it does not begin with the task's name, so that equal ones can be told together."""

    kind: FindingKind
    text: str
