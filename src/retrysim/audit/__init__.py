"""``retrysim audit``: what each task's retry policy outlives, with no test written."""

from retrysim.audit.auditing import audit
from retrysim.audit.report import AppReport, TaskReport

__all__ = ["AppReport", "TaskReport", "audit"]
