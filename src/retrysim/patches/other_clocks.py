"""The rule for users of freezegun and time-machine: one clock at a time, inside a simulation the simulation's.

Two of them would be taken off in the wrong order, or one would win in silence; so the second is an error.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, NoReturn

from retrysim.errors import InputError
from retrysim.patches.import_watch import in_each_module
from retrysim.undo import UndoStack

_INSIDE = (
    "{who} inside a simulation: time belongs to the simulation here. Give it its start "
    '(@pytest.mark.retrysim(start="2030-01-01T00:00:00Z"), or Simulation(start=...)), and move it with sim.run_for(...)'
)
_AROUND = (
    "a simulation inside {who}: time has another owner already. Let it end before the simulation begins, "
    "and give the simulation its start instead: Simulation(start=...)"
)


def no_other_clock() -> None:
    """Raise ``InputError`` if freezegun or time-machine holds the clock."""
    freezegun, machine = sys.modules.get("freezegun.api"), sys.modules.get("time_machine")
    if freezegun is not None and freezegun.freeze_factories:
        raise InputError(_AROUND.format(who="freeze_time"))
    if machine is not None and machine.escape_hatch.is_travelling():
        raise InputError(_AROUND.format(who="time_machine.travel"))


def refuse_other_clocks(undo: UndoStack) -> None:
    """Until ``undo`` is unwound, neither of them can be started."""
    refusals = {
        "freezegun.api": lambda api: undo.set_attribute(api._freeze_time, "start", _refusal("freeze_time")),
        "time_machine": lambda api: undo.set_attribute(api.travel, "start", _refusal("time_machine.travel")),
    }

    def refuse(module: ModuleType) -> None:
        refusals[module.__name__](module)

    in_each_module(undo, refusals, refuse)


def _refusal(who: str) -> Any:
    def start(_self: object) -> NoReturn:
        raise InputError(_INSIDE.format(who=who))

    return start
