"""Keeps the heads of the decision log on the panel's machine: who changes the robot's log can not change them here."""

from __future__ import annotations

import logging
from typing import Any, Final

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import String

from safety_supervisor.evidence.decisions.kept_heads import KeptHeads
from safety_supervisor.evidence.decisions.sinks import Sink

_LOG: Final = logging.getLogger("safety_supervisor.panel")
_LATCHED: Final = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class HeadTap:
    """Hears `~/evidence_head` of one supervisor.

    Args:
        node: of the panel.
        supervisor: full name of its node.
        kept: where heads go.
    """

    def __init__(self, node: Node, supervisor: str, kept: KeptHeads) -> None:
        """Subscribe."""
        self._node = node
        # A thread of its own: a disk that hangs must not make the panel deaf.
        self._sink = Sink(f"file {kept.path}", kept.take, 1.0)
        self._topic = f"{supervisor}/evidence_head"
        self._told = ""
        node.create_subscription(String, self._topic, self._hear, _LATCHED)

    def _hear(self, message: Any) -> None:
        # Anyone may publish there. Beside a second publisher nobody knows whose head it is.
        if self._node.count_publishers(self._topic) > 1:
            self._tell(f"{self._topic} has several publishers: their heads are not kept")
            return
        self._told = ""
        self._sink.put(message.data)

    def close(self) -> None:
        """Keep what waits, within a second."""
        self._sink.end(1.0)

    def _tell(self, text: str) -> None:
        if text != self._told:
            self._told = text
            _LOG.warning(text)
