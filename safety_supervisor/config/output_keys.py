"""Keys of the sections `output`, `outputs` and `observed`."""

from __future__ import annotations

from typing import Literal

from safety_supervisor.config.keys import Name, RosName, Section, key


class DeadmanKeys(Section):
    """The receiver's own watchdog."""

    time: float = key("silence after which the receiver acts by `on_loss`", "s", gt=0.0, le=1.0)
    tested: str = key("how and when that was tested on this robot, in words", min_length=10, max_length=500)


class OutputKeys(Section):
    """The only way to the motors, and what happens without the supervisor. `outputs` stands in its place where several
    controllers share the robot.
    """

    type: Literal["joint_trajectory_horizon", "joint_position", "joint_velocity", "joint_state"] = key(
        "how set-points leave; the horizon carries the whole kept stop with every step"
    )
    topic: RosName = key("topic of the controller or driver; nothing else may publish there")
    simulated: bool = key("true only when no motor hangs on this output", "", False)
    on_loss: Literal["brake", "hold", "coast"] = key(
        "what the robot does when the supervisor is gone; declared by the integrator"
    )
    deadman: DeadmanKeys | None = key(
        "mandatory for `joint_velocity` and `joint_state`; null: the receiver has none", "", None
    )


class GroupOutputKeys(OutputKeys):
    """One controller of several: it is sent the joints of its groups, in the order of `robot.joints`, and no others.

    Each group is carried by exactly one output, or is `observed`. Stops go to all of them in the same cycle, and one
    that can not be sent keeps none of the others back. All are `joint_trajectory_horizon`, or none is.
    """

    groups: list[Name] = key("joint groups that it carries", min_length=1, max_length=20)


class ObservedKeys(Section):
    """A joint group that another controller commands, such as legs that the maker's controller moves: it is measured
    and reckoned with, and no output carries it. No source may have it.

    Whenever nothing is commanded, it may move as it likes; commands are refused meanwhile. From the beginning of a
    motion to its end each joint stays within `band` of where it was, and no faster than `velocity`: more is a stop. How
    far it can then go until that stop has ended, by `velocity`, is kept as distance, at every pose.
    """

    band: float = key("how far each joint may go while what is commanded moves", "rad or m", gt=0.0, le=1.0)
    velocity: float = key(
        "how fast at most meanwhile; declared for its controller, and measured", "rad/s or m/s", gt=0.0, le=10.0
    )
