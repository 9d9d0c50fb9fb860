"""How a person reads an instant of a run."""

from retrysim.clock import time_of_day

__all__ = ["time_of_day"]
