"""What the motors hear: polled between physics steps, and taken when the simulation has reached its time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy

COMMANDS: Final = QoSProfile(depth=200, reliability=ReliabilityPolicy.RELIABLE)
"""Every message shall reach the oracle, also those that come while a step is late."""
MOST_AT_ONCE: Final = 40
"""Messages of one topic taken before a step: a flood can not hold the physics."""


class Inbox:
    """Subscriptions of one node that no executor spins.

    Jazzy's EventsExecutor ends with a SystemError when a callback asks for message info.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._subscriptions: list[tuple[Any, Callable[[Any], None]]] = []
        self._waiting: deque[tuple[int, Callable[[Any], None], Any]] = deque()

    def hear(
        self,
        kind: Any,
        topic: str,
        take: Callable[[Any], None],
        *,
        profile: QoSProfile = COMMANDS,
        raw: bool = False,
    ) -> None:
        """Subscribe; `take` is given each message, as bytes when `raw`."""
        self._subscriptions.append((self._node.create_subscription(kind, topic, take, profile, raw=raw), take))

    def poll(self, ros_offset_ns: int) -> None:
        """Take from the middleware what has come: 3 us when there is nothing."""
        for subscription, take in self._subscriptions:
            with subscription.handle:
                for _ in range(MOST_AT_ONCE):
                    taken = subscription.handle.take_message(subscription.msg_type, subscription.raw)
                    if taken is None:
                        break
                    message, info = taken
                    self._put(take, message, info, ros_offset_ns)

    def deliver(self, now_ns: int) -> None:
        """Give away everything that is due."""
        while self._waiting and self._waiting[0][0] <= now_ns:
            _, take, message = self._waiting.popleft()
            take(message)

    def _put(self, take: Callable[[Any], None], message: Any, info: dict[str, Any], ros_offset_ns: int) -> None:
        """Keep a message until the cell's time has reached the time at which it was sent.

        On time that is at once. When this process was starved, its clock is behind and messages
        have heaped up: taken all at once they would make a jump that nobody commanded.
        """
        sent = int(info["source_timestamp"]) - ros_offset_ns
        latest = self._waiting[-1][0] if self._waiting else 0  # order is kept whatever stamps say
        due = max(latest, min(sent, time.monotonic_ns()))
        self._waiting.append((due, take, message))
