"""A killed process is freed without another line of it being run."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
import threading
import warnings
import weakref
from contextlib import contextmanager
from functools import partial

import pytest
from greenlet import getcurrent, greenlet

from retrysim.kernel.disposal import free_stacks

SAID: list[str] = []


class Large:
    """What a body keeps."""


class Context:
    def __enter__(self):
        return self

    def __exit__(self, *_):
        SAID.append("__exit__")


@contextmanager
def context():
    try:
        yield Large()
    finally:
        SAID.append("a context manager")


class CycleOfAGenerator:
    """A generator that only the collector frees."""

    def __init__(self):
        self.generator = self.run()
        next(self.generator)

    def run(self):
        try:
            yield self
        finally:
            SAID.append("a generator in a cycle")


async def coroutine():
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        SAID.append("a coroutine")


def in_a_finally(wait):
    try:
        wait()
    finally:
        SAID.append("finally")


def in_between(wait):
    wait()


def in_an_except(wait):
    try:
        wait()
    except BaseException:
        SAID.append("except")


def in_contexts(wait):
    with Context(), context():
        wait()


def below_c(wait):
    sorted([2, 1], key=lambda _: in_a_finally(wait))


def beside_a_cycle(wait):
    CycleOfAGenerator()
    wait()


def beside_a_coroutine(wait):
    suspended = coroutine()
    loop = asyncio.new_event_loop()
    task = loop.create_task(suspended)
    loop.call_soon(loop.stop)
    loop.run_forever()
    wait()
    return task


def beside_another_greenlet(wait):
    here = getcurrent()
    other = greenlet(lambda: in_a_finally(here.switch))
    other.switch()
    wait()


def suspended_in(body):
    """A greenlet that waits inside of ``body``, and a weak reference to what it keeps."""
    SAID.clear()
    main = getcurrent()
    kept = []

    def run():
        large = Large()
        kept.append(weakref.ref(large))
        body(main.switch)

    one = greenlet(run)
    one.switch()
    return one, kept[0]


@pytest.mark.slow
@pytest.mark.parametrize(
    "body",
    [in_a_finally, in_an_except, in_contexts, below_c, beside_a_cycle, beside_a_coroutine, beside_another_greenlet],
)
def test_what_it_holds_is_freed_and_no_line_of_it_runs(body, recwarn, caplog, capsys):
    gc.collect()  # what another test has left speaks now
    recwarn.clear()
    one, large = suspended_in(body)

    stay = free_stacks([one])
    gc.collect()

    assert (stay, one.dead, large(), SAID) == ([], True, None, [])
    assert (list(recwarn), caplog.records, capsys.readouterr().err) == ([], [], "")


def test_the_same_code_catches_exceptions_afterwards():
    one, _ = suspended_in(in_a_finally)
    free_stacks([one])

    def fail():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        in_a_finally(fail)

    assert SAID == ["finally"]


def test_a_generator_of_the_test_that_is_suspended_meanwhile_still_ends():
    mine = CycleOfAGenerator()
    one, _ = suspended_in(in_contexts)
    free_stacks([one])

    mine.generator.close()

    assert SAID == ["a generator in a cycle"]


def test_who_waits_in_a_finalizer_stays():
    class Finalized:
        def __del__(self):
            getcurrent().parent.switch()
            SAID.append("the line after it")

    def body(_wait):
        Finalized()

    one, _ = suspended_in(body)

    assert (free_stacks([one]), SAID) == ([one], [])
    one.switch()  # the test has an end


@contextmanager
def another_thread_in(function):
    begun, go_on = threading.Event(), threading.Event()

    def wait():
        begun.set()
        go_on.wait()

    thread = threading.Thread(target=function, args=(wait,))
    thread.start()
    begun.wait()
    try:
        yield
    finally:
        go_on.set()
        thread.join()


def test_who_is_in_a_function_in_which_another_thread_is_stays():
    with another_thread_in(in_a_finally):
        one, _ = suspended_in(in_a_finally)

        assert (free_stacks([one]), SAID) == ([one], [])
    assert SAID == ["finally"]
    one.switch()


def test_another_thread_may_be_in_the_same_function_without_a_try():
    with another_thread_in(in_between):
        one, _ = suspended_in(lambda wait: in_a_finally(partial(in_between, wait)))

        assert (free_stacks([one]), SAID) == ([], [])


def test_who_has_ended_or_never_begun_is_let_be():
    ended, fresh = greenlet(lambda: None), greenlet(lambda: None)
    ended.switch()

    assert free_stacks([ended, fresh]) == []


def test_what_it_silences_speaks_again():
    hook, filters, disabled = sys.unraisablehook, list(warnings.filters), logging.root.manager.disable
    one, _ = suspended_in(beside_a_coroutine)

    free_stacks([one])

    assert (sys.unraisablehook, list(warnings.filters), logging.root.manager.disable) == (hook, filters, disabled)
