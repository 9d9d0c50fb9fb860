"""A discrete-event simulation on greenlets: processes wait, and time jumps when all of them do."""

from retrysim.kernel.condition import Condition
from retrysim.kernel.environment import Environment
from retrysim.kernel.limits import Limits
from retrysim.kernel.process import Process
from retrysim.kernel.streams import Streams
from retrysim.kernel.thread import Thread

__all__ = ["Condition", "Environment", "Limits", "Process", "Streams", "Thread"]
