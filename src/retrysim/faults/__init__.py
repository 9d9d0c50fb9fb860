"""What is broken on purpose: verdicts on messages, rules that give them, and the moments at which things break."""

from retrysim.faults.moment import Moment
from retrysim.faults.rule import Message, MessageRule, Rules
from retrysim.faults.verdict import DELIVER, Delay, Deliver, Drop, Duplicate, Fail, Verdict

__all__ = [
    "DELIVER",
    "Delay",
    "Deliver",
    "Drop",
    "Duplicate",
    "Fail",
    "Message",
    "MessageRule",
    "Moment",
    "Rules",
    "Verdict",
]
