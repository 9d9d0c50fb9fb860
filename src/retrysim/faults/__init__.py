"""What is broken on purpose: verdicts on messages, rules that give them, and the moments at which things break."""

from retrysim.faults.call_rule import CallRule, CallRules
from retrysim.faults.moment import Moment
from retrysim.faults.rule import MessageRule, Rules, TaskMessage
from retrysim.faults.verdict import DELIVER, Delay, Deliver, Drop, Duplicate, Fail, Verdict

__all__ = [
    "DELIVER",
    "CallRule",
    "CallRules",
    "Delay",
    "Deliver",
    "Drop",
    "Duplicate",
    "Fail",
    "MessageRule",
    "Moment",
    "Rules",
    "TaskMessage",
    "Verdict",
]
