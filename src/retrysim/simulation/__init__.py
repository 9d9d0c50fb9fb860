"""Arm one: the user's Celery app in virtual time, against fakes."""

from retrysim.foreign_names import check_foreign_names

try:
    from retrysim.simulation.simulation import Simulation
except (AttributeError, ImportError):
    check_foreign_names()  # says so if it is for a name that a package has lost
    raise

__all__ = ["Simulation"]
