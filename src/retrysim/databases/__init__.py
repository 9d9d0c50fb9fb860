"""The databases of a Django project, as the tasks of a simulation meet them. They are real: only waits are virtual."""

from retrysim.databases.databases import Databases

__all__ = ["Databases"]
