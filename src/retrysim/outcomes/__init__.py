"""What came of a run: a scenario's expectations judged, the facts for a machine, the text for a person."""

from retrysim.outcomes.expectations import Run, judge_run
from retrysim.outcomes.outcome import Outcome
from retrysim.outcomes.verdict import findings_text, raise_findings

__all__ = ["Outcome", "Run", "findings_text", "judge_run", "raise_findings"]
