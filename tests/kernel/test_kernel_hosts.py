"""Hosts have a role, a parent and state of their own, and whoever listens hears what happens to them."""

import signal

import pytest

from retrysim.clock import VirtualClock
from retrysim.durations import SECOND
from retrysim.errors import SimulationError
from retrysim.kernel import SHARED, Environment, Host, OwnState, Role
from retrysim.undo import UndoStack


@pytest.fixture
def env():
    environment = Environment(VirtualClock(0))
    yield environment
    environment.abandon_all()


@pytest.fixture
def worker(env):
    return Host(env, "worker-1", role=Role.WORKER)


@pytest.fixture
def undo():
    with UndoStack() as undo:
        yield undo


def child_of(host, env, name="child"):
    return Host(env, name, role=Role.CHILD, parent=host)


def test_control_goes_from_host_to_host_and_back_to_the_test(env, worker, undo):
    entered = []
    env.listeners.add(undo, host_entered=lambda host: entered.append(host.name))
    other = Host(env, "worker-2", role=Role.WORKER)

    def parent():
        env.spawn(lambda: env.sleep(SECOND), name="a thread")
        env.sleep(SECOND)

    env.spawn(parent, name="a", host=worker)
    env.spawn(lambda: env.sleep(2 * SECOND), name="b", host=other)
    env.run()

    assert entered == ["worker-1", "worker-2", "worker-1", "worker-2", "the test's own process"]


def test_a_process_runs_on_the_host_of_the_process_that_spawned_it(env, worker):
    seen = []

    def parent():
        env.spawn(lambda: seen.append(env.host), name="inner")

    env.spawn(parent, name="outer", host=worker)
    env.run()

    assert seen == [worker]
    assert env.host is env.test


def test_a_child_shares_the_death_and_the_machine_of_its_parent(env, worker, undo):
    died = []
    env.listeners.add(undo, died=lambda host: died.append(host.name))
    child = child_of(worker, env)
    lines = []
    for host in (worker, child):
        env.spawn(lambda: (env.sleep(SECOND), lines.append("never")), name=host.name, host=host)
    env.run(until_ns=1)

    env.kill(worker)
    env.run()
    assert lines == []
    assert died == ["child", "worker-1"]
    assert (child.machine, child.top, child.gone) == ("worker-1", worker, True)
    assert worker.children == []


def test_a_parent_survives_the_death_of_its_child(env, worker):
    child = child_of(worker, env)
    lines = []
    env.spawn(lambda: (env.sleep(SECOND), lines.append("parent")), name="parent", host=worker)
    env.spawn(lambda: (env.sleep(SECOND), lines.append("child")), name="child", host=child)
    env.run(until_ns=1)

    env.kill(child)
    env.run()
    assert lines == ["parent"]
    assert not worker.gone


def test_a_thread_that_dies_with_its_owner_and_its_host_dies_once(env, worker, undo):
    killed = []
    env.listeners.add(undo, killed=lambda process: killed.append(process.name))
    owner = env.spawn(lambda: env.sleep(SECOND), name="owner", host=worker)
    env.spawn(lambda: env.sleep(SECOND), name="thread", host=worker, owner=owner)
    env.run(until_ns=1)

    env.kill(worker)
    assert killed == ["thread", "owner"]


def test_listeners_hear_in_the_order_in_which_they_asked_until_they_are_undone(env, worker):
    heard = []
    with UndoStack() as undo:
        env.listeners.add(undo, killed=lambda process: heard.append(("first", process.name)))
        env.listeners.add(undo, killed=lambda process: heard.append(("second", process.name)))
        env.spawn(lambda: env.sleep(SECOND), name="a", host=worker)
        env.kill(worker)
    env.spawn(lambda: env.sleep(SECOND), name="b", host=worker)
    env.kill(worker)

    assert heard == [("first", "a"), ("second", "a")]


def test_a_host_that_nobody_can_end_says_so(worker):
    with pytest.raises(SimulationError, match=r"^worker-1 cannot end \(exit status 3\)$"):
        worker.end(3)


# -- state that is each host's own ---------------------------------------------------------------------------------------


class Module:
    """Stands for a module with a global."""

    name = "of the test"


def own_name(env, undo, fresh=lambda host: f"of {host.name}"):
    state = OwnState(env)
    state.add(lambda: Module.name, lambda value: setattr(Module, "name", value), fresh)
    state.connect(undo)
    return state


def test_each_host_finds_its_own_value_and_the_test_its_own(env, worker, undo):
    own_name(env, undo)
    other = Host(env, "worker-2", role=Role.WORKER)
    seen = []

    def work():
        seen.append(Module.name)
        Module.name += ", changed"
        env.sleep(SECOND)
        seen.append(Module.name)

    env.spawn(work, name="a", host=worker)
    env.spawn(work, name="b", host=other)
    env.run()

    assert seen == ["of worker-1", "of worker-2", "of worker-1, changed", "of worker-2, changed"]
    assert Module.name == "of the test"


def test_a_name_that_a_host_shares_with_the_test_keeps_what_it_writes(env, worker, undo, monkeypatch):
    monkeypatch.setattr(Module, "name", "of the test")
    own_name(env, undo, fresh=lambda host: SHARED if host is worker else "its own")
    other = Host(env, "worker-2", role=Role.WORKER)
    env.spawn(lambda: setattr(Module, "name", "written"), name="a", host=worker)
    env.spawn(lambda: setattr(Module, "name", "lost"), name="b", host=other)
    env.run()

    assert Module.name == "written"


class Interrupted:
    """A second global beside ``Module.name``: when it is written for the n-th time, a Ctrl-C comes."""

    value = "of the test"

    def __init__(self, writes):
        self._left = writes

    def put(self, value):
        self._left -= 1
        if not self._left:
            signal.raise_signal(signal.SIGINT)
        Interrupted.value = value


@pytest.mark.parametrize("writes", [1, 2])
def test_a_signal_waits_until_control_has_changed(env, worker, undo, monkeypatch, writes):
    monkeypatch.setattr(Module, "name", "of the test")
    state = own_name(env, undo)
    state.add(lambda: Interrupted.value, Interrupted(writes).put, lambda host: f"of {host.name}")
    state.add(lambda: None, lambda value: None, lambda host: None)
    seen = []
    env.spawn(lambda: seen.append((Module.name, Interrupted.value)), name="a", host=worker)

    with pytest.raises(KeyboardInterrupt):
        env.run()

    assert (Module.name, Interrupted.value) == ("of the test", "of the test")
    env.run()
    assert seen == [("of worker-1", "of worker-1")]


def test_a_change_of_hosts_that_was_cut_short_is_ended_by_the_next(env, worker, undo, monkeypatch):
    monkeypatch.setattr(Module, "name", "of the test")
    state = OwnState(env)
    state.add(lambda: Interrupted.value, Interrupted(1).put, lambda host: f"of {host.name}")
    own_name(env, undo)
    state.connect(undo)

    with pytest.raises(KeyboardInterrupt):
        env.context.enter(worker, env.main_thread)

    env.context.enter(worker, env.main_thread)
    assert (Module.name, Interrupted.value) == ("of worker-1", "of worker-1")
    env.context.leave()
    assert (Module.name, Interrupted.value) == ("of the test", "of the test")


def test_the_values_of_the_test_are_back_when_the_simulation_ends_inside_a_host(env, worker):
    with UndoStack() as undo:
        own_name(env, undo)
        env.spawn(lambda: env.stop(), name="a", host=worker)
        env.context.enter(worker, env.main_thread)
        assert Module.name == "of worker-1"

    assert Module.name == "of the test"
