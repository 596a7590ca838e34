"""The section `balance`: what a robot stands on, and who tells that it does."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from safety_supervisor.config.keys import Point, RosName, Section, UrdfName, key

Position = Annotated[float, Field(ge=-100.0, le=100.0)]


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


class FallKeys(Section):
    """What shows that a robot falls; a capture point that left the soles by more than `balance.margin` does too."""

    tilt: float = key("angle of the base against gravity beyond which the robot falls", "rad", gt=0.0, le=1.5)
    rate: float = key(
        "angular velocity of the base about its horizontal axes beyond which it falls", "rad/s", gt=0.0, le=20.0
    )
    after: float = key(
        "how long it has to show: one wrong message of a sensor must not let a robot drop", "s", 0.04, ge=0.0, le=0.3
    )


class PostureKeys(Section):
    """A posture on the way down, from rest to rest."""

    duration: float = key("of the way to it", "s", gt=0.0, le=10.0)
    joints: dict[UrdfName, Position] = key(
        "joint to position; the others stay", "rad or m", min_length=1, max_length=100
    )


class LadderKeys(Section):
    """How a robot that falls when it goes limp is brought down by an emergency stop or a fault: [states](states.md)."""

    hold: float = key(
        "deadline of HOLD, from the cause on: the kept stop, its standstill, and the verification of `lower`", "s",
        gt=0.0, le=10.0,
    )  # fmt: skip
    lower: list[PostureKeys] = key(
        "postures by which it sits or kneels down; empty: it is held, then damped. Verified from `robot.start` at the "
        "configuration, and from where the robot is before it is commanded; the deadline of LOWER is their time, "
        "`tracking.delay`, `timing.standstill_window` and `timing.stop_allowance`", max_length=20,
    )  # fmt: skip
    damp: float = key("least time of DAMP; the robot has to come to rest in it", "s", gt=0.0, le=10.0)
    rest: float = key(
        "deadline of DAMP: a robot that moves for longer, or is not measured, is told `off` all the same, which is "
        "noted; open relays end it sooner", "s", 10.0, gt=0.0, le=120.0,
    )  # fmt: skip
    unknown: float = key(
        "balance that is unknown for longer than this, but for feet that all are in the air, goes down the ladder", "s",
        gt=0.0, le=60.0,
    )  # fmt: skip


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
        "how far a bearing foot may come to be from where it stood when the robot rested last, seen from another one",
        "m",
        gt=0.0,
        le=0.05,
    )
    gravity: float = key("strength of gravity", "m/s^2", 9.81, ge=9.76, le=9.84)
    balancing_joints: list[UrdfName] = key(
        "joints that a locomotion controller moves by itself to keep balance: a standstill is of the others", "", [],
        max_length=100,
    )  # fmt: skip
    fall: FallKeys | None = key("how a fall is told; stands beside `ladder`", "", None)
    ladder: LadderKeys | None = key("the stop ladder; null: every stop leaves the robot standing", "", None)
