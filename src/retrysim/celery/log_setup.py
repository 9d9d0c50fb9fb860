"""The signals by which an app sets up the logging of a worker that starts, as ``celery.app.log.Logging`` sends them.

Celery's own set-up would take the handlers of the test away. So nothing is set up here: handlers that receivers add
stay until the simulation ends, and whatever else they change of a logger is put back at once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import celery
from celery import signals
from celery.utils.log import get_logger
from celery.utils.nodenames import node_format

from retrysim.kernel import Environment

_SIGNALS = (signals.setup_logging, signals.after_setup_logger, signals.after_setup_task_logger)
#: Before, Celery logs what a receiver of ``setup_logging`` raises, and the worker starts.
_RAISES = celery.VERSION >= (5, 7)


def send_logging_signals(environment: Environment, worker: Any) -> None:
    """Send them for a worker that starts; raises what a receiver of ``setup_logging`` raises."""
    if any(signal.receivers for signal in _SIGNALS):
        with _loggers_of_the_test_stay(environment):
            _send(worker.app.log, worker.loglevel, worker.logfile and node_format(worker.logfile, worker.hostname))


def _send(log: Any, loglevel: int | None, logfile: Any) -> None:
    level = loglevel or log.loglevel
    how = {"loglevel": level, "logfile": logfile, "colorize": log.supports_color(None, logfile)}
    responses = signals.setup_logging.send(sender=None, format=log.format, **how)
    for _, response in responses if _RAISES else ():
        if isinstance(response, Exception):
            raise response
    if not responses:
        root, tasks = logging.getLogger(), get_logger("celery.task")
        signals.after_setup_logger.send(sender=None, logger=root, format=log.format, **how)
        signals.after_setup_task_logger.send(sender=None, logger=tasks, format=log.task_format, **how)


@contextmanager
def _loggers_of_the_test_stay(environment: Environment) -> Iterator[None]:
    before = {logger: (list(logger.handlers), _settings(logger)) for logger in _loggers()}
    try:
        yield
    finally:
        for logger in _loggers():
            handlers, settings = before.get(logger, ([], _settings(logger)))
            added = [handler for handler in logger.handlers if handler not in handlers]
            logger.handlers[:] = [*handlers, *added]
            if settings != _settings(logger):
                vars(logger).update(settings)
                logger.setLevel(logger.level)  # forgets which lines it lets pass
            if added:
                environment.listeners.over.append(partial(_remove, logger, added))


def _loggers() -> list[logging.Logger]:
    known = list(logging.root.manager.loggerDict.values())
    return [logging.root, *(one for one in known if isinstance(one, logging.Logger))]


def _settings(logger: logging.Logger) -> dict[str, Any]:
    return {name: getattr(logger, name) for name in ("level", "propagate", "disabled")}


def _remove(logger: logging.Logger, added: list[logging.Handler], *_gone: object) -> None:
    for handler in added:
        logger.removeHandler(handler)
        handler.close()
