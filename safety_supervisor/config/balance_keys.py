"""The section `balance`, as it is proposed: what a robot stands on, and who tells that it does.

No file may have it yet (`schema.NOT_ENFORCED`), since nothing enforces it before the verifier asks
`core/checks/balance.py`.
"""

from __future__ import annotations

from typing import Literal

from safety_supervisor.config.keys import Point, RosName, Section, UrdfName, key


class SoleKeys(Section):
    """What a foot stands on, and who tells whether it bears."""

    corners: list[Point] = key(
        "corners of the sole in the foot's frame, in one plane; their hull counts", "m", min_length=3, max_length=32
    )
    normal: Point = key("from the ground into the foot, at a right angle to the sole, of length 1")
    contact_topic: RosName = key("geometry_msgs/WrenchStamped of the force on this foot, from exactly one publisher")
    bearing_force: float = key("the foot bears from this force along the normal on", "N", gt=0.0, le=10_000.0)


class BalanceKeys(Section):
    """Zero-moment point and capture point stay in the support polygon of the soles that bear; null, or none: no legs.

    Unknown is never balanced: silence, a foot of unknown contact, a base of unknown pose stop the robot.
    """

    soles: dict[UrdfName, SoleKeys] = key("link of a foot to its sole", min_length=1, max_length=8)
    margin: float = key(
        "distance that both points keep from the edge of the polygon; holds tracking errors and what the "
        "formulas leave out, measured at commissioning",
        "m",
        gt=0.0,
        le=0.5,
    )
    contact_timeout: float = key("a contact that was told longer ago is unknown", "s", gt=0.0, le=0.5)
    base_timeout: float = key("a base pose that was told longer ago is unknown", "s", gt=0.0, le=0.5)
    up: Literal["imu", "odom"] = key("which of the two inputs tells how the base lies against gravity")
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
