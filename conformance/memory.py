"""Tasks that keep something in the memory of their process, as limiters, breakers and caches do."""

import multiprocessing
import os
import time
from pathlib import Path

from celery import Celery, signals

app = Celery("memory", broker="redis://localhost:6379/0", backend="redis://localhost:6379/0", set_as_current=False)
app.conf.worker_prefetch_multiplier = 1
app.conf.worker_max_tasks_per_child = int(os.environ.get("MAX_TASKS", 0)) or None
app.conf.worker_max_memory_per_child = int(os.environ.get("MAX_MEMORY", 0)) or None

calls = failures = 0
cache = {}
lock = multiprocessing.Lock()


@signals.worker_process_init.connect
def fill_the_cache(**_):
    cache["process"] = os.getpid()


@app.task
def call_within_limit(limit):
    """What a limiter in memory lets through: so many calls of this process."""
    global calls
    calls += 1
    ours = calls
    time.sleep(20)
    if ours > limit:
        raise ValueError(f"call {ours} of {limit}")


@app.task
def call_behind_a_breaker(threshold):
    """Fails, until so many failures in this process have opened its breaker."""
    global failures
    is_open = failures >= threshold
    time.sleep(20)
    if is_open:
        return
    failures += 1
    raise ConnectionError("down")


@app.task(bind=True, max_retries=3)
def be_first_in_a_process(self, retries=0):
    """Fails in a process that has run a task before."""
    global calls
    calls += 1
    if calls > 1:
        raise ValueError(f"task {calls} of its process")
    if self.request.retries < retries:
        raise self.retry(countdown=20)


@app.task(acks_late=True)
def be_first_and_late():
    global calls
    calls += 1
    time.sleep(20)
    if calls > 1:
        raise ValueError(f"task {calls} of its process")


@app.task
def read_the_cache():
    time.sleep(20)
    if cache.get("process") != os.getpid():
        raise LookupError(f"the cache of another process: {cache}")


@app.task
def hold_the_lock(seconds, patience):
    if not lock.acquire(timeout=patience):
        raise TimeoutError("the lock is held")
    time.sleep(seconds)
    lock.release()


@app.task
def remember_in_the_environment():
    """Fails in a process whose environment an earlier task has changed."""
    time.sleep(20)
    if os.environ.get("REMEMBERED"):
        raise ValueError("remembered")
    os.environ["REMEMBERED"] = "yes"


@app.task
def leave_the_folder():
    """Fails in a process whose current folder an earlier task has changed."""
    time.sleep(20)
    if Path.cwd() == Path("/"):
        raise ValueError("another folder")
    os.chdir("/")
