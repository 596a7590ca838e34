"""Subscriptions that are read once a cycle, and never by the executor.

What arrives takes effect in the next control cycle in any case, so it is taken just before that. Requests to
stop, hold-to-run and e-stop are taken first and whole; of the rest as much as there is time for, one full queue a topic
at most; the topic at which time ended comes last the next time. So a flood costs the control cycle no more than that
time and the reading of one message, and can neither delay a stop nor starve another topic (REDTEAM 25, 52). An idle
topic costs 2 us.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from rclpy.subscription import Subscription

from safety_supervisor.core.units import Nanoseconds

Heard = Callable[[bytes, Nanoseconds], None]
"""Takes the bytes of a message, and when the middleware received them, steady clock, [ns]."""


@dataclass
class _Polled:
    subscription: Subscription
    heard: Heard
    depth: int
    latched: bool = False
    since: Nanoseconds = 0
    """What is in the queue came after this, [ns]."""

    def take(self, until: Nanoseconds | None) -> bool:
        """Hand over what is there; return False when the time was over before that was done.

        Args:
            until: steady clock, [ns]; looked at after each message. None: all that is there.
        """
        handle, kind, began = self.subscription.handle, self.subscription.msg_type, time.monotonic_ns()
        for _ in range(self.depth):
            with handle:
                taken = handle.take_message(kind, True)
            if taken is None:
                break
            # The middleware stamps by the system clock. Only how long ago that was is taken from it, within the time
            # since the queue was known to be empty: a clock that is set can not make a message older than that, or
            # newer than now.
            ago = max(0, time.time_ns() - taken[1]["received_timestamp"])
            now = time.monotonic_ns()
            self.heard(taken[0], max(self.since, now - ago))
            if until is not None and time.monotonic_ns() >= until:
                return False
        # Empty, or all that a queue of this depth can have held has been taken.
        self.since = began
        return True


class PolledSubscriptions:
    """Subscriptions that are hidden from the executor."""

    def __init__(self) -> None:
        """Nothing is polled yet."""
        self.cut_short = 0
        """How often the time was over before everything was read."""
        self._urgent: list[_Polled] = []
        self._others: list[_Polled] = []
        self._hidden: set[Subscription] = set()
        self._next = 0

    def hold(
        self, subscription: Subscription, heard: Heard, depth: int, *, urgent: bool = False, latched: bool = False
    ) -> None:
        """Poll a raw subscription.

        Args:
            subscription: to poll.
            heard: takes what came.
            depth: messages that its queue holds, and that are taken at a time at most.
            urgent: whether it is there to stop the robot: it comes first, and is read whole.
            latched: whether what was said before counts; it is said once.
        """
        polled = _Polled(subscription, heard, depth, latched)
        (self._urgent if urgent else self._others).append(polled)
        self._hidden.add(subscription)

    def forget(self, subscription: Subscription) -> None:
        """Stop polling a subscription."""
        self._urgent = [polled for polled in self._urgent if polled.subscription is not subscription]
        self._others = [polled for polled in self._others if polled.subscription is not subscription]
        self._hidden.discard(subscription)
        self._next = 0

    def hides(self, subscription: Subscription) -> bool:
        """Return whether the executor must not see a subscription."""
        return subscription in self._hidden

    def discard(self) -> None:
        """Drop what came until now: it is older than what begins now. What is latched is said once, and stays."""
        for polled in (*self._urgent, *self._others):
            if polled.latched:
                continue
            subscription = polled.subscription
            for _ in range(polled.depth):
                with subscription.handle:
                    if subscription.handle.take_message(subscription.msg_type, True) is None:
                        break
            polled.since = time.monotonic_ns()

    def poll(self, until: Nanoseconds) -> None:
        """Hand over what came since the last time.

        Args:
            until: when the time for it is over, steady clock, [ns]; one message is read even then.
        """
        for polled in self._urgent:
            polled.take(None)
        count = len(self._others)
        for turn in range(count):
            index = (self._next + turn) % count
            if not self._others[index].take(until):
                self._next = (index + 1) % count  # the others' turn comes before its own
                self.cut_short += 1
                return
        self._next = 0
