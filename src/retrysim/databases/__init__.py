"""The databases of a Django project, as the tasks of a simulation meet them. They are real: only waits are virtual."""

from retrysim.databases.databases import Databases
from retrysim.databases.made_for_scenarios import djangos_test_databases, each_fork_has_its_own

__all__ = ["Databases", "djangos_test_databases", "each_fork_has_its_own"]
