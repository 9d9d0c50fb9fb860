"""Where the project's own modules hold what somebody looks for, at any depth: one walk for all who look.

A simulation looks for locks, for clocks, and for functions that it replaces. The walk through everything that a
project's modules hold is what that costs, so it is made once where nothing of the project runs in between.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from retrysim.patches.asking_nothing import name_of
from retrysim.patches.loaded import Findings, Loaded
from retrysim.patches.places import is_installed
from retrysim.patches.reachable import Place, is_closed, is_left_alone, places_below

Things = Mapping[int, object]  # by their ids, so that nothing is asked whether it equals another


class OwnPlaces:
    """Finds where things hang, and objects of some types, in the modules that are the project's own."""

    def __init__(self) -> None:
        self._modules: Findings[bool] = Findings(lambda one: is_own(one) or None)
        self._is_shared = False
        self._things: dict[int, object] = {}
        self._kinds: tuple[type, ...] = ()
        #: what the last one who shared a walk looked for: the next one will, too
        self._usual: tuple[dict[int, object], tuple[type, ...]] = {}, ()
        self._walked: dict[Loaded, list[Place]] | None = None

    @contextmanager
    def shared(self) -> Iterator[None]:
        """While inside, nothing but what is found is replaced, so one walk is enough."""
        self._things, self._kinds = self._usual
        self._is_shared = True
        asked: tuple[dict[int, object], tuple[type, ...]] = {}, ()
        self._usual = asked
        try:
            yield
        finally:
            self._is_shared, self._walked = False, None
            self._things, self._kinds = {}, ()

    def of_things(self, things: Things) -> dict[Loaded, list[Place]]:
        """The places of these things by module, in the order of loading."""
        return self._found(things, ())

    def of_kinds(self, kinds: tuple[type, ...]) -> dict[Loaded, list[Place]]:
        """The places of objects of these types by module, in the order of loading."""
        return self._found({}, kinds)

    def _found(self, things: Things, kinds: tuple[type, ...]) -> dict[Loaded, list[Place]]:
        if not self._is_shared:
            return self._walk(things, kinds)
        usual_things, usual_kinds = self._usual
        self._usual = {**usual_things, **things}, (*usual_kinds, *kinds)
        if self._walked is None or not (things.keys() <= self._things.keys() and set(kinds) <= set(self._kinds)):
            self._things, self._kinds = {**self._things, **things}, (*self._kinds, *kinds)
            self._walked = self._walk(self._things, self._kinds)
        return {one: _of(places, things, kinds) for one, places in self._walked.items()}

    def _walk(self, things: Things, kinds: tuple[type, ...]) -> dict[Loaded, list[Place]]:
        seen: set[int] = set()

        def is_wanted(value: Any, kind: type) -> bool:
            return id(value) in things or issubclass(kind, kinds)

        return {one: list(places_below(one.module, is_wanted, is_closed, seen)) for one, _ in self._modules.all()}


def _of(places: list[Place], things: Things, kinds: tuple[type, ...]) -> list[Place]:
    return [place for place in places if id(value := place.value) in things or issubclass(type(value), kinds)]


def is_own(one: Loaded) -> bool:
    """Whether a module is the project's: no installed one, and none that a simulation stands on."""
    names = one.name, name_of(one.module)
    return not any(map(is_left_alone, names)) and not is_installed(one.module)


@cache
def own_places() -> OwnPlaces:
    """Those of this interpreter."""
    return OwnPlaces()
