"""An app whose tasks keep something in the memory of their process."""

from __future__ import annotations

import os
import queue
import random
import signal
import threading
import time
import warnings
from multiprocessing.pool import ThreadPool
from pathlib import Path

from celery import Celery
from celery.utils.log import get_task_logger

app = Celery("isolated.apps", broker="memory://", backend="cache+memory://")
logger = get_task_logger(__name__)
counted = 0
here = threading.local()


@app.task
def count():
    """How often this process has been called."""
    global counted
    counted += 1
    time.sleep(1)
    return counted


@app.task
def who():
    time.sleep(1)
    return os.getpid()


@app.task
def main_thread():
    main = threading.main_thread()
    return main.name, main.ident == threading.get_ident(), main is threading.current_thread()


@app.task
def change_what_is_its_own(file, folder):
    """What this process finds of what another one has changed; then it changes that itself."""
    try:
        os.fstat(file)
        os.close(file)
        is_open = True
    except OSError:
        is_open = False
    before = os.environ.get("SET_BY_A_TASK"), Path.cwd() == Path(folder), hasattr(here, "set"), is_open
    handler = signal.signal(signal.SIGWINCH, lambda *_: None)
    os.environ["SET_BY_A_TASK"] = "1"
    os.chdir(folder)
    here.set = True
    time.sleep(1)
    return [*before, handler == signal.SIG_DFL]


@app.task
def draw():
    time.sleep(1)
    return random.random()


@app.task
def speak():
    print("printed in a child")  # noqa: T201
    logger.warning("logged in a child")
    warnings.warn("warned of in a child", UserWarning, stacklevel=1)


@app.task
def raise_it():
    assert counted == "never", "an assertion in a child"


@app.task
def end_by(number):
    time.sleep(1)
    os.kill(os.getpid(), number)
    time.sleep(1)


@app.task
def leave(code):
    os._exit(code)


@app.task
def crash():
    import ctypes
    import faulthandler

    faulthandler.disable()  # pytest's would write a page about it to the terminal
    ctypes.string_at(0)


@app.task(bind=True, max_retries=2)
def try_again(self):
    if self.request.retries < 1:
        raise self.retry(countdown=60)
    return counted


@app.task
def stay(seconds):
    time.sleep(seconds)
    return signal.getsignal(signal.SIGTERM) is not None


@app.task
def work_in_threads():
    done = []

    def work(seconds):
        time.sleep(seconds)
        done.append(seconds)

    threads = [threading.Thread(target=work, args=(n,)) for n in (3, 1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done


@app.task
def work_in_daemons():
    with ThreadPool(2) as pool:  # whose threads are all daemons
        return pool.map(lambda seconds: time.sleep(seconds) or seconds, [3, 1, 2])


@app.task
def grow(megabytes):
    """Ask for more memory than this process may have."""
    import resource

    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + (megabytes << 19), resource.RLIM_INFINITY))
    return len(bytearray(megabytes << 20))


@app.task
def compute_for(seconds):
    """Compute for more time of the processor than this process may."""
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    while True:
        pass


@app.task
def break_here():
    breakpoint()


@app.task
def compute():
    while True:
        pass


locks = []


@app.task
def hold(seconds):
    began = time.monotonic()
    with locks[0]:
        waited = time.monotonic() - began
        time.sleep(seconds)
    return round(waited)


@app.task
def wait_for_a_thread():
    thread = threading.Thread(target=queue.Queue().get, name="endless")
    thread.start()
    thread.join()


@app.task
def fork_and_return():
    pid = os.fork()
    if pid == 0:
        print("printed by a fork")  # noqa: T201
        logger.warning("logged by a fork")
        return "the fork"  # this is where it ends
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def forks():
    """The processes that this one has forked and not reaped; not those that run another program."""
    children = [pid for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()]
    lines = {pid: Path("/proc", pid, "cmdline").read_bytes() for pid in children}
    return [pid for pid, line in lines.items() if line in (b"", Path("/proc/self/cmdline").read_bytes())]
