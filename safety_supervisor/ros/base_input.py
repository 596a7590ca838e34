"""What the base says and is told, in bytes: odometry, and the topics of a base that sources may drive."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from geometry_msgs.msg import Twist, TwistStamped
from nav_msgs.msg import Odometry as OdometryMessage
from rclpy.qos import QoSProfile

from safety_supervisor.core.base_settings import BaseSettings
from safety_supervisor.core.errors import Code
from safety_supervisor.core.events import Odometry
from safety_supervisor.core.settings import CommandKind
from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.ros.cdr_base import read_odometry
from safety_supervisor.ros.quality import Endpoints, Sink
from safety_supervisor.ros.rate import TokenBucket
from safety_supervisor.ros.source_input import SourceInput

ODOMETRY_TOPIC: Final = "odom"
MAX_ODOMETRY_BYTES: Final = 2_048
"""Two frames of up to 256 bytes and 85 numbers need less."""
MAX_ODOMETRY_RATE_HZ: Final = 2_000.0


def twist_type(*, stamped: bool) -> type[Any]:
    """Return the message type of a velocity."""
    return TwistStamped if stamped else Twist


class OdometryInput:
    """The bytes of `odom`; what can not be read makes the base's place unknown."""

    def __init__(self, sink: Sink) -> None:
        """Start with a full bucket."""
        self._sink = sink
        self._bucket = TokenBucket(MAX_ODOMETRY_RATE_HZ)

    def hear(self, data: bytes, received: Nanoseconds) -> None:
        """Handle a message."""
        now, clock = time.monotonic_ns(), time.time_ns()
        if not self._bucket.admit(now):
            return  # what is not heard turns stale, and stale is a stop
        if len(data) > MAX_ODOMETRY_BYTES:
            self._refuse(now, clock, Code.TOO_LARGE, f"{len(data)} bytes; allowed: {MAX_ODOMETRY_BYTES}")
            return
        fields = read_odometry(data)
        if fields is None:
            self._refuse(now, clock, Code.UNDECODABLE, "not an Odometry in plain little-endian CDR")
            return
        self._sink.enter(
            Odometry(
                now,
                fields.frame_id,
                fields.child_frame_id,
                fields.position,
                fields.orientation,
                fields.linear,
                fields.angular,
                fields.stamp,
                clock,
                received=received,
            )
        )

    def _refuse(self, now: Nanoseconds, clock: int, code: Code, detail: str) -> None:
        nowhere, unturned = (0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0)
        self._sink.enter(
            Odometry(now, "", "", nowhere, unturned, nowhere, nowhere, 0, clock, code.value, detail)
        )  # fmt: skip


def subscribe_base(
    endpoints: Endpoints,
    base: BaseSettings,
    frame: str,
    sources: list[SourceInput],
    sink: Sink,
    profile: Callable[..., QoSProfile],
) -> None:
    """Subscribe to the base's odometry and to `cmd_vel` of every source that may drive it.

    Args:
        endpoints: makes the subscriptions.
        base: settings.
        frame: of the base.
        sources: inputs of all sources.
        sink: where events go.
        profile: of a stream.
    """
    endpoints.subscribe(OdometryMessage, ODOMETRY_TOPIC, OdometryInput(sink).hear, profile(), required=True)
    kind = twist_type(stamped=base.stamped_input)
    for heard in sources:
        if CommandKind.CMD_VEL in heard.source.commands:
            hear = partial(heard.hear_twist, frame=None if base.stamped_input else frame)
            topic = f"~/sources/{heard.source.name}/cmd_vel"
            endpoints.subscribe(kind, topic, hear, profile(), source=heard.source.name)
