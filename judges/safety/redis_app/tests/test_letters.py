"""From the first line of a simulation, nothing that anybody sends leaves it."""

import mailer
import pytest
from celery import Celery, shared_task

import retrysim


@shared_task
def shared(letter_id):
    return letter_id


@pytest.mark.parametrize("broker", [None, "redis", "memory"])
def test_whoever_sends(broker):
    with retrysim.Simulation(broker=broker) as sim:
        for number in range(5):
            mailer.send.delay(number)
        mailer.in_a_thread()
        mailer.app.control.revoke("nothing")
        mailer.app.control.inspect(timeout=0.1).ping()
        assert mailer.app.AsyncResult("nothing").state == "PENDING"
        shared.delay(1)
        Celery("another", broker=mailer.BROKER, set_as_current=False).send_task("mailer.note", args=(1,))
        with pytest.raises(retrysim.UnservedHost):
            mailer.client.incr("letters")
        with mailer.app.events.default_dispatcher() as dispatcher:
            dispatcher.send("worker-online")
        sim.start_worker("mailer")
        sim.start_program(lambda: shared.delay(2))
        sim.start_program(lambda: mailer.note.delay(3))
        assert mailer.send.delay(1).get() == 1
        mailer.by_hand.delay(1)
        sim.run()


def test_kombu_itself(sim):
    from kombu import Connection

    connection = Connection("amqp://guest:guest@127.0.0.1:5672//")
    with pytest.raises(retrysim.UnservedHost):
        connection.SimpleQueue("retrysim-safety").put("letter")
