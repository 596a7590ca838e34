"""The motors' power behind the e-stop device's relays, as a wire would carry it: without the supervisor.

The device tells its relays' state on a topic, 50 times a second and at each change. What is not heard for `SILENCE` is
a device without power, whose relays are open. Open relays let the robot's own brakes fall in. After a silence they stay
in until open relays were heard, which only the device's own reset closes: power never comes back into a motion.
"""

from __future__ import annotations

import time
from typing import Any, Final, Protocol

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from std_msgs.msg import Bool

SILENCE: Final = 1_000_000_000
"""A wire is never late, a topic is, and so is this process: what is shorter is no word about the relays, [ns]."""


class Motors(Protocol):
    """What has brakes."""

    def cut_power(self) -> None:
        """Engage the brakes."""

    def restore_power(self) -> None:
        """Release them."""


class Power:
    """Cuts and restores the power of a cell's motors; cut until closed relays are heard.

    Args:
        node: spun by an executor.
        topic: std_msgs/Bool, true for closed relays.
        motors: of the cell.
    """

    def __init__(self, node: Node, topic: str, motors: Motors) -> None:
        self._motors = motors
        self._closed = False
        self._lost = False
        self._heard = 0
        self.on = False
        motors.cut_power()
        profile = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        node.create_subscription(Bool, topic, self._hear, profile)

    def _hear(self, message: Any) -> None:
        now = time.monotonic_ns()
        self.step(now)  # a silence that ends with this message was one
        self._closed, self._heard = bool(message.data), now
        if not self._closed:
            self._lost = False
        self.step(now)

    def step(self, now: int) -> None:
        """Let the power follow the relays.

        Args:
            now: steady clock, [ns].
        """
        if self._closed and now - self._heard > SILENCE:
            self._lost = True
        on = self._closed and not self._lost
        if on != self.on:
            self.on = on
            if on:
                self._motors.restore_power()
            else:
                self._motors.cut_power()
