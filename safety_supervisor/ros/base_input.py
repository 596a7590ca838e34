"""What the base says and is told, in bytes: odometry, and the topics of a base that sources may drive."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from geometry_msgs.msg import Twist, TwistStamped
from nav_msgs.msg import Odometry as OdometryMessage
from rclpy.qos import QoSProfile

from safety_supervisor.core.base.settings import BaseSettings
from safety_supervisor.core.events import Odometry
from safety_supervisor.core.settings import CommandKind
from safety_supervisor.ros.cdr_base import OdometryFields, read_odometry
from safety_supervisor.ros.quality import Endpoints, Sink
from safety_supervisor.ros.sensor_input import Kind, Receipt, SensorInput
from safety_supervisor.ros.source_input import SourceInput

ODOMETRY_TOPIC: Final = "odom"
MAX_ODOMETRY_BYTES: Final = 2_048
"""Two frames of up to 256 bytes and 85 numbers need less."""
MAX_ODOMETRY_RATE_HZ: Final = 2_000.0


def twist_type(*, stamped: bool) -> type[Any]:
    """Return the message type of a velocity."""
    return TwistStamped if stamped else Twist


def hear_odometry(sink: Sink) -> SensorInput[OdometryFields]:
    """Return the input of `odom`."""

    def tell(receipt: Receipt, fields: OdometryFields) -> Odometry:
        frames, pose = (fields.frame_id, fields.child_frame_id), (fields.position, fields.orientation)
        at, clock, received, _, _ = receipt
        return Odometry(
            at, *frames, *pose, fields.linear, fields.angular, fields.stamp, clock, received=received
        )  # fmt: skip

    def refuse(receipt: Receipt) -> Odometry:
        nowhere, unturned = (0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0)
        at, clock, _, code, detail = receipt
        return Odometry(at, "", "", nowhere, unturned, nowhere, nowhere, 0, clock, code, detail)

    kind = Kind("an Odometry", MAX_ODOMETRY_RATE_HZ, MAX_ODOMETRY_BYTES, read_odometry, tell, refuse)
    return SensorInput(kind, sink)


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
    endpoints.subscribe(OdometryMessage, ODOMETRY_TOPIC, hear_odometry(sink).hear, profile(), required=True)
    kind = twist_type(stamped=base.stamped_input)
    for heard in sources:
        if CommandKind.CMD_VEL in heard.source.commands:
            hear = partial(heard.hear_twist, frame=None if base.stamped_input else frame)
            topic = f"~/sources/{heard.source.name}/cmd_vel"
            endpoints.subscribe(kind, topic, hear, profile(), source=heard.source.name)
