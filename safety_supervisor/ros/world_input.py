"""What the world says in bytes of its own: the simulated e-stop, and points of people."""

from __future__ import annotations

from safety_supervisor.core.estop_input import EstopInput
from safety_supervisor.core.events import Humans
from safety_supervisor.core.settings import (
    SeparationSettings,
)
from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.ros.cdr import PointsFields, read_points, read_string
from safety_supervisor.ros.quality import Sink
from safety_supervisor.ros.sensor_input import Kind, Receipt, SensorInput

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


def hear_people(settings: SeparationSettings, sink: Sink) -> SensorInput[PointsFields]:
    """Return the input of `~/humans`."""

    def tell(receipt: Receipt, fields: PointsFields) -> Humans:
        at, clock, received, _, _ = receipt
        return Humans(at, fields.frame_id, fields.points, fields.stamp, clock, received=received)

    def refuse(receipt: Receipt) -> Humans:
        return Humans(receipt.at, "", b"", 0, receipt.clock, receipt.code, receipt.detail)

    kind = Kind("a PoseArray", MAX_PEOPLE_RATE_HZ, settings.max_bytes, read_points, tell, refuse)
    return SensorInput(kind, sink)
