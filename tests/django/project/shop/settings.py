"""The settings of the project; ``SHOP_DATABASE`` says on which of three databases it is tested."""

import os

_POSTGRESQL = {
    "NAME": "postgres",
    "HOST": "127.0.0.1",
    "PORT": 5432,
    "USER": "postgres",
    "TEST": {"NAME": os.environ.get("SHOP_TEST_NAME", f"test_retrysim_shop_{os.getpid()}")},  # tests run side by side
}
_DATABASES = {
    "memory": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
    "file": {"ENGINE": "django.db.backends.sqlite3", "NAME": "shop.db", "TEST": {"NAME": "test_shop.db"}},
    "postgresql": {"ENGINE": "django.db.backends.postgresql", **_POSTGRESQL},
}
DATABASES = {"default": _DATABASES[os.environ.get("SHOP_DATABASE", "memory")]}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CELERY_RESULT_BACKEND = os.environ.get("SHOP_RESULTS", "redis://broker.acme:6379/1")
INSTALLED_APPS = ["orders", *(["django_celery_results"] if CELERY_RESULT_BACKEND == "django-db" else [])]
INSTALLED_APPS += os.environ.get("SHOP_APPS", "").split()
SECRET_KEY = "not one"
USE_TZ = True
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://cache.acme:6379/2"}
}
CELERY_BROKER_URL = os.environ.get("SHOP_BROKER", "redis://broker.acme:6379/0")
CELERY_TASK_ACKS_LATE = True
