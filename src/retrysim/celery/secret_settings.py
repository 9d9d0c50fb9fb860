"""The settings whose values must not be shown: an app's and, in a Django project, Django's."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from retrysim.trace.secrets import Redactor


def learn_settings(redact: Redactor, app: Any) -> None:
    """Let the redactor learn passwords and keys from the configuration of an app."""
    for settings in _settings(app):
        redact.learn_all(settings)


def _settings(app: Any) -> Iterator[Mapping[Any, Any]]:
    for layer in app.conf.maps:
        try:
            yield dict(layer.items())
        except Exception:  # a module of settings may raise whatever it likes when it is read
            continue
    django = sys.modules.get("django.conf")
    if django is not None and django.settings.configured:
        names = [name for name in dir(django.settings) if name.isupper()]
        yield {name: getattr(django.settings, name, None) for name in names}
