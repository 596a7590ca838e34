"""The topic `~/decisions`, looked at some times a second: a flood of it costs the panel little, and STOP nothing."""

from __future__ import annotations

import contextlib
from typing import Any, Final

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message

DEPTH: Final = 256
"""Decisions that are kept until they are read; where so many came without a pause, some may be lost."""
SLICE: Final = 16
"""That are read at one time."""
LONGEST: Final = 1 << 16
"""A message with more bytes is not read: a decision has some hundred."""


class DecisionTap:
    """A subscription that nothing spins.

    Args:
        supervisor: full name of its node.
        context: of rclpy.
    """

    def __init__(self, supervisor: str, context: Any) -> None:
        """Join the graph."""
        self.run = 0
        """Messages without a pause until now."""
        self._node = Node("safety_supervisor_panel_events", context=context, start_parameter_services=False)
        self._heard = self._node.create_subscription(
            DiagnosticArray, f"{supervisor}/decisions", _never, QoSProfile(depth=DEPTH), raw=True
        )

    def take(self) -> tuple[list[DiagnosticArray], bool]:
        """Return some of what has come since, and whether there may be more."""
        found: list[DiagnosticArray] = []
        for _ in range(SLICE):
            with self._heard.handle:
                taken = self._heard.handle.take_message(DiagnosticArray, True)
            if taken is None:
                self.run = 0
                return found, False
            self.run += 1
            if len(taken[0]) <= LONGEST:
                with contextlib.suppress(Exception):  # bytes that are no such message are none
                    found.append(deserialize_message(taken[0], DiagnosticArray))
        return found, True

    def close(self) -> None:
        """Leave the graph."""
        self._node.destroy_node()


def _never(message: Any) -> None:
    raise AssertionError("this topic is looked at, never called back")
