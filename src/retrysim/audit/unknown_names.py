"""Names around retries that Celery does not know: written on a task or in the configuration, and never read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from celery import Task
from celery.app import defaults

from retrysim.nearest import did_you_mean

#: What Celery reads from a task beyond the attributes of ``Task`` (``celery/app/autoretry.py``).
TASK_NAMES = frozenset(
    {"autoretry_for", "dont_autoretry_for", "retry_kwargs", "retry_backoff", "retry_backoff_max", "retry_jitter",
     "max_retries", "default_retry_delay", "override_max_retries"}
)  # fmt: skip
#: What people write, and what Celery calls it; for the rest, the nearest spelling is the guess.
_MEANT = {
    "autoretry": "autoretry_for",
    "retry_for": "autoretry_for",
    "retry_on": "autoretry_for",
    "retry_max": "max_retries",
    "retries": "max_retries",
    "max_retry": "max_retries",
    "retry_delay": "default_retry_delay",
    "retry_countdown": "default_retry_delay",
    "countdown": "default_retry_delay",
    "backoff": "retry_backoff",
    "jitter": "retry_jitter",
}
_ABOUT_RETRIES = re.compile(r"retr(y|ies)|backoff|jitter|countdown", re.I)
#: Kinds of values that a setting has; methods and helpers of a class are its own affair.
_SETTING = (bool, int, float, str, tuple, list, dict, type, type(None))


def unknown_on_task(task: Any) -> Iterator[tuple[str, str]]:
    """(name, a hint) for each attribute that looks like a retry setting and is none."""
    for cls in type(task).__mro__:
        if cls.__module__.startswith("celery.") or cls is object:
            continue
        for name, value in vars(cls).items():
            if _looks_like_one(name, value) and name not in TASK_NAMES and not hasattr(Task, name):
                yield name, _task_hint(name)


def _task_hint(name: str) -> str:
    if name in _MEANT:
        return f"; did you mean {_MEANT[name]!r}?"
    return did_you_mean(name, TASK_NAMES - {"override_max_retries"})


def unknown_in_retry_kwargs(names: Any) -> Iterator[tuple[str, str]]:
    """(name, a hint) for what ``Task.retry`` takes for an option of the message; some of it is one."""
    known = {"args", "kwargs", "exc", "throw", "eta", "countdown", "max_retries"}
    for name in names:
        if _ABOUT_RETRIES.search(name) and name not in known:
            yield name, did_you_mean(name, known)


def unknown_in_configuration(app: Any) -> Iterator[tuple[str, str]]:
    """(name, a hint) for each setting of the app that is about retries and that Celery has not.

    Names of other libraries' settings are left alone: Celery's begin with one of its name spaces, or are a task's.
    """
    known = {key.lower() for key in (*defaults.SETTING_KEYS, *defaults._OLD_SETTING_KEYS)}
    for key in dict.fromkeys(key for layer in app.conf.maps[:-1] for key in _keys(layer)):  # the last holds defaults
        name = key.removeprefix(f"{app.namespace}_").lower() if app.namespace else key
        if name.islower() and name not in known and _ABOUT_RETRIES.search(name) and _is_like_celerys(name):
            yield key, _setting_hint(name)


def _is_like_celerys(name: str) -> bool:
    return name in TASK_NAMES or name.partition("_")[0] in defaults.NAMESPACES


def _setting_hint(name: str) -> str:
    """A setting that no app has may be one that tasks have."""
    on_task = name.removeprefix("task_")
    on_task = _MEANT.get(on_task, on_task)
    if on_task in TASK_NAMES:
        return f"; it is an option of a task: @app.task({on_task}=...), or task_annotations for all of them"
    return did_you_mean(name, [key for key in defaults.SETTING_KEYS if _ABOUT_RETRIES.search(key)])


def _keys(layer: Any) -> list[str]:
    try:
        return [key for key in layer if isinstance(key, str)]
    except TypeError:
        return []


def _looks_like_one(name: str, value: object) -> bool:
    return bool(_ABOUT_RETRIES.search(name)) and not name.startswith("_") and isinstance(value, _SETTING)
