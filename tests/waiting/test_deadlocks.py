"""What a ``Deadlock`` says: the task, the user's line that waits, what for, and who has it."""

import asyncio
import queue
import threading

import pytest

from retrysim import Deadlock, Simulation

LOCK, EVENT, CONDITION = threading.Lock(), threading.Event(), threading.Condition()


def line_of(function, plus=1):
    return f"test_deadlocks.py:{function.__code__.co_firstlineno + plus}"


def deadlock_of(sim):
    with pytest.raises(Deadlock) as caught:
        sim.run()
    return str(caught.value)


def test_a_lock_says_who_holds_it_and_the_holder_where_it_stands(sim, app):
    @app.task(name="shop.hold", shared=False)
    def hold():
        with LOCK:
            queue.Queue().get()

    @app.task(name="shop.wait", shared=False)
    def wait():
        with LOCK:
            pass

    sim.start_worker(app, concurrency=3)
    held, first, second = hold.delay(), wait.delay(), wait.delay()

    assert deadlock_of(sim) == (
        f"no events remain, but shop.hold[{held.id[:8]}] and 2 others are still waiting:\n"
        f"  shop.hold[{held.id[:8]}] waits for a threading.Condition to be notified"
        f" (a threading.Lock made at {line_of(hold.run, 3)}), in queue.Queue.get\n"
        f"    on celery@worker-1 slot 1001, at {line_of(hold.run, 3)}: queue.Queue().get()\n"
        f"  shop.wait[{first.id[:8]}] waits for test_deadlocks.LOCK,"
        f" which celery@worker-1 slot 1001 (task shop.hold[{held.id[:8]}]) holds\n"
        f"    on celery@worker-1 slot 1002, at {line_of(wait.run, 2)}: with LOCK:\n"
        f"  shop.wait[{second.id[:8]}] waits for test_deadlocks.LOCK,"
        f" which celery@worker-1 slot 1001 (task shop.hold[{held.id[:8]}]) holds\n"
        f"    on celery@worker-1 slot 1003, at {line_of(wait.run, 2)}: with LOCK:"
    )


def test_the_holder_is_the_one_who_has_it_now(sim, submit):
    def holds_a_moment():
        with LOCK:
            threading.Event().wait(5)

    def keeps():
        LOCK.acquire()

    def waits():
        LOCK.acquire()

    submit(holds_a_moment)
    keeper = submit(keeps)
    sim.run_for(1)
    submit(waits)

    text = deadlock_of(sim)
    holder = f"celery@worker-1 slot 1002 (task call[{keeper.id[:8]}])"
    assert text.splitlines()[1].endswith(f"waits for test_deadlocks.LOCK, which {holder} holds")
    assert text.splitlines()[2].endswith(f"at {line_of(waits)}: LOCK.acquire()")


def test_a_result_that_a_test_waits_for_says_why_it_does_not_come(sim, submit):
    def waits():
        EVENT.wait()

    result = submit(waits)
    with pytest.raises(Deadlock) as caught:
        result.get()

    assert str(caught.value) == (
        f"the test waits for the result of call[{result.id[:8]}] (its body is running), "
        "but nothing is left that could bring it:\n"
        f"  call[{result.id[:8]}] waits for a threading.Condition to be notified, in threading.Event.wait\n"
        f"    on celery@worker-1 slot 1001, at {line_of(waits)}: EVENT.wait()"
    )


def test_of_a_thread_that_is_joined_it_says_what_that_waits_for(sim, submit):
    def works():
        with CONDITION:
            CONDITION.wait()

    def joins():
        thread = threading.Thread(target=works, name="helper")
        thread.start()
        thread.join()

    result = submit(joins)

    assert deadlock_of(sim) == (
        f"no events remain, but call[{result.id[:8]}] is still waiting:\n"
        f"  call[{result.id[:8]}] waits for thread 'helper' to end\n"
        f"    on celery@worker-1 slot 1001, at {line_of(joins, 3)}: thread.join()\n"
        "  thread 'helper' waits for a threading.Condition to be notified (test_deadlocks.CONDITION)\n"
        f"    at {line_of(works, 2)}: CONDITION.wait()"
    )


def test_of_an_event_loop_it_says_where_each_coroutine_awaits(sim, submit):
    async def takes():
        await asyncio.Queue().get()

    async def main():
        await asyncio.gather(takes(), takes())

    def runs():
        asyncio.run(main())

    result = submit(runs)

    assert deadlock_of(sim) == (
        f"no events remain, but call[{result.id[:8]}] is still waiting:\n"
        f"  call[{result.id[:8]}] waits for an event loop's next event, in asyncio.runners.run\n"
        f"    on celery@worker-1 slot 1001, at {line_of(runs)}: asyncio.run(main())\n"
        f"    main awaits at {line_of(main)}: await asyncio.gather(takes(), takes())\n"
        f"    takes awaits at {line_of(takes)}: await asyncio.Queue().get()\n"
        f"    takes awaits at {line_of(takes)}: await asyncio.Queue().get()"
    )


@pytest.mark.parametrize("pool", ["threads", "gevent", "solo"])
def test_the_task_is_named_on_every_pool(app, pool):
    with Simulation() as sim:

        @app.task(name="waits", shared=False)
        def waits():
            EVENT.wait()

        sim.start_worker(app, pool=pool)
        result = waits.delay()
        text = deadlock_of(sim)

    assert f"  waits[{result.id[:8]}] waits for a threading.Condition" in text
    assert f", at {line_of(waits.run, 2)}: EVENT.wait()" in text


def test_the_task_that_is_named_is_the_one_that_runs_just_now(sim, app):
    @app.task(name="inner", shared=False)
    def inner():
        return 1

    @app.task(name="outer", shared=False)
    def outer():
        inner.apply()
        EVENT.wait()

    sim.start_worker(app)
    result = outer.delay()

    text = deadlock_of(sim)
    assert f"outer[{result.id[:8]}] waits for " in text
    assert f"at {line_of(outer.run, 3)}" in text
