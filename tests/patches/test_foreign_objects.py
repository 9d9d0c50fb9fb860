"""A simulation looks at everything that a project's modules hold, and asks none of it."""

import importlib.util
import sys
import threading
import time
import weakref
from datetime import datetime
from types import ModuleType

import pytest

from retrysim.simulation import Simulation

ASKED = []


def asked(*what):
    ASKED.append(what)
    raise RuntimeError(f"asked {what}")


class LyingMeta(type):
    __module__ = property(lambda cls: asked("__module__"))
    __dict__ = property(lambda cls: asked("__dict__"))
    __mro__ = property(lambda cls: asked("__mro__"))

    def __getattr__(cls, name):
        asked("metaclass", name)

    def __instancecheck__(cls, instance):
        asked("__instancecheck__")

    def __eq__(cls, other):
        asked("metaclass __eq__")

    __hash__ = type.__hash__


class Lying(metaclass=LyingMeta):
    pass


class Proxy:
    __class__ = property(lambda self: asked("__class__"))
    __dict__ = property(lambda self: asked("__dict__"))
    value = property(lambda self: asked("value"))

    def __getattr__(self, name):
        asked("proxy", name)

    def __eq__(self, other):
        asked("__eq__")

    def __iter__(self):
        asked("__iter__")

    def __len__(self):
        asked("__len__")

    def __bool__(self):
        asked("__bool__")

    __hash__ = object.__hash__


class Slotted:
    __slots__ = ("empty", "lock")


#: As Cython's types have it: no text.
AsCython = type("AsCython", (), {"__module__": Slotted.lock})


class Dict(dict):
    def __getitem__(self, key):
        asked("item", key)

    def items(self):
        asked("items")

    __iter__ = items


class Gone:
    pass


class ModuleThatImports(ModuleType):
    def __getattr__(self, name):
        asked("module", name)

    def __dir__(self):
        asked("dir of a module")


def what_a_module_holds():
    slotted = Slotted()
    slotted.lock = threading.Lock()
    circle = []
    circle.append(circle)
    return {
        "class_": Lying, "object_": Lying(), "proxy": Proxy(), "as_cython": AsCython, "of_cython": AsCython(),
        "slotted": slotted, "dict_": Dict(a=Proxy()), "dead": weakref.proxy(Gone()), "circle": circle,
        "list_": [Proxy(), Lying, {"deep": (Proxy(), AsCython())}], "now": time.time, "today": datetime,
    }  # fmt: skip


@pytest.mark.parametrize("kind", [ModuleType, ModuleThatImports])
@pytest.mark.parametrize("file", ["/project/odd.py", "/usr/lib/python3/site-packages/odd.py", None])
def test_nothing_that_a_module_holds_is_asked(monkeypatch, kind, file):
    module = kind("odd")
    vars(module).update(what_a_module_holds())
    if file is not None:
        module.__file__ = file
    monkeypatch.setitem(sys.modules, "odd", module)
    ASKED.clear()
    before = datetime

    with Simulation() as sim:
        assert vars(module)["now"]() == sim.now.timestamp()
        assert vars(module)["today"] is not before

    assert ASKED == []
    assert vars(module)["now"] is time.time
    assert vars(module)["today"] is before


def test_a_lazy_module_is_not_imported_by_a_simulation(monkeypatch, tmp_path):
    (tmp_path / "heavy.py").write_text("raise RuntimeError('imported')\n")
    spec = importlib.util.spec_from_file_location("heavy", tmp_path / "heavy.py")
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "heavy", module)
    spec.loader.exec_module(module)

    with Simulation():
        pass

    assert type(module).__name__ == "_LazyModule"


@pytest.mark.parametrize("entry", ["None", "Proxy()", "Lying"])
def test_what_stands_among_the_modules_and_is_none_is_let_be(monkeypatch, entry):
    monkeypatch.setitem(sys.modules, "no_module", eval(entry))
    ASKED.clear()

    with Simulation():
        pass

    assert ASKED == []
