"""The Celery app of the project."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "depot.settings")
REDIS = os.environ["SAFETY_REDIS"]
app = Celery("depot", broker=f"{REDIS}/13", backend=f"{REDIS}/14")
app.autodiscover_tasks()
