"""What a robot's base and feet tell in bytes: the IMU and the force on each foot.

What can not be read makes balance unknown, which is a stop; what is not heard grows old, which is one too.
"""

from __future__ import annotations

import time

from geometry_msgs.msg import WrenchStamped
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Imu as ImuMessage

from safety_supervisor.core.balance_settings import BalanceSettings
from safety_supervisor.core.errors import Code
from safety_supervisor.core.events import FootContact, Imu
from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.ros.cdr_base import read_imu, read_wrench
from safety_supervisor.ros.quality import Endpoints, Sink
from safety_supervisor.ros.rate import TokenBucket

MAX_RATE_HZ = 2_000.0
MAX_BYTES = 1_024
"""Both messages have a fixed length but for the name of their frame."""

_NOWHERE = (0.0, 0.0, 0.0)


class ImuInput:
    """The bytes of `balance.imu_topic`."""

    def __init__(self, sink: Sink) -> None:
        """Start with a full bucket."""
        self._sink = sink
        self._bucket = TokenBucket(MAX_RATE_HZ)

    def hear(self, data: bytes, received: Nanoseconds) -> None:
        """Handle a message."""
        now, clock = time.monotonic_ns(), time.time_ns()
        if not self._bucket.admit(now):
            return
        if len(data) > MAX_BYTES:
            self._refuse(now, clock, Code.TOO_LARGE, f"{len(data)} bytes; allowed: {MAX_BYTES}")
            return
        fields = read_imu(data)
        if fields is None:
            self._refuse(now, clock, Code.UNDECODABLE, "not an Imu in plain little-endian CDR")
        elif fields.missing:
            self._refuse(now, clock, Code.ORIENTATION, f"the IMU says that it has no {fields.missing}")
        else:
            self._sink.enter(
                Imu(now, fields.frame_id, fields.orientation, fields.angular, fields.stamp, clock, received=received)
            )

    def _refuse(self, now: Nanoseconds, clock: int, code: Code, detail: str) -> None:
        self._sink.enter(Imu(now, "", (0.0, 0.0, 0.0, 0.0), _NOWHERE, 0, clock, code.value, detail))


class ContactInput:
    """The bytes of one foot's `contact_topic`."""

    def __init__(self, foot: str, sink: Sink) -> None:
        """Start with a full bucket."""
        self._foot = foot
        self._sink = sink
        self._bucket = TokenBucket(MAX_RATE_HZ)

    def hear(self, data: bytes, received: Nanoseconds) -> None:
        """Handle a message."""
        now, clock = time.monotonic_ns(), time.time_ns()
        if not self._bucket.admit(now):
            return
        if len(data) > MAX_BYTES:
            self._refuse(now, clock, Code.TOO_LARGE, f"{len(data)} bytes; allowed: {MAX_BYTES}")
            return
        fields = read_wrench(data)
        if fields is None:
            self._refuse(now, clock, Code.UNDECODABLE, "not a WrenchStamped in plain little-endian CDR")
            return
        self._sink.enter(
            FootContact(now, self._foot, fields.frame_id, fields.force, fields.stamp, clock, received=received)
        )

    def _refuse(self, now: Nanoseconds, clock: int, code: Code, detail: str) -> None:
        self._sink.enter(FootContact(now, self._foot, "", _NOWHERE, 0, clock, code.value, detail))


def subscribe_balance(endpoints: Endpoints, settings: BalanceSettings, sink: Sink, profile: QoSProfile) -> None:
    """Subscribe to the IMU and to every foot's force."""
    endpoints.subscribe(ImuMessage, settings.imu_topic, ImuInput(sink).hear, profile, required=True)
    for source in settings.contacts:
        endpoints.subscribe(WrenchStamped, source.topic, ContactInput(source.foot, sink).hear, profile, required=True)
