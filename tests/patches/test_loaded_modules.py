"""Modules are searched when they are new or have changed, and never asked for anything."""

import datetime
import subprocess
import sys
import time
from types import ModuleType

import pytest
from celery import Celery

from retrysim import Simulation
from retrysim.patches import dict_versions
from retrysim.patches.loaded import Findings, loaded_modules

REAL = (time.time, datetime.datetime)  # a simulation replaces the names, and no tuple
#: Where an installed package lies: the project's own modules are searched to their depth each time.
INSTALLED = "/usr/lib/python3/site-packages/module_of_a_package.py"


@pytest.fixture
def module(monkeypatch):
    module = ModuleType("module_of_a_package")
    module.__file__ = INSTALLED
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


def simulate():
    with Simulation():
        pass


def searches(name):
    """Counts the searches of one module."""
    count = []
    return count, Findings(lambda one: count.append(one.name) if one.name == name else None)


@pytest.mark.parametrize("clock", REAL)
def test_a_module_whose_name_becomes_a_clock_between_two_simulations_is_found(module, clock):
    module.clock = None
    simulate()
    module.clock = clock

    with Simulation():
        assert module.clock is not clock

    assert module.clock is clock


def test_two_names_that_are_exchanged_between_two_simulations_are_found(module):
    module.clock, module.other = None, REAL[0]
    simulate()
    simulate()
    module.clock, module.other = module.other, module.clock

    with Simulation():
        assert module.clock is not REAL[0]
        assert module.other is None


def test_a_function_that_is_made_anew_with_a_clock_is_found(module):
    for default in ("None", "time", "None", "time"):
        exec(f"from time import time\ndef now(clock={default}): return clock", vars(module))
        with Simulation():
            assert module.now() is not REAL[0]


def test_a_module_that_gains_a_clock_during_a_simulation_has_the_real_one_afterwards(module):
    module.clock = module.kind = None
    with Simulation():
        module.clock, module.kind = time.time, datetime.datetime

    assert module.clock is REAL[0]
    assert module.kind is REAL[1]
    with Simulation():
        assert module.clock is not REAL[0]


def test_another_module_under_the_same_name_is_found(module, monkeypatch):
    simulate()
    other = ModuleType(module.__name__)
    other.__file__, other.clock = INSTALLED, REAL[0]
    monkeypatch.setitem(sys.modules, module.__name__, other)

    with Simulation():
        assert other.clock is not REAL[0]


def test_a_module_is_searched_again_only_when_it_has_changed(module):
    module.clock, module.number = REAL[0], 1
    count, findings = searches(module.__name__)

    simulate(), findings.all()
    simulate(), findings.all()
    assert len(count) == 1

    module.number = 2
    simulate(), findings.all()
    assert len(count) == 2

    simulate(), findings.all()
    assert len(count) == 2


def test_few_modules_are_searched_again_for_the_next_simulation():
    simulate()
    before = loaded_modules().stamp
    simulate()

    changed = [one.name for one in loaded_modules().all if one.changed_at > before]
    assert len(changed) < 15, changed


def test_celerys_modules_are_not_searched_again_because_a_worker_ran():
    """A worker sets globals in them, while clocks of the simulation stand there."""
    app = Celery(broker="memory://", set_as_current=False)

    def work():
        with Simulation() as sim:
            sim.start_worker(app)

    work()
    before = loaded_modules().stamp
    work()

    changed = [one.name for one in loaded_modules().all if one.changed_at > before]
    assert [name for name in changed if name.startswith("celery.")] == []


def test_a_class_attribute_that_captures_a_date_during_a_simulation_has_the_real_one_afterwards(module):
    with Simulation():
        exec("from datetime import datetime\nclass Field:\n    kind = datetime", vars(module))
        assert module.Field.kind is not REAL[1]

    assert module.Field.kind is REAL[1]


def test_no_lazy_attribute_of_a_module_is_asked_for():
    """``__dir__`` tells names that ``__getattr__`` would import."""
    lazy = """if True:
        import sys
        from types import ModuleType
        from retrysim import Simulation
        asked = []
        def lazy(name):
            module = ModuleType(name)
            module.__dir__ = lambda: asked.append("dir") or ["heavy"]
            module.__getattr__ = lambda attribute: asked.append(attribute)
            sys.modules[name] = module
        lazy("lazy_before")
        with Simulation(): pass
        before = set(sys.modules)
        with Simulation(): lazy("lazy_during")
        print(asked, sorted(set(sys.modules) - before))
        print([name for name in ("tkinter", "pydoc", "pydantic.deprecated", "freezegun") if name in sys.modules])
    """
    ran = subprocess.run([sys.executable, "-c", lazy], capture_output=True, text=True, check=True)

    assert ran.stdout.splitlines() == ["[] ['lazy_during']", "[]"]


@pytest.mark.parametrize("version_of", [dict_versions._Compared, dict_versions._counted])
def test_a_dict_has_another_version_after_each_change(version_of):
    module = ModuleType("changing")
    names = vars(module)
    version, values = version_of(names), []

    def note():
        values.append(version.value)

    note()
    module.clock = object()
    note()
    module.clock = object()
    note()
    names["clock"], names["other"] = 1, names["clock"]
    note()
    names["clock"], names["other"] = names["other"], names["clock"]
    note()
    del module.clock
    note()

    assert len(set(values)) == len(values)
    assert version.value == version.value == values[-1]
