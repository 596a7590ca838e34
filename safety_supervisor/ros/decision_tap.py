"""The topic `~/decisions`, some messages at a time: a flood of it costs the panel little, and STOP nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, Final

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message

DEPTH: Final = 256
"""Decisions that are kept until they are read; where so many came without a pause, some may be lost."""
SLICE: Final = 16
"""That are read at one time; between, whatever else has come is heard."""
LONGEST: Final = 1 << 16
"""A message with more bytes is not read: a decision has some hundred."""


class DecisionTap:
    """A subscription that reads several messages with each call.

    Args:
        node: that is spun.
        supervisor: full name of its node.
        hear: gets them.
    """

    def __init__(self, node: Node, supervisor: str, hear: Callable[[list[DiagnosticArray]], None]) -> None:
        """Subscribe."""
        self._hear = hear
        self.run = 0
        """Messages without a pause until now."""
        self._heard = node.create_subscription(
            DiagnosticArray, f"{supervisor}/decisions", self._take, QoSProfile(depth=DEPTH), raw=True
        )

    def _take(self, first: bytes) -> None:
        found: list[DiagnosticArray] = []
        data: bytes | None = first
        for number in range(SLICE):
            if number:
                data = self._next()
            if data is None:
                break
            self.run += 1
            if len(data) <= LONGEST:
                with contextlib.suppress(Exception):  # bytes that are no such message are none
                    found.append(deserialize_message(data, DiagnosticArray))
        self._hear(found)
        if data is None:
            self.run = 0

    def _next(self) -> bytes | None:
        with self._heard.handle:
            taken: Any = self._heard.handle.take_message(DiagnosticArray, True)
        return None if taken is None else taken[0]
