"""What the timers of kombu's Redis transport do while nothing happens: each knows when its call would change nothing.

kombu makes these calls every 10 or 25 seconds. What they leave is left here: counters, the instants of the last look,
and the sign of life of a connection on which a command would have been answered.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from retrysim.celery.redis import contents
from retrysim.celery.timer import Leave
from retrysim.clock import GRID_NS
from retrysim.durations import MILLISECOND, SECOND
from retrysim.kernel import NEVER_AGAIN, Regular
from retrysim.patches import monotonic_ns

if TYPE_CHECKING:
    from retrysim.celery.hub.poller import HubPoller
    from retrysim.celery.hub.timer import HubTimer
    from retrysim.celery.redis.broker import RedisBroker

#: Seconds between two sweeps of a channel for binding tables that nobody has refreshed (kombu 5.7).
_BINDINGS_ARE_SWEPT_S = 60


def know_idle_calls(cycle: Any, broker: RedisBroker, timer: HubTimer, poller: HubPoller) -> None:
    """Let the timers of a worker's transport know when they change nothing; older versions of kombu have fewer."""
    idle_calls = {
        "_reauth_tref": _Reauthentication(cycle, broker),
        "_brpop_health_tref": _BrpopHealth(cycle, broker),
        "_subclient_health_tref": _SubclientHealth(cycle, broker),
        "_binding_expiry_tref": _Bindings(cycle, broker),
    }
    for name, idle in idle_calls.items():
        entry = getattr(cycle, name, None)
        if entry is not None:
            entry.idle = idle
    sweep = getattr(cycle, "_restore_messages_tref", None)
    if sweep is not None:
        sweep.idle = sweep.fun = Sweep(cycle, broker, sweep, timer, poller)


class _OfACycle:
    """A periodic call of ``cycle``, kombu's poller of the connections of all channels."""

    def __init__(self, cycle: Any, broker: RedisBroker) -> None:
        self._cycle = cycle
        self._broker = broker
        self._clock = broker.environment.clock

    @property
    def _now_s(self) -> float:
        return monotonic_ns(self._clock) / SECOND

    def _ago_ns(self, reading_us: int) -> int:
        return monotonic_ns(self._clock) - reading_us * GRID_NS

    def _instant_ns(self, reading_s: float) -> int:
        return self._clock.ns + round((reading_s - self._now_s) * 1e6) * GRID_NS

    def leaves(self) -> Leave | None:
        raise NotImplementedError

    def regular(self, interval_ns: int) -> Regular | None:
        return Regular(period_ns=interval_ns) if self.leaves() is not None else None

    def move(self, calls_us: range) -> None:
        """It leaves nothing."""


def _nothing() -> bool:
    return True


class _Reauthentication(_OfACycle):
    """``maybe_reauth``: does something once there is a new token."""

    def leaves(self) -> Leave | None:
        clients = [channel.__dict__.get(name) for channel in self._cycle._channels for name in ("client", "subclient")]
        tokens = [getattr(getattr(client, "connection", None), "_re_auth_token", None) for client in clients]
        return _nothing if all(token is None for token in tokens) else None


class _BrpopHealth(_OfACycle):
    """``maybe_check_brpop_health``: does something once the answer to a BRPOP is overdue."""

    def leaves(self) -> Leave | None:
        now_s = self._now_s
        overdue = any(
            now_s - channel._brpop_sent_at >= channel.brpop_timeout + channel.health_check_interval
            for channel in self._out()
        )
        return None if overdue else _nothing

    def regular(self, interval_ns: int) -> Regular | None:
        asks_again = self._broker.server.asks_again
        ask = all(asks_again(channel._in_poll._sock) for channel in self._cycle._channels if channel._in_poll)
        return super().regular(interval_ns) if ask else None

    def _out(self) -> Iterator[Any]:
        for channel in self._cycle._channels:
            may_be_overdue = channel._in_poll and channel._brpop_sent_at is not None
            if may_be_overdue and channel.brpop_timeout and channel.health_check_interval:
                yield channel


