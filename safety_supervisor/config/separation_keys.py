"""Keys of the section `separation`."""

from __future__ import annotations

from safety_supervisor.config.keys import Section, key


class SeparationKeys(Section):
    """People are kept at the distance S of ISO/TS 15066, 5.5.4; `separation: null`, or none, watches no people.

    Body points come on `~/humans` (geometry_msgs/PoseArray, in the base frame, stamped), from exactly one publisher. An
    empty list is nobody; silence, another frame, a bad stamp or a number that is not finite is a person everywhere.
    """

    max_points: int = key("points of a message; more are refused", "", 32, ge=1, le=50)
    max_bytes: int = key("a longer message is refused undecoded", "bytes", 8192, ge=256, le=65_536)
    latency: float = key(
        "longest time from what the sensors saw to the receipt of the message; a stamp can only say more",
        "s",
        ge=0.0,
        le=0.5,
    )
    timeout: float = key("perception that is older stops the robot", "s", gt=0.0, le=1.0)
    walking_speed: float = key("speed that is assumed of every point", "m/s", 1.6, ge=1.6, le=10.0)
    intrusion: float = key("C: how far a body reaches before it is perceived", "m", ge=0.0, le=2.0)
    sensor_uncertainty: float = key("Zd: how far a point may be told from where it is", "m", ge=0.0, le=1.0)
    body_radius: float = key("how far the body reaches around each point", "m", ge=0.0, le=2.0)
