"""Whatever is replaced is replaced wherever somebody keeps it, before a simulation or from within, and given back."""

import os
import signal
import sys
import time
from functools import partial
from types import ModuleType

import pytest

from retrysim.patches.reachable import places_below
from retrysim.simulation import Simulation


class Holder:
    kept_by_class = time.time

    def __init__(self, kept):
        self.kept = kept


def keeper(kept):
    return lambda: kept


def defaulted(kept=os.kill):
    return kept


KEPT = {
    "by name": os.kill,
    "in a list": [os.kill],
    "in a partial": partial(os.kill, 1),
    "in a closure": keeper(os.kill),
    "in an object": Holder(os.kill),
}


#: What their modules look at with each call: nobody else is to have them.
PRIVATE = {
    ("threading", "_time"),
    ("traceback", "_get_code_position"),
    ("traceback", "_extract_caret_anchors_from_line_segment"),
    ("uuid", "_generate_time_safe"),
    ("importlib._bootstrap", "_find_and_load"),
    ("_frozen_importlib", "_find_and_load"),
}


def standard_modules():
    for name, module in sorted(sys.modules.items()):
        if isinstance(module, ModuleType) and name.partition(".")[0] in sys.stdlib_module_names:
            yield name, module


def names_that_are_replaced():
    """(module, name) of each function and class of the standard library that is another one in a simulation."""
    before = {(name, key): value for name, module in standard_modules() for key, value in vars(module).items()}
    with Simulation():
        now = {(name, key): vars(sys.modules[name]).get(key) for name, key in before}
    replaced = [place for place, value in before.items() if now[place] is not value and callable(value)]
    return sorted(set(replaced) - PRIVATE)


REPLACED = names_that_are_replaced()


def test_what_is_replaced_is_more_than_clocks():
    expected = {
        ("os", "fork"), ("os", "kill"), ("os", "_exit"), ("os", "killpg"), ("os", "abort"), ("posix", "_exit"),
        ("threading", "Lock"), ("threading", "current_thread"), ("select", "select"), ("_thread", "start_new_thread"), ("socket", "getaddrinfo"), ("time", "sleep"),
        ("signal", "alarm"), ("_signal", "alarm"), ("atexit", "register"),
    }  # fmt: skip
    assert expected <= set(REPLACED)


def importing(monkeypatch, tmp_path, name):
    lines = [f"from {module} import {key} as kept_{number}" for number, (module, key) in enumerate(REPLACED)]
    (tmp_path / f"{name}.py").write_text("\n".join(lines) + "\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, name, raising=False)
    return lambda: __import__(name)


def kept_by(module):
    return {place: getattr(module, f"kept_{number}") for number, place in enumerate(REPLACED)}


def originals():
    return {(module, key): getattr(sys.modules[module], key) for module, key in REPLACED}


def test_what_a_module_imported_before_the_simulation_is_replaced_in_it_and_then_given_back(monkeypatch, tmp_path):
    before = originals()
    module = importing(monkeypatch, tmp_path, "imported_before")()

    with Simulation():
        inside = kept_by(module)
        stand_ins = originals()

    assert {place for place, kept in inside.items() if kept is not stand_ins[place]} == set()
    assert kept_by(module) == before


def test_what_a_module_imported_in_a_simulation_is_the_real_thing_afterwards(monkeypatch, tmp_path):
    before = originals()
    imports = importing(monkeypatch, tmp_path, "imported_inside")

    with Simulation():
        module = imports()
        inside = kept_by(module)
        assert all(inside[place] is not before[place] for place in REPLACED)

    assert {place for place, kept in kept_by(module).items() if kept is not before[place]} == set()


def test_what_hangs_below_the_names_of_a_module_is_replaced_and_given_back():
    real = os.kill

    def kept():
        return [
            KEPT["by name"], KEPT["in a list"][0], KEPT["in a partial"].func, KEPT["in a closure"](),
            KEPT["in an object"].kept, defaulted(),
        ]  # fmt: skip

    with Simulation():
        assert kept() == [os.kill] * 6
        assert os.kill is not real

    assert kept() == [real] * 6


def test_what_a_module_puts_below_its_names_in_a_simulation_is_the_real_thing_afterwards(monkeypatch, tmp_path):
    (tmp_path / "fills.py").write_text(
        "import os\nfrom functools import partial\n"
        "KEPT = {'kill': os.kill, 'list': [os.kill], 'partial': partial(os.kill)}\n"
        "class Kept:\n    kill = os.kill\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    real = os.kill

    with Simulation():
        import fills

    kept = fills.KEPT
    assert [kept["kill"], kept["list"][0], kept["partial"].func, fills.Kept.kill] == [real] * 4
    del sys.modules["fills"]


def test_a_class_that_keeps_a_clock_does_not_bind_it_as_a_method():
    with Simulation() as sim:
        assert Holder(None).kept_by_class() == sim.now.timestamp()

        class Clock:
            now = time.monotonic
            ring = signal.alarm

        assert isinstance(Clock().now(), float)
        assert isinstance(Clock().ring(0), int)
    assert Holder.kept_by_class is time.time


@pytest.mark.slow
def test_of_a_million_objects_that_a_module_holds_no_more_are_looked_at_than_a_moment_allows():
    module = ModuleType("large_project")
    module.rows = [[number] for number in range(1_000_000)]
    module.kept = [os.kill]
    asked = []

    def is_wanted(value, _kind):
        asked.append(value)
        return value is os.kill

    found = list(places_below(module, is_wanted, lambda _name: False, set()))

    assert [place.label for place in found] == ["large_project.kept[0]"]
    assert len(asked) <= 100_000


@pytest.mark.parametrize("what", ["time.sleep", "os.kill", "threading.Lock"])
def test_a_mock_of_the_users_own_can_stand_over_ours(what):
    from unittest import mock

    module, _, name = what.rpartition(".")
    real = getattr(sys.modules[module], name)
    with Simulation():
        ours = getattr(sys.modules[module], name)
        with mock.patch(what, autospec=True):
            pass
        assert getattr(sys.modules[module], name) is ours
    assert getattr(sys.modules[module], name) is real
