"""What the core needs to know of a base that moves: its gate, its odometry, its topics."""

from __future__ import annotations

from dataclasses import dataclass

from safety_supervisor.core.base.gate import BaseGateSettings
from safety_supervisor.core.units import Nanoseconds


@dataclass(frozen=True)
class OdometrySettings:
    """Who tells where the base is, and what is believed."""

    node: str
    """The only node that may publish `odom`."""
    frame: str
    """`header.frame_id`: the frame of the fence."""
    latency: Nanoseconds
    """Longest time from being somewhere to the receipt of the message."""
    jump: float
    """Beyond what the greatest speed covers, a pose may differ from the one before by this, [m]."""
    turn_jump: float
    """The same of the heading, [rad]."""
    rest: float
    """Movement within `timing.standstill_window` that still counts as rest, [m]."""
    turn_rest: float
    """[rad]"""
    uncertainty: float | None = None
    """How far any point of the robot may be from where the pose puts it, [m]; None: no zone stands in `frame`."""
    anchor_distance: float = 0.02
    """World bodies are placed anew when the base has moved so far, [m]."""
    anchor_turn: float = 0.02
    """The same of the heading, [rad]."""


@dataclass(frozen=True)
class BaseSettings:
    """A base that sources may drive."""

    gate: BaseGateSettings
    slow_speed: float
    """Greatest speed in MANUAL and AUTO/REDUCED, [m/s]."""
    odometry: OdometrySettings
    output_topic: str
    stamped_input: bool
    """Whether sources send TwistStamped; else Twist, which names no frame and no time."""
    stamped_output: bool