class _SubclientHealth(_OfACycle):
    """``maybe_check_subclient_health``: a PING if the last answer is older than the interval, answered at once."""

    def leaves(self) -> Leave | None:
        pinged = []
        for channel, client in self._subclients():
            connection = client.connection
            if connection is None or bool(getattr(client, "health_check_response_counter", False)):
                return None
            if connection.health_check_interval and connection.reading_s() > connection.next_health_check:
                if not (channel.qos.can_consume() and connection.is_undisturbed):
                    return None
                pinged.append(connection)
        return partial(_note_life, pinged)

    def regular(self, interval_ns: int) -> Regular | None:
        answered = all(
            channel.qos.can_consume() and client.connection is not None and client.connection.is_undisturbed
            for channel, client in self._subclients()
        )
        return super().regular(interval_ns) if answered else None

    def move(self, calls_us: range) -> None:
        for _, client in self._subclients():
            connection = client.connection
            interval_s, next_s = connection.health_check_interval, connection.next_health_check
            offset_us = round(connection.reading_s() * 1e6) - monotonic_ns(self._clock) // GRID_NS
            for call_us in calls_us if interval_s else ():
                reading_s = (call_us + offset_us) / 1e6
                if reading_s > next_s:
                    next_s = reading_s + interval_s
            connection.next_health_check = next_s

    def _subclients(self) -> Iterator[tuple[Any, Any]]:
        for channel in self._cycle._channels:
            client = channel.__dict__.get("subclient")
            if client is not None and callable(getattr(client, "check_health", None)):
                yield channel, client


def _note_life(connections: list[Any]) -> bool:
    for connection in connections:
        connection.note_sign_of_life()
    return True


class _Bindings(_OfACycle):
    """``maybe_refresh_binding_expiry``: refreshes every 20 minutes, and deletes what is overdue, if anything is."""

    def leaves(self) -> Leave | None:
        now_s = self._now_s
        swept = []
        for channel, refresh_every_s in self._with_expiring_queues():
            if now_s - channel._binding_expiry_refreshed_at >= refresh_every_s:
                return None
            if now_s - channel._bindings_swept_at >= _BINDINGS_ARE_SWEPT_S:
                connection = _idle_connection(channel)
                if connection is None or self._first_overdue_ns(channel) <= self._clock.ns:
                    return None
                swept.append((channel, connection))
        return partial(self._note_sweeps, swept)

    def _note_sweeps(self, swept: list[tuple[Any, Any]]) -> bool:
        for channel, connection in swept:
            channel._bindings_swept_at = self._now_s
            connection.note_sign_of_life()
        return True

    def regular(self, interval_ns: int) -> Regular | None:
        if self.leaves() is None:
            return None
        ends = []
        for channel, refresh_every_s in self._with_expiring_queues():
            if _idle_connection(channel) is None:
                return None
            ends.append(self._instant_ns(channel._binding_expiry_refreshed_at + refresh_every_s))
            ends.append(self._first_overdue_ns(channel))
        until_ns = min(ends) - interval_ns if ends else None
        return Regular(period_ns=interval_ns, until_ns=until_ns)

    def move(self, calls_us: range) -> None:
        for channel, _ in self._with_expiring_queues():
            swept_s, last_us = channel._bindings_swept_at, None
            for call_us in calls_us:
                if call_us / 1e6 - swept_s >= _BINDINGS_ARE_SWEPT_S:
                    swept_s, last_us = call_us / 1e6, call_us
            if last_us is not None:
                channel._bindings_swept_at = swept_s
                _note_use(channel, self._ago_ns(last_us))

    def _with_expiring_queues(self) -> Iterator[tuple[Any, float]]:
        """Each channel that has such queues, and every how many seconds it refreshes them."""
        for channel in self._cycle._channels:
            queues = [queue for queue in channel._active_queues if queue in channel._expires]
            if queues:
                yield channel, min(channel._binding_ttl(queue) for queue in queues) / 1000 / 3

    def _first_overdue_ns(self, channel: Any) -> int:
        """When the first binding table is overdue; without one, far away."""
        key = f"{channel.global_keyprefix}{channel.keyprefix_binding_deadlines}"
        deadlines = contents.scores(self._broker.server, channel.keys, key.encode())
        return int(min(deadlines, default=2**53)) * MILLISECOND


