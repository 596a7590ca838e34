"""How panel and metrics read a topic: raw, some messages at a time, none too long, whatever anybody publishes there.

Decoding takes the interpreter's lock, and the panel's STOP waits for that: what is too long, or nonsense, is dropped
undecoded.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any, Final

from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message

from safety_supervisor.core.units import Nanoseconds

LONGEST: Final = 1 << 18
"""A message with more bytes is not read, where nothing else is said."""
LONGEST_LIST: Final = 1 << 21
"""Of `~/interventions`, [bytes]: all that may wait takes less."""
SLICE: Final = 16
"""Messages that are read at one time where a node is spun; between, whatever else has come is heard."""


class Reader:
    """One topic: tells what comes where its node is spun; else it is looked at by whoever has it.

    Args:
        node: that hears it.
        kind: of its messages.
        topic: its name.
        profile: of service.
        hear: gets each message, on the thread that spins the node; None: the node is not spun.
        longest: of a message, [bytes].
    """

    def __init__(
        self,
        node: Node,
        kind: Any,
        topic: str,
        profile: QoSProfile,
        hear: Callable[[Any], None] | None = None,
        longest: int = LONGEST,
    ) -> None:
        """Subscribe."""
        self._kind, self._hear, self._longest, self._depth = kind, hear or _never, longest, profile.depth
        self.run = 0
        """Messages without a pause until now, where the node is spun."""
        self._looked: Nanoseconds = time.monotonic_ns()
        self._heard = node.create_subscription(kind, topic, self._begin, profile, raw=True)

    def look(self) -> list[tuple[Any, Nanoseconds]]:
        """Return what has come since the last look, each with the steady clock at its receipt, [ns].

        The middleware tells the receipt by the wall clock. Where that was set back meanwhile, a message is as old as
        the last look; none is older.
        """
        found, last, self._looked = [], self._looked, time.monotonic_ns()
        for _ in range(self._depth):
            if (taken := self._take()) is None:
                break
            data, told = taken
            if (message := self._decode(data)) is not None:
                ago, now = time.time_ns() - told["received_timestamp"], time.monotonic_ns()
                found.append((message, last if ago < 0 else max(last, now - ago)))
        return found

    def _begin(self, data: bytes) -> None:
        for number in range(SLICE):
            if number:
                if (taken := self._take()) is None:
                    self.run = 0
                    return
                data = taken[0]
            self.run += 1
            if (message := self._decode(data)) is not None:
                self._hear(message)

    def _take(self) -> Any:
        with self._heard.handle:
            return self._heard.handle.take_message(self._kind, True)

    def _decode(self, data: bytes) -> Any:
        if len(data) <= self._longest:
            with contextlib.suppress(Exception):  # bytes that are no such message are none
                return deserialize_message(data, self._kind)
        return None


def _never(_: object) -> None:
    """Tell nobody."""
