"""Canvas: errors in nested chords, callbacks and errbacks, stamps, and signatures that take no results."""

from datetime import timedelta

import pytest
from celery import VERSION, Celery, chain, chord, group, signals, signature
from celery.canvas import StampingVisitor
from semantics_apps import START, make_app

from retrysim import Simulation


@pytest.fixture
def app():
    app = make_app()

    @app.task(name="third time", shared=False, bind=True)
    def third_time(self, value):
        if self.request.retries < 2:
            raise self.retry(countdown=10)
        return value

    @app.task(name="third time, numbers", shared=False, bind=True)
    def third_time_numbers(self, numbers):
        if self.request.retries < 2:
            raise self.retry(countdown=10)
        return sum(numbers)

    @app.task(name="note", shared=False)
    def note(*args):
        return list(args)

    @app.task(name="note error", shared=False)
    def note_error(request, exc, _traceback):
        app.heard.append((request.id, repr(exc)))  # called where the task failed: it is no task of its own

    app.heard = []
    app.seen = []

    @app.task(name="retried", shared=False, bind=True)
    def retried(self):
        app.seen.append(self.request.stamps)
        if not self.request.retries:
            raise self.retry(countdown=5)

    @app.task(name="replaced", shared=False, bind=True)
    def replaced(self, number):
        return self.replace(app.tasks["add"].si(number, 10))

    @app.task(name="replaced by a group", shared=False, bind=True)
    def replaced_by_a_group(self, number):
        return self.replace(group(app.tasks["add"].si(number, 1), app.tasks["add"].si(number, 2)))

    @app.task(name="stamps", shared=False, bind=True)
    def stamps(self, *_):
        return self.request.stamps

    @app.task(name="replaced by stamps", shared=False, bind=True)
    def replaced_by_stamps(self):
        return self.replace(app.tasks["stamps"].si())

    return app


@pytest.fixture(params=["memory", "redis"])
def sim(request, app):
    with Simulation(start=START, broker=request.param) as simulation:
        simulation.start_worker(app, concurrency=3)
        yield simulation


def ran(sim, name):
    return [task.state for task in sim.tasks(name=name)]


def results(sim, app, name):
    return [app.AsyncResult(task.task_id).result for task in sim.tasks(name=name)]


# -- errors in chords -------------------------------------------------------------------------------------------------


def test_an_error_in_the_header_of_an_inner_chord_leaves_the_outer_one_waiting_for_ever(sim, app):
    """So it does on a real worker: the inner body fails without having run, and nobody tells the outer chord."""
    add, total, fails = (app.tasks[name] for name in ("add", "total", "fails"))
    inner = chord([add.s(1, 1), fails.si("the inner header")], total.s())
    result = chord([inner, add.s(3, 3)], app.tasks["note"].s()).apply_async()
    sim.run()

    assert result.state == "PENDING"
    assert (ran(sim, "note"), ran(sim, "total")) == ([], [])


@pytest.mark.parametrize("broker", ["memory", "rabbitmq", "redis"])
def test_the_error_of_a_chord_names_the_first_that_failed_where_redis_keeps_the_results(broker):
    app = Celery("chords", broker="redis://nobody.example/0", backend="redis://nobody.example/1", set_as_current=False)

    @app.task(name="fails", shared=False)
    def fails(what):
        raise ValueError(what)

    @app.task(name="body", shared=False)
    def body(results):
        return results

    with Simulation(start=START, broker=broker) as sim:
        sim.start_worker(app)
        results = [chord([fails.s(n) for n in range(6)])(body.s()) for _ in range(3)]
        sim.run()

        for result in results:
            first = result.parent.results[0].id
            assert str(result.result) == f"Dependency {first} raised ValueError(0)"


def test_an_error_in_the_body_of_an_inner_chord_fails_the_outer_one(sim, app):
    add, fails = app.tasks["add"], app.tasks["fails"]
    inner = chord([add.s(1, 1), add.s(2, 2)], fails.si("the inner body"))
    result = chord([inner, add.s(3, 3)], app.tasks["note"].s()).apply_async()
    sim.run()

    assert (ran(sim, "fails"), ran(sim, "note"), result.state) == (["FAILURE"], [], "FAILURE")


