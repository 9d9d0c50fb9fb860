"""Checks the settings that a simulation is given: ``Simulation(conf={"task_acks_late": True})``.

Names are those that Celery itself accepts for the app: ``task_acks_late``, its old name ``CELERY_ACKS_LATE`` and, if
that is the app's namespace, ``CELERY_TASK_ACKS_LATE``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import celery
from celery.app.defaults import NAMESPACES, SETTING_KEYS, flatten

from retrysim.errors import InputError
from retrysim.nearest import did_you_mean

_BROKER = (
    "cannot be set, because a simulation has a broker of its own\n"
    "  Choose its kind: Simulation(broker='redis'), or broker: redis in a scenario"
)
_MODULES = (
    "cannot be set, because modules stay imported when a simulation ends\n"
    "  Import them in the test, or list them in the app"
)
#: What a simulation decides itself -> why, and what to use instead.
_REFUSED: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("broker_url", "broker_read_url", "broker_write_url", "broker_transport"), _BROKER),
        **dict.fromkeys(("broker_host", "broker_port", "broker_user", "broker_password", "broker_vhost"), _BROKER),
        **dict.fromkeys(("imports", "include"), _MODULES),
        "result_backend": (
            "cannot be set, because the simulation keeps the results in place of the app's own backend\n"
            "  Give the app another one, for example by an environment variable"
        ),
        "task_always_eager": (
            "cannot be set, because the test chooses what runs the tasks\n"
            "  Call sim.run_always_eagerly(app), or write celery: always_eager in a scenario"
        ),
        "worker_concurrency": (
            "cannot be set, because the test chooses it for each worker\n"
            "  Call sim.start_worker(app, concurrency=4), or write workers: {concurrency: 4} in a scenario"
        ),
    }
)
_OPTIONS = dict(flatten(NAMESPACES))
#: Settings that take more than the type that Celery names.
_OF_SEVERAL_TYPES = ("broker_use_ssl", "redis_backend_use_ssl")
#: Celery's name of a type -> the types of a value, and how an error names them.
_TYPES: Mapping[str, tuple[tuple[type, ...], str]] = MappingProxyType(
    {
        "bool": ((bool,), "true or false"),
        "int": ((int, float), "a number"),
        "float": ((int, float, timedelta), "a number"),
        "dict": ((Mapping,), "a mapping"),
    }
)


def must_be_settings(given: object) -> dict[str, Any]:
    """The settings, if they are a mapping of names; else raises ``InputError``."""
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(isinstance(name, str) for name in given):
        raise InputError(f"conf takes Celery's settings by name: conf={{'task_acks_late': True}}; got {given!r}")
    return dict(given)


def checked(app: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings by the names that Celery has for them. Raises ``InputError`` with a line for each mistake."""
    lines = [f"conf[{key!r}] {text}" for key, text in mistakes(app, given)]
    if lines:
        raise InputError("\n".join(lines))
    names = _names(app)
    return {names.get(key, key): value for key, value in given.items()}


def mistakes(app: Any, given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is wrong with the settings: each name as it was given, and a sentence about it."""
    names = _names(app)
    spelled: dict[str, str] = {}
    for key, value in given.items():
        name = names.get(key, key)
        if name in spelled:
            yield key, f"is the same setting as {spelled[name]!r}: leave one out"
        elif name in _REFUSED:
            yield key, _REFUSED[name]
        elif name not in SETTING_KEYS and key not in app.conf:
            yield key, f"is not a setting of Celery {celery.__version__}{did_you_mean(key, names)}"
        elif (expected := _expected(name, value)) is not None:
            yield key, f"is {expected}; got {value!r}"
        spelled[name] = key


def _names(app: Any) -> dict[str, str]:
    """Each spelling that Celery accepts for a setting of this app -> the name of the setting."""
    conf = app.conf.finalize()
    of_each = {name: spellings(conf, name) for name in sorted(SETTING_KEYS)}
    names = {spelling: name for name, each in of_each.items() for spelling in each}
    return names | {each[0]: name for name, each in of_each.items()}  # Celery looks in the namespace first


def spellings(conf: Any, name: str) -> list[str]:
    """The names under which Celery looks for a setting in an app's configuration, in its order."""
    others = [other(name) for other in conf._keys or ()]  # since Celery 5.5 they are among the first
    return list(dict.fromkeys([*conf._to_keys(name), *others]))


def _expected(name: str, value: object) -> str | None:
    """What a setting takes, where the value is something else."""
    option = _OPTIONS.get(name)
    if option is None or value is None or name in _OF_SEVERAL_TYPES or option.type not in _TYPES:
        return None
    types, expected = _TYPES[option.type]
    fits = isinstance(value, types) and (bool in types or not isinstance(value, bool))
    return None if fits else expected
