"""What a task's author wrote about retries, as Celery reads it (``celery/app/autoretry.py`` of 5.7.0)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: What Celery takes for a setting that is not given.
_DEFAULTS = {"retry_backoff": False, "retry_backoff_max": 600, "retry_jitter": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrySettings:
    """The retry settings of one task; ``given`` holds the names that its author wrote, in whatever way."""

    autoretry_for: tuple[type[BaseException], ...]
    dont_autoretry_for: tuple[type[BaseException], ...]
    retry_kwargs: dict[str, Any]
    backoff: float
    backoff_max: int
    jitter: bool
    max_retries: int | None
    default_retry_delay: float
    expires: Any
    soft_time_limit: float | None
    time_limit: float | None
    given: frozenset[str]

    @property
    def schedule(self) -> str:
        """All that decides when the task is retried: tasks that share it have one policy."""
        kwargs = sorted(self.retry_kwargs.items())
        return repr((kwargs, self.backoff, self.backoff_max, self.jitter, self.max_retries, self.default_retry_delay))

    @property
    def is_automatic(self) -> bool:
        """Whether Celery retries the task by itself."""
        return bool(self.autoretry_for)

    @property
    def most_retries(self) -> int | None:
        """How many retries Celery allows; ``None`` is without end. A ``None`` in ``retry_kwargs`` says nothing."""
        given: int | None = self.retry_kwargs.get("max_retries")
        return self.max_retries if given is None else given

    @property
    def factor(self) -> int:
        """What the backoff begins with, in seconds: Celery cuts it down to a whole number, at least 1."""
        return int(max(1.0, self.backoff))


#: Those of a task that cannot be read.
NO_SETTINGS = RetrySettings(
    autoretry_for=(),
    dont_autoretry_for=(),
    retry_kwargs={},
    backoff=0.0,
    backoff_max=0,
    jitter=False,
    max_retries=None,
    default_retry_delay=0,
    expires=None,
    soft_time_limit=None,
    time_limit=None,
    given=frozenset(),
)


def read_settings(task: Any, app: Any) -> RetrySettings:
    """The settings of a finalised task; a time limit of the app counts where the task has none."""
    names = ("autoretry_for", "dont_autoretry_for", "retry_kwargs", *_DEFAULTS)
    given = {name for name in names if hasattr(task, name)}
    given |= {name for name in ("max_retries", "default_retry_delay") if _is_own(task, name)}
    return RetrySettings(
        autoretry_for=tuple(getattr(task, "autoretry_for", ())) if hasattr(task, "_orig_run") else (),
        dont_autoretry_for=tuple(getattr(task, "dont_autoretry_for", ())),
        retry_kwargs=dict(getattr(task, "retry_kwargs", {})),
        backoff=float(getattr(task, "retry_backoff", False)),
        backoff_max=int(getattr(task, "retry_backoff_max", 600)),
        jitter=bool(getattr(task, "retry_jitter", True)),
        max_retries=task.max_retries,
        default_retry_delay=task.default_retry_delay,
        expires=task.expires,
        soft_time_limit=task.soft_time_limit or app.conf.task_soft_time_limit,
        time_limit=task.time_limit or app.conf.task_time_limit,
        given=frozenset(given),
    )


def _is_own(task: Any, name: str) -> bool:
    """Whether an attribute that every task has was written by this project, not inherited from Celery's ``Task``."""
    owner = next((cls for cls in type(task).__mro__ if name in vars(cls)), None)
    return name in vars(task) or (owner is not None and not owner.__module__.startswith("celery."))
