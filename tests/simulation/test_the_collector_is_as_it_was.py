"""A simulation lets the collector look at its own objects only, and leaves it as it found it."""

import gc

from retrysim import Simulation


def test_the_collector_finds_what_it_found_before():
    before = gc.get_freeze_count()

    with Simulation():
        during = gc.get_freeze_count()

    assert (during > before, gc.get_freeze_count()) == (True, before)


def test_what_the_user_has_frozen_stays_frozen():
    gc.freeze()
    before = gc.get_freeze_count()

    with Simulation():
        pass

    after = gc.get_freeze_count()
    gc.unfreeze()
    assert before - after < before / 2
