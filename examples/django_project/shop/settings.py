"""Django's settings: SQLite, a cache and locks in Redis, Celery, Sentry."""

import os
from pathlib import Path

import sentry_sdk

BASE_DIR = Path(__file__).parents[1]
SECRET_KEY = os.environ.get("SECRET_KEY", "for development")
REDIS_URL = os.environ.get("REDIS_URL", "redis://localhost:6379")
CRM_TOKEN = os.environ.get("CRM_TOKEN", "")

INSTALLED_APPS = ["orders"]
ROOT_URLCONF = "shop.urls"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": f"{REDIS_URL}/1"}}
USE_TZ = True

CELERY_BROKER_URL = f"{REDIS_URL}/0"
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_IGNORE_RESULT = True

sentry_sdk.init(dsn=os.environ.get("SENTRY_DSN"), traces_sample_rate=0.1)
