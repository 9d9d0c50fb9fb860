"""``python -m retrysim.exploring.batch``: makes a batch of runs, given as JSON, and prints a line for each result."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from retrysim.exploring.shared_start import runner_of
from retrysim.exploring.subject import subject_of
from retrysim.exploring.surroundings import surroundings_of
from retrysim.exploring.trial import result_as_dict, trial_from_dict
from retrysim.exploring.warm import warm_up
from retrysim.project import project_around
from retrysim.scenarios import items_of, loads


def main() -> None:
    payload = json.load(sys.stdin)
    project = project_around(Path.cwd())
    scenario = loads(payload["text"], file=payload["file"], project=project)
    subject = subject_of(items_of(scenario), payload["item"], project)
    warm_up(surroundings_of(subject).broker)
    trials = [trial_from_dict(values) for values in payload["trials"]]
    results = dict(runner_of(subject, jobs=1).results(trials))
    for index in range(len(trials)):
        sys.stdout.write(json.dumps(result_as_dict(results[index])) + "\n")


if __name__ == "__main__":
    main()
