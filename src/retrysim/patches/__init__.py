"""Stands in for the standard library while a simulation runs: its clocks, its waits, its randomness.

``virtual_standard_library`` is the one door, and it undoes all it did.
"""

from retrysim.patches.a_suites_process import keep_the_process_of_a_suite
from retrysim.patches.companions import Companions
from retrysim.patches.interpreter_settings import keep_interpreter_settings
from retrysim.patches.locks import HeldLock
from retrysim.patches.places import call_site
from retrysim.patches.readings import monotonic_ns
from retrysim.patches.real_programs import programs_live_in_real_time
from retrysim.patches.reality import Reality
from retrysim.patches.selects import virtual_event_loops_of_a_suite
from retrysim.patches.standard_library import begin_randomness, virtual_clocks, virtual_standard_library
from retrysim.patches.standing import standing_of
from retrysim.patches.thread_identities import ThreadIdentities
from retrysim.patches.threads_of_a_test import threads_of_a_suite, virtual_threads_of_a_test
from retrysim.patches.virtual_threading import virtual_threading
from retrysim.patches.waits import virtual_condition_waits

__all__ = [
    "Companions",
    "HeldLock",
    "Reality",
    "ThreadIdentities",
    "begin_randomness",
    "call_site",
    "keep_interpreter_settings",
    "keep_the_process_of_a_suite",
    "monotonic_ns",
    "programs_live_in_real_time",
    "standing_of",
    "threads_of_a_suite",
    "virtual_clocks",
    "virtual_condition_waits",
    "virtual_event_loops_of_a_suite",
    "virtual_standard_library",
    "virtual_threading",
    "virtual_threads_of_a_test",
]
