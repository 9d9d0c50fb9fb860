"""One walk through the project's modules serves all who look, and nobody misses what another one did not look for."""

import sys
from _thread import LockType, allocate_lock
from types import ModuleType

import pytest

from retrysim.patches import own_places
from retrysim.patches.own_places import OwnPlaces


def kept():
    pass


@pytest.fixture
def module(monkeypatch):
    module = ModuleType("mine")
    module.__file__ = "/project/mine.py"
    module.held = {"lock": allocate_lock(), "functions": [kept]}
    monkeypatch.setitem(sys.modules, "mine", module)
    return module


@pytest.fixture
def walks(monkeypatch):
    """The name of each module that is walked through."""
    names = []
    real = own_places.places_below

    def places_below(module, *rest):
        names.append(module.__name__)
        return real(module, *rest)

    monkeypatch.setattr(own_places, "places_below", places_below)
    return names


def labels(found):
    return [place.label for places in found.values() for place in places if place.label.startswith("mine")]


def look(places):
    places._modules._loaded.refresh()
    with places.shared():
        return labels(places.of_kinds((LockType,))), labels(places.of_things({id(kept): kept}))


BOTH = ["mine.held[lock]"], ["mine.held[functions][0]"]


def test_who_looks_for_something_else_finds_it_at_the_first_time_and_later(module):
    places = OwnPlaces()

    found = [look(places) for _ in range(3)]

    assert [[label.replace("'", "") for label in each] for one in found for each in one] == [*BOTH] * 3


def test_from_the_second_time_on_there_is_one_walk(module, walks):
    places = OwnPlaces()

    look(places)
    at_first = walks.count("mine")
    look(places)

    assert (at_first, walks.count("mine")) == (2, 3)


def test_what_has_changed_since_the_walk_of_another_simulation_is_found(module):
    places = OwnPlaces()
    look(places)
    module.held["functions"].append(kept)

    _, functions = look(places)

    assert functions == ["mine.held['functions'][0]", "mine.held['functions'][1]"]
