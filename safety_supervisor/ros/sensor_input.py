"""A sensor's messages as bytes: judged by rate and length, then read.

What can not be read makes what it tells of unknown, which is a stop; what is not heard grows old, which is one too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from safety_supervisor.core.errors import Code
from safety_supervisor.core.events import Event
from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.ros.quality import Sink
from safety_supervisor.ros.rate import TokenBucket

Fields = TypeVar("Fields")


class Receipt(NamedTuple):
    """When a message came, and what is wrong with it."""

    at: Nanoseconds
    """Steady clock, [ns]."""
    clock: Nanoseconds
    """ROS clock, [ns]."""
    received: Nanoseconds
    """When the middleware received it, steady clock, [ns]."""
    code: str = ""
    """Empty for nothing."""
    detail: str = ""


@dataclass(frozen=True)
class Kind(Generic[Fields]):
    """What messages of a kind are."""

    name: str
    rate_hz: float
    """Messages a second that are looked at."""
    max_bytes: int
    read: Callable[[bytes], Fields | None]
    """Reads the bytes; None: they are not plainly of this kind."""
    tell: Callable[[Receipt, Fields], Event]
    """Makes the event of what was read."""
    refuse: Callable[[Receipt], Event]
    """Makes the event of what was not."""


class SensorInput(Generic[Fields]):
    """The bytes of one sensor's topic.

    Args:
        kind: of its messages.
        sink: where events go.
    """

    def __init__(self, kind: Kind[Fields], sink: Sink) -> None:
        """Start with a full bucket."""
        self._kind = kind
        self._sink = sink
        self._bucket = TokenBucket(kind.rate_hz)

    def hear(self, data: bytes, received: Nanoseconds) -> None:
        """Handle a message."""
        kind, receipt = self._kind, Receipt(time.monotonic_ns(), time.time_ns(), received)
        if not self._bucket.admit(receipt.at):
            return
        if len(data) > kind.max_bytes:
            text = f"{len(data)} bytes; allowed: {kind.max_bytes}"
            self._sink.enter(kind.refuse(receipt._replace(code=Code.TOO_LARGE.value, detail=text)))
            return
        fields = kind.read(data)
        if fields is None:
            text = f"not {kind.name} in plain little-endian CDR"
            self._sink.enter(kind.refuse(receipt._replace(code=Code.UNDECODABLE.value, detail=text)))
            return
        self._sink.enter(kind.tell(receipt, fields))