def test_a_chord_in_a_chain_hands_its_result_on(sim, app):
    add, total = app.tasks["add"], app.tasks["total"]

    assert chain(add.s(1, 1), group(add.s(10), add.s(20)), total.s(), add.s(100)).apply_async().get() == 134


@pytest.mark.parametrize(
    "state",
    [
        pytest.param("FAILURE", marks=pytest.mark.skipif(VERSION < (5, 7), reason="since Celery 5.7")),
        pytest.param("PENDING", marks=pytest.mark.skipif(VERSION >= (5, 5), reason="in Celery 5.4")),
    ],
)
def test_an_error_in_a_chord_ends_its_chain_whose_last_task_is_told_so_since_5_7(sim, app, state):
    add, total, fails = (app.tasks[name] for name in ("add", "total", "fails"))
    broken = chain(add.s(1, 1), group(add.s(10), fails.si("no")), total.s(), add.s(100)).apply_async()
    sim.run()

    assert broken.state == state
    assert ran(sim, "total") == []


def test_members_and_bodies_that_are_retried_hold_up_the_chords_around_them(sim, app):
    again, sums, total = app.tasks["third time"], app.tasks["third time, numbers"], app.tasks["total"]
    inner = chord([again.s(1), again.s(2)], sums.s())

    assert chord([inner, again.s(3)], total.s()).apply_async().get() == 6
    assert sim.elapsed == timedelta(seconds=40)


def test_the_errback_of_a_body_hears_of_an_error_in_the_header(sim, app):
    body = app.tasks["total"].s().on_error(app.tasks["note error"].s())
    result = chord([app.tasks["add"].s(1, 1), app.tasks["fails"].si("the header")], body).apply_async()
    sim.run()

    ((task_id, error),) = app.heard
    assert task_id == result.id
    assert error.startswith("ChordError(")
    assert "ValueError('the header')" in error


# -- callbacks and errbacks -------------------------------------------------------------------------------------------


def test_links_run_with_the_result_and_errbacks_with_the_request_and_the_error(sim, app):
    link, errback = app.tasks["note"].s("and"), app.tasks["note error"].s()
    right = app.tasks["add"].apply_async((1, 2), link=[link, link], link_error=errback)
    wrong = app.tasks["fails"].apply_async(("why",), link=link, link_error=errback)
    sim.run()

    assert results(sim, app, "note") == [[3, "and"]] * 2
    assert app.heard == [(wrong.id, "ValueError('why')")]
    assert right.state == "SUCCESS"


def test_a_link_that_is_retried_or_fails_leaves_its_task_as_it_is(sim, app):
    result = app.tasks["add"].apply_async((1, 2), link=[app.tasks["third time"].s(), app.tasks["fails"].si("the link")])
    sim.run()

    assert (result.state, ran(sim, "third time"), ran(sim, "fails")) == ("SUCCESS", ["SUCCESS"], ["FAILURE"])
    assert sim.elapsed == timedelta(seconds=20)


def test_an_errback_of_a_chain_hears_of_the_first_error(sim, app):
    add, fails = app.tasks["add"], app.tasks["fails"]
    chain(add.s(1, 1), fails.si("second"), add.s(1)).on_error(app.tasks["note error"].s()).apply_async()
    sim.run()

    assert [task.name for task in sim.tasks()] == ["add", "fails"]
    assert app.heard == [(sim.tasks(name="fails")[0].task_id, "ValueError('second')")]


# -- signatures that take no results ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "immutable",
    [
        lambda add: add.si(5, 5),
        lambda add: add.signature((5, 5), immutable=True),
        lambda add: add.s(5, 5).set(immutable=True),
        lambda add: signature("add", args=(5, 5), immutable=True, app=add.app),
        lambda add: chain(add.si(2, 3), add.s(5)),
    ],
    ids=["si", "signature", "set", "by name", "chain"],
)
def test_an_immutable_signature_takes_no_result_of_what_came_before(sim, app, immutable):
    assert chain(app.tasks["add"].s(1, 1), immutable(app.tasks["add"])).apply_async().get() == 10


