"""What stands outside of a simulation: databases, brokers, Redis servers and files that nobody allowed.

A connection to one of them is refused where it is opened, in the driver, so it makes no difference who opens it: a
task, the test, a program, a thread, or the import of the app.
"""

from retrysim.outside.address import TEST_DATABASE, Address, names_a_file, permit_for
from retrysim.outside.barrier import Barrier, allow_in_the_project
from retrysim.outside.files import guard_files, must_be_files
from retrysim.outside.imports import nothing_real
from retrysim.outside.install import SERVERS, stand_between
from retrysim.outside.opened_before import guard_connections_opened_before

__all__ = [
    "SERVERS",
    "TEST_DATABASE",
    "Address",
    "Barrier",
    "allow_in_the_project",
    "guard_connections_opened_before",
    "guard_files",
    "must_be_files",
    "names_a_file",
    "nothing_real",
    "permit_for",
    "stand_between",
]
