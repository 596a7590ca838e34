"""The section `base`: a base that sources may drive by `cmd_vel`, where it may be, and who tells where it is."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from safety_supervisor.config.keys import RosName, Section, UrdfName, key

_Coordinate = Annotated[float, Field(ge=-10_000.0, le=10_000.0)]
Corner = Annotated[list[_Coordinate], Field(min_length=2, max_length=2)]
Polygon = Annotated[list[Corner], Field(min_length=3, max_length=32)]


class OdometryKeys(Section):
    """Who tells where the base is, on `odom` (nav_msgs/Odometry), and what is believed of it."""

    node: RosName = key("fully qualified name of the only node that may publish `odom`")
    frame: UrdfName = key("`header.frame_id` of the messages: the frame of the fence, which does not move")
    latency: float = key(
        "longest time from being somewhere to the receipt of the message; a stamp can only say more",
        "s",
        ge=0.0,
        le=0.5,
    )
    timeout: float = key("a pose that is older stops base and robot", "s", gt=0.0, le=0.5)
    jump: float = key(
        "a pose may differ from the one before, and from that half a second ago, by this, beyond what the speed that "
        "was sent covers, or the greatest one where no source drives; more is a stop",
        "m",
        gt=0.0,
        le=0.5,
    )
    turn_jump: float = key("the same of the heading", "rad", gt=0.0, le=0.5)
    rest: float = key("movement within `timing.standstill_window` that still counts as rest", "m", gt=0.0, le=0.1)
    turn_rest: float = key("the same of the heading", "rad", gt=0.0, le=0.2)
    uncertainty: float | None = key(
        "how far any point of the robot may be from where the pose puts it, tilt and a push included; mandatory with "
        "zones of `frame: world`",
        "m",
        None,
        gt=0.0,
        le=0.5,
    )
    anchor_distance: float = key(
        "zones of the world are placed anew when the base has moved by this since; it is added to their margins",
        "m",
        0.02,
        gt=0.0,
        le=0.2,
    )
    anchor_turn: float = key("the same of the heading; times `radius` it is added", "rad", 0.02, gt=0.0, le=0.2)


class FenceKeys(Section):
    """Where the whole footprint stays, its stop included; polygons in `odometry.frame`."""

    keep_in: Polygon = key("corners of a convex polygon, in their order around it", "m")
    keep_out: list[Polygon] = key("convex polygons that it stays out of", "m", [], max_length=32)


class BaseDeadmanKeys(Section):
    """The base's own watchdog of its velocity topic."""

    time: float = key(
        "silence after which the base brakes by itself, at `base.acceleration` or more", "s", gt=0.0, le=1.0
    )
    tested: str = key("how and when that was tested on this base, in words", min_length=10, max_length=500)


class BaseKeys(Section):
    """A wheeled or walking base, driven by `~/sources/NAME/cmd_vel`; `base: null`, or none, drives nothing.

    Its frame is `robot.base_frame`, z up: that of commands, of `child_frame_id` of the odometry and of the points of
    people. A command is sent on only when its motion, followed by a full stop, keeps the footprint inside the fence
    and, with `separation`, away from people; it is slowed down along its own arc where less is verified.
    """

    speed: float = key("greatest speed", "m/s", gt=0.0, le=5.0)
    slow_speed: float = key("the same in MANUAL and AUTO/REDUCED", "m/s", 0.25, gt=0.0, le=0.25)
    turning: float = key("greatest speed of turning", "rad/s", gt=0.0, le=10.0)
    acceleration: float = key("of every change of velocity, also of the stop", "m/s^2", gt=0.0, le=20.0)
    turning_acceleration: float = key("the same of turning", "rad/s^2", gt=0.0, le=50.0)
    sideways: bool = key("whether the base can move to its side; else such a command is refused")
    reaction: float = key(
        "longest time from a twist that is sent until the base follows it; overrun and deadman are added to it",
        "s",
        gt=0.0,
        le=1.0,
    )
    command_timeout: float = key("without a command for this long the base stops", "s", ge=0.02, le=1.0)
    radius: float = key(
        "of a circle about the origin of the base's frame that holds the robot, arms stretched out", "m", gt=0.0, le=5.0
    )
    margin: float = key("distance to keep beside: what odometry, following and slip take", "m", ge=0.0, le=2.0)
    fence: FenceKeys = key("where it may be")
    odometry: OdometryKeys = key("where it is")
    output_topic: RosName | None = key(
        "topic of the base's driver; nothing else may publish there; null: `~/cmd_vel_out`", "", None
    )
    input_type: Literal["TwistStamped", "Twist"] = key(
        "message type of `cmd_vel`; a Twist names no frame and no time, and is taken for one of the base's frame, now",
        "",
        "TwistStamped",
    )
    output_type: Literal["TwistStamped", "Twist"] = key("message type of the output", "", "TwistStamped")
    deadman: BaseDeadmanKeys = key("mandatory: a base that holds the last velocity for ever has no stop")
