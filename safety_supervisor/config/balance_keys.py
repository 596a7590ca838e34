"""The section `balance`: what a robot stands on, and who tells that it does."""

from __future__ import annotations

from typing import Literal

from safety_supervisor.config.keys import Point, RosName, Section, UrdfName, key


class SoleKeys(Section):
    """What a foot stands on, and who tells whether it bears."""

    corners: list[Point] = key(
        "corners of the sole in the foot's frame, in one plane; their hull counts", "m", min_length=3, max_length=32
    )
    normal: Point = key("from the ground into the foot, at a right angle to the sole, of length 1")
    contact_topic: RosName = key(
        "geometry_msgs/WrenchStamped, stamped: the force of the ground on this foot, in the foot's frame, which "
        "`header.frame_id` names; from exactly one publisher"
    )
    bearing_force: float = key("the foot bears from this force along the normal on", "N", gt=0.0, le=10_000.0)


class BalanceKeys(Section):
    """Zero-moment point and capture point stay in the support polygon of the soles that bear; null, or none: no legs.

    For a robot that stands: a foot that is lifted leaves the polygon at once, and nothing here plans a step. Unknown is
    never balanced: silence, a foot of unknown contact, a base of unknown orientation stop the robot, and nothing moves
    it, not even RECOVERY. Every step is judged with the full stop behind it when its time has come; a trajectory is not
    judged as a whole when it is accepted.
    """

    soles: dict[UrdfName, SoleKeys] = key("link of a foot to its sole", min_length=1, max_length=8)
    margin: float = key(
        "distance that both points keep from the edge of the polygon in whatever is commanded; holds tracking errors "
        "and what the formulas leave out, measured at commissioning; a measured capture point with less than half of "
        "it left is a stop",
        "m",
        gt=0.0,
        le=0.5,
    )
    contact_timeout: float = key("a contact that was told longer ago is unknown", "s", gt=0.0, le=0.5)
    base_timeout: float = key("a base pose that was told longer ago is unknown", "s", gt=0.0, le=0.5)
    up: Literal["imu", "odom"] = key(
        "which input tells how the base lies against gravity; this version reads `imu` only"
    )
    imu_topic: RosName = key(
        "sensor_msgs/Imu, stamped, with orientation and angular velocity, from exactly one publisher"
    )
    imu_link: UrdfName = key("link, fixed to the base, in whose frame the IMU tells; `header.frame_id` names it")
    tilt: float = key(
        "greatest angle between up and the normal of a sole that bears: more, and it does not lie on the ground",
        "rad",
        gt=0.0,
        le=0.3,
    )
    slip: float = key(
        "how far a bearing foot may come to be from where it was, seen from another one: joint play, soft soles",
        "m",
        gt=0.0,
        le=0.05,
    )
    gravity: float = key("strength of gravity", "m/s^2", 9.81, ge=9.76, le=9.84)
