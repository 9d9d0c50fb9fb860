"""Which orders of simultaneous events a search tries before it draws any."""

from retrysim.exploring.draws import pick_of, yields

SECOND = 1_000_000_000
TIES = [
    (0, 1, ("worker-1", "the client")),
    (0, 2, ("the client", "worker-1")),
    (0, 3, ("worker-1", "worker-2")),
    (10 * SECOND, 1, ("worker-1", "the client", "worker-2")),
]


def test_whoever_goes_first_in_a_tie_yields_once_the_first_tie_of_an_instant_before_its_others():
    assert yields(TIES) == [
        "yields/0/1/worker-1",
        "yields/0/2/the client",
        f"yields/{10 * SECOND}/1/worker-1",
        "yields/0/3/worker-1",
    ]


def test_a_host_that_yields_goes_last_until_the_instant_is_over():
    pick = pick_of(f"yields/{10 * SECOND}/2/worker-1")

    assert pick(0, 2, ("worker-1", "worker-2")) == "worker-1"  # another instant
    assert pick(10 * SECOND, 1, ("worker-1", "worker-2")) == "worker-1"  # before the tie
    assert pick(10 * SECOND, 2, ("worker-1", "the client", "worker-2")) == "the client"
    assert pick(10 * SECOND, 3, ("worker-1", "worker-2")) == "worker-2"
    assert pick(10 * SECOND, 4, ("worker-2", "worker-1")) == "worker-2"  # others keep their order
    assert pick(11 * SECOND, 1, ("worker-1", "worker-2")) == "worker-1"