def test_an_immutable_body_and_an_immutable_group_take_none_either(sim, app):
    add = app.tasks["add"]
    members = group(add.s(1, 2), add.s(3, 4))
    members.set_immutable(True)

    assert chord([add.s(1, 1), add.s(2, 2)], add.si(5, 5)).apply_async().get() == 10
    assert chain(add.s(1, 1), members).apply_async().get() == [3, 7]


def test_an_immutable_link_and_a_partial_one(sim, app):
    app.tasks["add"].apply_async((1, 2), link=[app.tasks["note"].si("alone"), app.tasks["note"].s("after")])
    sim.run()

    assert results(sim, app, "note") == [["alone"], [3, "after"]]


# -- replace ----------------------------------------------------------------------------------------------------------


def test_a_task_is_replaced_by_another_in_a_group_and_in_the_header_of_a_chord(sim, app):
    replaced, add = app.tasks["replaced"], app.tasks["add"]

    assert group(replaced.s(1), add.s(1, 1)).apply_async().get() == [11, 2]
    assert chord([replaced.s(1), replaced.s(2)], app.tasks["total"].s()).apply_async().get() == 23


def test_a_task_that_is_replaced_by_a_group_makes_a_chord_of_its_chain(sim, app):
    by_a_group, total = app.tasks["replaced by a group"], app.tasks["total"]

    assert chain(by_a_group.s(10), total.s()).apply_async().get() == 23


# -- stamps -----------------------------------------------------------------------------------------------------------


class Tenant(StampingVisitor):
    """Stamps every signature with who asked for it, and counts which it came to."""

    def __init__(self):
        self.visited = []

    def on_signature(self, sig, **headers):
        self.visited.append(sig.task)
        return {"tenant": "acme"}


ACME = {"tenant": "acme"}


def stamped(canvas):
    visitor = Tenant()
    canvas.stamp(visitor)
    return canvas.apply_async(), visitor


def test_a_visitor_stamps_every_task_of_a_chain_a_group_and_a_chord(sim, app):
    stamps = app.tasks["stamps"]

    in_a_chain, of_the_chain = stamped(chain(stamps.si(), stamps.si()))
    in_a_group, _ = stamped(group(stamps.si(), stamps.si()))
    in_a_chord, _ = stamped(chord([stamps.si(), stamps.si()], stamps.si()))
    sim.run()

    assert (in_a_chain.parent.result, in_a_chain.result) == (ACME, ACME)
    assert [member.result for member in (*in_a_group, *in_a_chord.parent)] == [ACME] * 4
    assert in_a_chord.result == ACME
    assert of_the_chain.visited == ["stamps", "stamps"]


def test_stamps_come_to_callbacks_and_not_to_what_a_task_is_replaced_by(sim, app):
    linked = app.tasks["stamps"].si()
    linked.link(app.tasks["stamps"].si())

    stamped(linked)
    replaced, _ = stamped(app.tasks["replaced by stamps"].si())
    sim.run()

    assert results(sim, app, "stamps") == [ACME, ACME]
    assert replaced.result == {}


def test_stamps_stay_with_a_retry(sim, app):
    stamped(app.tasks["retried"].si())
    sim.run()

    assert app.seen == [ACME, ACME]


def test_stamps_are_in_the_headers_of_the_message(sim, app):
    noted = []
    now = app.tasks["now"].si()
    now.stamp(tenant="acme", shift="night")
    signals.before_task_publish.connect(
        lambda headers=None, **_: noted.append(headers), weak=False, dispatch_uid="note"
    )
    try:
        now.apply_async()
    finally:
        signals.before_task_publish.disconnect(dispatch_uid="note")

    assert sorted(noted[0]["stamped_headers"]) == ["shift", "tenant"]
    assert noted[0]["stamps"] == {"tenant": "acme", "shift": "night"}


def test_a_group_is_revoked_by_its_stamp_and_another_is_not(sim, app):
    mine = group(app.tasks["now"].si().set(countdown=60) for _ in range(2))
    stamped(mine)
    other = app.tasks["now"].apply_async(countdown=60)
    sim.run_for(1)
    app.control.revoke_by_stamped_headers(ACME, reply=True, timeout=1)
    sim.run()

    assert sorted(ran(sim, "now")) == ["REVOKED", "REVOKED", "SUCCESS"]
    assert other.state == "SUCCESS"
