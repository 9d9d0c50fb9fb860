"""A discrete-event simulation on greenlets: processes wait, and time jumps when all of them do."""

from retrysim.kernel.beat import NEVER_AGAIN, Beat, Regular
from retrysim.kernel.condition import Condition
from retrysim.kernel.environment import Environment
from retrysim.kernel.host import Host, Role
from retrysim.kernel.limits import Limits
from retrysim.kernel.own_state import SHARED, OwnState, Variable
from retrysim.kernel.process import Process
from retrysim.kernel.streams import Streams
from retrysim.kernel.thread import Thread

__all__ = [
    "NEVER_AGAIN",
    "SHARED",
    "Beat",
    "Condition",
    "Environment",
    "Host",
    "Limits",
    "OwnState",
    "Process",
    "Regular",
    "Role",
    "Streams",
    "Thread",
    "Variable",
]
