"""The judge of Celery's own suite lets nothing pass but what a real worker did."""

import json

import pytest
from judges import celery_suite
from judges.celery_suite import Item, judge

REAL = {
    "passes": {"outcome": "passed", "call_s": 0.1},
    "skips": {"outcome": "skipped", "call_s": 0.0},
    "xfails": {"outcome": "xfailed", "call_s": 0.1},
}


@pytest.fixture(autouse=True)
def lists(tmp_path, monkeypatch):
    monkeypatch.setattr(celery_suite, "HERE", tmp_path)
    (tmp_path / "real_worker.json").write_text(json.dumps(REAL))
    (tmp_path / "not_applicable.toml").write_text("")
    (tmp_path / "durations_that_differ.toml").write_text("")
    (tmp_path / "known.toml").write_text('[alone]\n[reruns]\n"passes" = "a reason"\n')


def items(**changed):
    outcomes = {"passes": ["passed"], "skips": ["skipped"], "xfails": ["xfailed"]} | changed
    return {name: Item(outcomes=told, virtual_s=0.1) for name, told in outcomes.items() if told}


def verdict(found, again=None):
    return judge("redis", found, again or {}, 1.0, True)


def test_what_a_real_worker_did_passes():
    assert verdict(items()) == 0
    assert verdict(items(passes=["rerun", "passed"])) == 0  # which is known


@pytest.mark.parametrize(
    "changed",
    [
        {"passes": ["skipped"]},
        {"passes": ["xfailed"]},
        {"passes": ["failed"]},
        {"passes": []},
        {"skips": ["passed"]},
        {"xfails": ["xpassed"]},
        {"xfails": ["rerun", "xfailed"]},
        {"new": ["passed"]},
    ],
)
def test_any_other_outcome_fails(changed, capsys):
    assert verdict(items(**changed)) == 1
    assert next(iter(changed)) in capsys.readouterr().out


def test_an_item_that_passes_only_alone_fails():
    assert verdict(items(passes=["failed"]), {"passes": Item(outcomes=["passed"], virtual_s=0.1)}) == 1


def test_a_short_item_that_takes_long_in_virtual_time_fails(capsys):
    found = items()
    found["passes"].virtual_s = 2.5

    assert verdict(found) == 1
    assert "passes: 0.10 s really, 2.50 s virtually" in capsys.readouterr().out
