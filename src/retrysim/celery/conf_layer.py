"""Lays the settings that a simulation is given over an app's configuration: ``Simulation(conf={...})``.

Celery reads most settings when it needs them. Those that it has put aside are renewed here: the attributes of tasks
that it binds (``Task.from_config``), annotations, and the time zone of the app and of its schedules.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from celery import Task
from celery.app.annotations import prepare, resolve_all

from retrysim.celery.conf_settings import checked, spellings
from retrysim.undo import UndoStack

#: Attributes of a task, and their settings, that are as ``acks_on_failure_or_timeout`` where the setting is ``None``.
_FOLLOWED = "task_acks_on_failure_or_timeout"
_FOLLOWING = MappingProxyType({"acks_on_failure": "task_acks_on_failure", "acks_on_timeout": "task_acks_on_timeout"})
_OF_TIME_ZONES = {"timezone", "enable_utc"}


class ConfLayer(dict[str, Any]):
    """What a simulation was given: part of the app's configuration for everybody who looks."""


@contextmanager
def laid_over(app: Any, given: Mapping[str, Any]) -> Iterator[None]:
    """A block in which the app is configured as in a simulation with this ``conf``."""
    app.finalize(auto=True)
    with UndoStack() as undo:
        lay_over(undo, app, given)
        yield


def lay_over(undo: UndoStack, app: Any, given: Mapping[str, Any]) -> None:
    """Let the settings be part of the app's configuration, until ``undo`` is unwound. Raises ``InputError``.

    What Celery makes when it finalizes the app is made by the settings of that moment, so the app is finalized before.
    """
    if not given:
        return
    settings = checked(app, given)
    known, own = _bound_classes(app), app.annotations
    annotations = prepare(settings["task_annotations"]) if "task_annotations" in settings else own
    undo.then(lambda: _bind_the_new(app, settings, known, annotations))
    undo.set_attribute(app, "annotations", annotations)
    _add_layer(undo, app.conf, settings)
    if not _OF_TIME_ZONES.isdisjoint(settings):
        _forget_time_zones(undo, app)
    for kind in known:
        _bind(undo, kind, settings, own, annotations)
    if "result_chord_retry_interval" in settings:
        unlock = app.tasks["celery.chord_unlock"]
        undo.set_attribute(unlock, "default_retry_delay", app.conf.result_chord_retry_interval)


def transport_options(app: Any, *, own: bool) -> dict[str, Any]:
    """The transport options for a simulated broker: those of ``conf``, or else the app's, if they are for this kind."""
    is_for_this_kind = own or is_given(app, "broker_transport_options")
    return dict(app.conf.broker_transport_options or {}) if is_for_this_kind else {}


def is_given(app: Any, name: str) -> bool:
    """Whether a setting is what the simulation was given, and not the app's own."""
    conf = app.conf.finalize()
    given = [layer for layer in conf.maps if isinstance(layer, ConfLayer)]
    return any(key in layer for layer in given for key in spellings(conf, name))


def _add_layer(undo: UndoStack, conf: Any, settings: Mapping[str, Any]) -> None:
    own = conf.maps[:-1]  # the last holds Celery's defaults
    layer = ConfLayer()
    for name, value in settings.items():
        keys = spellings(conf, name)
        spelled = [key for key in keys if any(key in one for one in own)]
        layer.update(dict.fromkeys(spelled or keys[:1], _copied(value)))
    conf.maps.insert(0, layer)

    def take_off() -> None:
        conf.maps[:] = [one for one in conf.maps if one is not layer]

    undo.then(take_off)


def _copied(value: Any) -> Any:
    """Celery and the app may add to a setting, a beat's schedule for example."""
    return value.copy() if isinstance(value, dict | list) else value


def _forget_time_zones(undo: UndoStack, app: Any) -> None:
    undo.remove_item(vars(app), "timezone")
    for entry in (app.conf.beat_schedule or {}).values():
        schedule = entry.get("schedule") if isinstance(entry, dict) else getattr(entry, "schedule", None)
        for cached in ("tz", "utc_enabled"):
            undo.remove_item(getattr(schedule, "__dict__", {}), cached)


# -- tasks -------------------------------------------------------------------------------------------------------------


def _bound_classes(app: Any) -> dict[Any, None]:
    """The classes of the app's tasks that Celery has bound to it, and so has set attributes of; bases come first."""
    lines = (reversed(type(task).__mro__) for task in app._tasks.values())
    return {kind: None for line in lines for kind in line if "__bound__" in vars(kind) and kind is not Task}


def _bind_the_new(app: Any, settings: Mapping[str, Any], known: Container[Any], annotations: Any) -> None:
    """Tasks that were made during the simulation are bound as if they had been made without it."""
    for kind in _bound_classes(app):
        if kind not in known:
            undo = UndoStack()
            _bind(undo, kind, settings, annotations, app.annotations)
            undo.pop_all()


def _bind(undo: UndoStack, kind: Any, settings: Container[str], before: Any, after: Any) -> None:
    """Set what a class of tasks has from the settings, and from annotations where these are others, as ``Task.bind``.

    What the class says itself stands before ``__bound__`` in its namespace, and is left unchanged.
    """
    names = list(vars(kind))
    bound = set(names[names.index("__bound__") :])
    annotated = _annotated(after, kind)
    gone = _annotated(before, kind).keys() - annotated
    for name, setting in kind.from_config:
        if name in bound - annotated.keys() and (name in gone or _concerns(settings, setting)):
            undo.set_attribute(kind, name, _value(kind, name, setting))
    for key in sorted(gone - dict(kind.from_config).keys()):
        _take_off(undo, kind, key, bound)
    if after is not before:
        for key, value in annotated.items():
            _annotate(undo, kind, key, value)


def _concerns(settings: Container[str], setting: str) -> bool:
    """Whether one of the settings decides what a task gets from ``setting``."""
    return setting in settings or (setting in _FOLLOWING.values() and _FOLLOWED in settings)


def _value(kind: Any, name: str, setting: str) -> Any:
    inherited = getattr(super(kind, kind), name, None)
    value = kind._app.conf[setting] if inherited is None else inherited
    if value is None and name in _FOLLOWING:
        return kind.acks_on_failure_or_timeout is not False
    return value


def _annotated(annotations: Any, kind: Any) -> dict[str, Any]:
    return {key: value for one in resolve_all(annotations, kind) for key, value in one.items()}


def _take_off(undo: UndoStack, kind: Any, key: str, bound: Container[str]) -> None:
    """Take off one annotation, unless it has replaced a value of the class's own."""
    if key.startswith("@"):
        undo.set_attribute(kind, key[1:], getattr(kind, key[1:]).__wrapped__)
    elif key in bound:
        undo.set_attribute(kind, key, getattr(super(kind, kind), key, None))


def _annotate(undo: UndoStack, kind: Any, key: str, value: Any) -> None:
    if key.startswith("@"):
        undo.set_attribute(kind, key[1:], getattr(kind, key[1:]))
        kind.add_around(key[1:], value)
    else:
        undo.set_attribute(kind, key, value, may_be_new=True)
