"""A backoff of "one hour, two hours, four hours" under the default maximum."""

from celery import Celery

app = Celery("clipped_backoff", broker="redis://localhost:6379/0")


class MaintenanceError(Exception):
    pass


@app.task(autoretry_for=(MaintenanceError,), retry_backoff=3600, retry_jitter=False)
def trap():
    raise MaintenanceError("back in three hours")


@app.task(autoretry_for=(MaintenanceError,), retry_backoff=3600, retry_backoff_max=4 * 3600, retry_jitter=False)
def fixed():
    raise MaintenanceError("back in three hours")
