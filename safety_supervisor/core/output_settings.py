"""The ways to the motors, and joints that go another way: the sections `output`, `outputs` and `observed`, frozen."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from safety_supervisor.core.units import Nanoseconds, Vector

VELOCITY_SHARE: Final = 1.25
"""Measured velocities may pass a limit by this factor: tracking transients and noise are no overspeed."""


class OutputType(str, Enum):
    """How set-points leave the supervisor."""

    JOINT_TRAJECTORY_HORIZON = "joint_trajectory_horizon"
    JOINT_POSITION = "joint_position"
    JOINT_VELOCITY = "joint_velocity"
    JOINT_STATE = "joint_state"


class OnLoss(str, Enum):
    """What the robot does when the supervisor is gone and its deadman has run out."""

    BRAKE = "brake"
    HOLD = "hold"
    COAST = "coast"


@dataclass(frozen=True)
class OutputSettings:
    """The only way to the motors of its joints."""

    type: OutputType
    topic: str
    simulated: bool
    on_loss: OnLoss
    deadman: Nanoseconds | None
    """After this much silence the receiver acts by `on_loss`; None: it has no deadman."""
    name: str = ""
    """Key in `outputs`; empty where the one section `output` stands."""
    groups: tuple[str, ...] = ()
    """Joint groups that it carries."""
    joints: tuple[int, ...] = ()
    """Their joints, ascending: indices into `robot.joints`; the order of its messages."""


@dataclass(frozen=True)
class ObservedSettings:
    """Joints that another controller commands: measured and reckoned with, never commanded. Arrays shape (n,).

    While what is commanded moves, each stays within `band` of where it was when the motion began; beyond that, or
    faster, is a stop. Until that stop has ended it can have gone no farther than `beside`.
    """

    groups: tuple[str, ...]
    joints: tuple[int, ...]
    """Ascending indices into `robot.joints`."""
    band: Vector
    """[rad] or [m]; 0 for joints that are commanded."""
    velocity: Vector
    """Greatest speed meanwhile, [rad/s]; 0 for joints that are commanded."""
    beside: Vector
    """How far each can be from where it was when the motion began, until what is commanded rests, [rad]; part of
    `tracking.path_error`, so that every distance is kept for all of it. 0 for joints that are commanded."""
