"""Arm one: the user's Celery app in virtual time, against fakes."""

from retrysim.simulation.simulation import Simulation

__all__ = ["Simulation"]
