"""A Django project with a development database."""

from depot.celery import app as celery_app

__all__ = ["celery_app"]
