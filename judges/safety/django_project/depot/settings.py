"""The database of the project is the one that its developers work with: on PostgreSQL, or in a file."""

import os
from pathlib import Path

SECRET_KEY = "for development"
INSTALLED_APPS = ["django.contrib.contenttypes", "parcels"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
DATABASES = {
    "postgresql": {
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": os.environ.get("DEPOT_NAME", "depot"),
            "USER": "postgres",
            "HOST": "127.0.0.1",
        }
    },
    "sqlite": {
        "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": Path(__file__).parents[1] / "db.sqlite3"},
    },
}[os.environ["DEPOT_DATABASE"]]
