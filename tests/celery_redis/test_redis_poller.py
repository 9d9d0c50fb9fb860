"""The poller and the timer under a worker's hub: when they wake it, and what keeps a run alive."""

import pytest
from redis_apps import START_NS

from retrysim.celery.hub.hub import Hub
from retrysim.celery.hub.poller import HubPoller
from retrysim.celery.hub.timer import HubTimer
from retrysim.celery.redis import RedisBroker
from retrysim.celery.result_conditions import ResultConditions
from retrysim.clock import VirtualClock
from retrysim.durations import SECOND
from retrysim.faults import Rules
from retrysim.kernel import Environment, Host, Role, Streams
from retrysim.network import Network, Poller
from retrysim.patches import virtual_standard_library


@pytest.fixture
def environment():
    environment = Environment(VirtualClock(START_NS))
    with virtual_standard_library(environment, Streams(0)):
        yield environment
        environment.abandon_all()


@pytest.fixture
def broker(environment):
    return RedisBroker(Network(environment), Rules(print), ResultConditions(environment))


@pytest.fixture
def run_hub(environment, broker):
    """Start a hub that rounds until the simulation ends; returns it."""

    def start():
        def make_poller(timer, has_work):
            return HubPoller(
                broker.network.network,
                has_work=has_work,
                until_next_ns=timer.until_next_ns,
                keeps_alive=timer.awaits_one,
            )

        hub = Hub(HubTimer(environment), make_poller)
        worker = Host(environment, "worker", role=Role.WORKER)
        worker.main = environment.spawn(hub.run_forever, name="hub", host=worker)
        worker.main.serve()
        return hub

    return start


def seconds(environment):
    return (environment.clock.ns - START_NS) / SECOND


# -- the timer -----------------------------------------------------------------------------------------------------------


def test_an_entry_fires_at_its_instant_and_keeps_the_run_alive_until_then(environment, run_hub):
    fired = []
    run_hub().timer.call_after(900.000001, lambda: fired.append(seconds(environment)))
    environment.run()

    assert fired == [900.000001]
    assert seconds(environment) == 900.000001


def test_a_periodic_entry_keeps_no_run_alive(environment, run_hub):
    fired = []
    run_hub().timer.call_repeatedly(10, lambda: fired.append(seconds(environment)))
    environment.run()
    assert seconds(environment) == 0.0

    environment.run(until_ns=START_NS + 35 * SECOND)
    assert fired == [10.0, 20.0, 30.0]


def test_a_periodic_entry_fires_while_another_keeps_the_run_alive(environment, run_hub):
    hub, fired = run_hub(), []
    hub.timer.call_repeatedly(10, lambda: fired.append(seconds(environment)))
    hub.timer.call_after(25, lambda: fired.append("once"))
    environment.run()

    assert fired == [10.0, 20.0, "once"]


@pytest.mark.parametrize("start", [0.1, 23.9, 999.999999, 1023.7])
def test_a_periodic_entry_keeps_its_grid_from_whatever_instant(environment, run_hub, start):
    fired = []
    environment.run(until_ns=START_NS + round(start * 10**6) * 1000)
    run_hub().timer.call_repeatedly(10, lambda: fired.append(environment.clock.ns - START_NS))
    environment.run(until_ns=environment.clock.ns + 1_000 * SECOND)

    first = round(start * 10**6) * 1000
    assert fired == [first + number * 10 * SECOND for number in range(1, 101)]


def test_a_cancelled_entry_keeps_no_run_alive(environment, run_hub):
    hub = run_hub()
    entry = hub.timer.call_after(900, lambda: None)
    hub.timer.cancel(entry)
    environment.run()

    assert seconds(environment) == 0.0


def test_entries_of_one_instant_fire_in_the_order_in_which_they_were_entered(environment, run_hub):
    hub, fired = run_hub(), []
    for number in range(25):  # kombu fires ten in a round and then polls for a second
        hub.timer.call_after(60, fired.append, (number,))
    environment.run()

    assert fired == list(range(25))
    assert seconds(environment) == 60.0


def test_an_earlier_entry_of_another_process_wakes_the_hub(environment, run_hub):
    hub, fired = run_hub(), []
    hub.timer.call_after(900, fired.append, ("late",))
    environment.run(until_ns=START_NS + SECOND)
    hub.timer.call_after(0.7, lambda: fired.append(seconds(environment)))
    environment.run()

    assert fired == [1.7, "late"]


# -- calls into the hub --------------------------------------------------------------------------------------------------


def test_a_call_from_another_process_wakes_the_hub_at_once(environment, run_hub):
    hub, called = run_hub(), []
    hub.timer.call_after(900, lambda: None)

    def other():
        environment.sleep(3 * SECOND)
        hub.call_soon(lambda: called.append(seconds(environment)))

    environment.spawn(other, name="other")
    environment.run()

    assert called == [3.0]


def test_calls_are_made_in_the_order_in_which_they_were_asked_for(environment, run_hub):
    hub, called = run_hub(), []
    for number in range(50):
        hub.call_soon(called.append, number)
    environment.run()

    assert called == list(range(50))


# -- the poller ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def poller(environment, broker):
    return Poller(broker.network.network)


@pytest.fixture
def sock(broker, poller):
    """A socket that hears the news, registered with the poller."""
    listener = broker.client().pubsub()
    listener.subscribe("news")
    listener.get_message(timeout=1)
    poller.register(listener.connection._sock, 1)
    yield listener.connection._sock
    listener.close()


def test_a_poll_ends_when_a_registered_socket_has_a_reply(environment, broker, poller, sock):
    environment.schedule(START_NS + 3 * SECOND, lambda: broker.client().publish("news", "x"))

    assert poller.poll(10) == [(sock.fileno(), 1)]
    assert seconds(environment) == 3.0
    assert poller.poll(0) == [(sock.fileno(), 1)]


def test_a_poll_in_vain_ends_at_its_timeout(environment, poller, sock):
    assert poller.poll(10) == []
    assert seconds(environment) == 10.0


@pytest.mark.parametrize("by", ["socket", "number"])
def test_an_unregistered_socket_wakes_nobody(broker, poller, sock, by):
    poller.unregister(sock if by == "socket" else sock.fileno())
    broker.client().publish("news", "x")

    assert poller.poll(1) == []


def test_a_closed_poller_is_told_nothing(poller, sock):
    poller.close()

    assert list(sock.connection.pollers) == []


def test_the_file_number_of_something_else_is_let_be(poller):
    assert poller.register(0) == 0
    poller.unregister(0)
    poller.unregister(None)
    assert poller.poll(0) == []


def connected(broker, poller, count):
    connections = [broker.client().connection_pool.make_connection() for _ in range(count)]
    for connection in connections:
        connection.connect()
        poller.register(connection._sock.fileno())
    return connections


def test_sockets_are_told_in_the_order_in_which_they_became_readable(environment, broker):
    poller = Poller(broker.network.network)
    connections = connected(broker, poller, 3)
    for connection in (connections[1], connections[0]):
        connection.send_command("PING")

    expected = [connections[1]._sock.fileno(), connections[0]._sock.fileno()]
    assert [number for number, _event in poller.poll(0)] == expected


def test_a_server_that_ends_closes_its_newest_connection_first(environment, broker):
    poller = Poller(broker.network.network)
    connections = connected(broker, poller, 3)
    expected = [connection._sock.fileno() for connection in reversed(connections)]
    broker.network.shut_down()

    assert [number for number, _event in poller.poll(0)] == expected
