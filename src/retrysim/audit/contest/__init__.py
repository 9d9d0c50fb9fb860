"""One workload under several retry policies, side by side: ``retrysim audit APP --policies``."""

from retrysim.audit.contest.contest import Contest, Standing, contestants, hold
from retrysim.audit.contest.workload import Workload

__all__ = ["Contest", "Standing", "Workload", "contestants", "hold"]
