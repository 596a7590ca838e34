"""Subscriptions that are read once a cycle, and never by the executor.

What arrives takes effect in the next control cycle in any case, so it is taken just before that, in a fixed order and a
bounded number a cycle. A flood on any topic therefore costs the control thread no more than one full queue a cycle, and
can neither delay the cycle nor what comes on another topic (REDTEAM 25, 52). An idle topic costs 2 us.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from rclpy.subscription import Subscription

from safety_supervisor.core.units import Nanoseconds

Heard = Callable[[bytes, Nanoseconds], None]
"""Takes the bytes of a message, and when the middleware received them, steady clock, [ns]."""


@dataclass(frozen=True)
class _Polled:
    heard: Heard
    depth: int


class PolledSubscriptions:
    """Subscriptions that are hidden from the executor."""

    def __init__(self) -> None:
        """Nothing is polled yet."""
        self._held: dict[Subscription, _Polled] = {}
        self._polled_at: Nanoseconds = 0

    def hold(self, subscription: Subscription, heard: Heard, depth: int) -> None:
        """Poll a raw subscription, taking at most `depth` messages at a time: as many as its queue holds."""
        self._held[subscription] = _Polled(heard, depth)

    def forget(self, subscription: Subscription) -> None:
        """Stop polling a subscription."""
        self._held.pop(subscription, None)

    def hides(self, subscription: Subscription) -> bool:
        """Return whether the executor must not see a subscription."""
        return subscription in self._held

    def discard(self) -> None:
        """Drop what came until now: it is older than what begins now."""
        for subscription, polled in self._held.items():
            for _ in range(polled.depth):
                with subscription.handle:
                    if subscription.handle.take_message(subscription.msg_type, True) is None:
                        break
        self._polled_at = time.monotonic_ns()

    def poll(self) -> None:
        """Hand over what came since the last time."""
        since, self._polled_at = self._polled_at, time.monotonic_ns()
        for subscription, polled in list(self._held.items()):
            handle, kind, heard = subscription.handle, subscription.msg_type, polled.heard
            for _ in range(polled.depth):
                with handle:
                    taken = handle.take_message(kind, True)
                if taken is None:
                    break
                # The middleware stamps by the system clock. Only how long ago that was is taken from it, within the
                # time since the last poll: a clock that is set can not make a message older or newer than that.
                ago = max(0, time.time_ns() - taken[1]["received_timestamp"])
                heard(taken[0], max(since, time.monotonic_ns() - ago))