class Sweep(_OfACycle):
    """``maybe_restore_messages``, behind everything else: real timers drift late, so of an ack and a sweep that are due
    at one instant, the ack comes first.

    Every tenth looks for messages whose visibility timeout has passed. If there are none, it leaves that it was there,
    and has drawn a token for its lock from the random numbers of its process.
    """

    def __init__(self, cycle: Any, broker: RedisBroker, entry: Any, timer: HubTimer, poller: HubPoller) -> None:
        super().__init__(cycle, broker)
        self._environment = broker.environment
        self._entry = entry
        self._due: Callable[[], None] = entry.fun
        self._timer = timer
        self._poller = poller
        self._comes_back = _ComesBack(self, entry, timer, poller)
        self._stood_back = False

    def __call__(self) -> None:
        """Its turn: stand back once, then sweep; at once if it is overdue."""
        if self._stood_back or self._is_overdue:
            self._stood_back = False
            self._due()
        else:
            self._stand_back()

    @property
    def _is_overdue(self) -> bool:
        """Whether its worker was busy when it was due: a hub fires first what was due first."""
        return self._ago_ns(round(self._entry.due_s * 1e6)) > 0

    def _stand_back(self) -> bool:
        self._stood_back = True
        self._environment.schedule(self._clock.ns, self._come_back, daemon=True, beat=self._comes_back)
        return False

    def _come_back(self) -> None:
        self._timer.enter_after(0, self._entry)

    # -- as an entry of the timer --------------------------------------------------------------------------------------

    def leaves(self) -> Leave | None:
        return self._stand_back

    def regular(self, interval_ns: int) -> Regular | None:
        channel = self._channel()
        if channel is None or self.changes_something(channel):
            return None
        return Regular(period_ns=interval_ns, until_ns=self._first_visible_ns(channel) - 2 * interval_ns)

    def move(self, calls_us: range) -> None:
        channel = self._channel()
        assert channel is not None
        count, throttle = channel.qos._vrestore_count, _throttle(channel)
        channel.qos._vrestore_count += len(calls_us)
        looks_us = calls_us[-count % throttle :: throttle]
        with self._poller.on_its_host():
            for _ in looks_us:
                random.getrandbits(14)  # as ``uuid1`` does
        if looks_us:
            _note_use(channel, self._ago_ns(looks_us[-1]))

    # -- its turn ------------------------------------------------------------------------------------------------------

    def sweeps_idly(self) -> bool:
        """Sweep, if that changes nothing."""
        channel = self._channel()
        if channel is not None:
            looks = channel.qos._vrestore_count % _throttle(channel) == 0
            if looks and self.changes_something(channel):
                return False
            channel.qos._vrestore_count += 1
            if looks:
                with self._poller.on_its_host():
                    uuid.uuid1()
                _note_use(channel, 0)
        self._stood_back = False
        self._timer.enter_again(self._entry)
        return True

    def changes_something(self, channel: Any) -> bool:
        """Whether a look would find a message that is visible again, or the network would notice that it looked."""
        if _idle_connection(channel) is None:
            return True
        scores = contents.scores(self._broker.server, channel.keys, channel.keys.unacked_index)
        if not scores:
            return False
        wall_s = (self._clock.ns + self._environment.skews.of(channel.host)) / SECOND
        return min(scores) <= wall_s - float(channel.qos.visibility_timeout)

    def _first_visible_ns(self, channel: Any) -> int:
        scores = contents.scores(self._broker.server, channel.keys, channel.keys.unacked_index)
        first_s = min(scores, default=2**33) + channel.qos.visibility_timeout
        return int(first_s * 1e6) * GRID_NS - self._environment.skews.of(channel.host)

    def _channel(self) -> Any:
        """The channel that sweeps: the first that consumes."""
        return next((channel for channel in self._cycle._channels if channel.active_queues), None)


class _ComesBack:
    """The event at which a sweep that has stood back comes back."""

    def __init__(self, sweep: Sweep, entry: Any, timer: HubTimer, poller: HubPoller) -> None:
        self._sweep = sweep
        self._entry = entry
        self._timer = timer
        self._poller = poller

    def pass_by(self) -> int | None:
        """It wakes the hub, which goes round once."""
        if not self._poller.idle or not self._sweep.sweeps_idly():
            return None
        self._poller.go_round()
        return NEVER_AGAIN

    def regular(self) -> Regular | None:
        return self._timer.regular_of(self._entry) if self._poller.idle else None

    def move(self, ns: int) -> None:
        self._timer.move_entry(self._entry, monotonic_ns(self._timer.environment.clock) - ns, ns)


def _throttle(channel: Any) -> int:
    """Of how many sweeps one looks."""
    return getattr(channel, "unacked_restore_throttle", 10) or 1


def _idle_connection(channel: Any) -> Any:
    """The connection that a command of the channel would take, if nobody would notice that it is used."""
    free = getattr(channel._pool, "_available_connections", None)
    return free[-1] if free and free[-1].is_undisturbed else None


def _note_use(channel: Any, ago_ns: int) -> None:
    """A command was answered on that connection."""
    connection = _idle_connection(channel)
    assert connection is not None
    connection.note_sign_of_life(ago_ns)
