"""What the world says in bytes of its own: the simulated e-stop, and points of people."""

from __future__ import annotations

import time

from safety_supervisor.core.errors import Code
from safety_supervisor.core.estop_input import EstopInput
from safety_supervisor.core.events import Humans
from safety_supervisor.core.settings import (
    SeparationSettings,
)
from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.ros.cdr import read_points, read_string
from safety_supervisor.ros.quality import Sink
from safety_supervisor.ros.rate import TokenBucket

MAX_TEXT_BYTES = 4_096
MAX_PEOPLE_RATE_HZ = 500.0
PEOPLE_TOPIC = "~/humans"


class SimulatedEstop:
    """The word of `~/simulated_estop`; other words than `run` and `stop` are unknown, which is a stop.

    What is not RUN is kept until a cycle has seen it: a press that is shorter than a cycle is a press (SR-001).
    """

    def __init__(self) -> None:
        """Nothing was heard yet."""
        self._newest = EstopInput("unknown")
        self._unseen: EstopInput | None = None

    def hear(self, data: bytes, received: Nanoseconds) -> None:
        """Handle a message."""
        text = read_string(data) if len(data) <= MAX_TEXT_BYTES else None
        if text == "run":
            self._newest = EstopInput("run", received_at=received)
            return
        self._newest = EstopInput("stop" if text == "stop" else "unknown", received_at=received)
        if self._unseen is None or text == "stop":
            self._unseen = self._newest

    def sample(self) -> EstopInput:
        """Return the word for this cycle."""
        word, self._unseen = self._unseen or self._newest, None
        return word


class PeopleInput:
    """The bytes of `~/humans`; what can not be read makes people unknown."""

    def __init__(self, settings: SeparationSettings, sink: Sink) -> None:
        """Start with a full bucket."""
        self._settings = settings
        self._sink = sink
        self._bucket = TokenBucket(MAX_PEOPLE_RATE_HZ)

    def hear(self, data: bytes, received: Nanoseconds) -> None:
        """Handle a message."""
        now, clock, most = time.monotonic_ns(), time.time_ns(), self._settings.max_bytes
        if not self._bucket.admit(now):
            return  # what is not heard turns stale, and stale is a stop
        if len(data) > most:
            self._refuse(now, clock, Code.TOO_LARGE, f"{len(data)} bytes; allowed: {most}")
            return
        fields = read_points(data)
        if fields is None:
            self._refuse(now, clock, Code.UNDECODABLE, "not a PoseArray in plain little-endian CDR")
            return
        self._sink.enter(Humans(now, fields.frame_id, fields.points, fields.stamp, clock, received=received))

    def _refuse(self, now: Nanoseconds, clock: int, code: Code, detail: str) -> None:
        self._sink.enter(Humans(now, "", b"", 0, clock, code.value, detail))
