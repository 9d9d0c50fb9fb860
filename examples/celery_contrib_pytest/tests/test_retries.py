"""What a worker in real time would take an hour for."""

from datetime import timedelta

import mailer

from retrysim.invariants import retries_follow_policy


def test_mail_is_sent_when_the_mailbox_has_room_again(sim, full_for_an_hour):
    sim.start_worker(mailer.app)
    result = mailer.app.tasks["mailer.send"].delay("somebody@example.com")

    assert result.get() == "sent"
    assert sim.task(result.id).timeline == "RETRY 30m RETRY 30m SUCCESS"
    assert sim.elapsed == timedelta(hours=1)
    sim.check(retries_follow_policy(countdown="30 minutes"))
