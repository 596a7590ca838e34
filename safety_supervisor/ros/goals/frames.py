"""Frames between the control process and the goal gate of one source, as MessagePack. Both ends share this file.

No frame names a source: each source has a gate and a pipe of its own, so that no gate can speak for another source.
"""

from __future__ import annotations

import uuid
from typing import Final, Literal, TypeAlias

import msgspec

from safety_supervisor.ros.goals.tolerance import Tolerance

GOAL: Final = "goal/"
"""Begins the correlation id of each goal. No header can spell it: `cid:` takes no `/` (core/intake/intake.py)."""


def name_goal(goal_id: bytes) -> str:
    """Return the correlation id of a goal from its 16 bytes."""
    return f"{GOAL}{uuid.UUID(bytes=goal_id)}"


class GateSettings(msgspec.Struct, frozen=True):
    """What a gate offers for its source."""

    action: str
    """Fully qualified name of the action."""
    lease: int
    """[ns]; 0: liveliness was waived in words."""
    max_bytes: int
    """Longest trajectory message."""
    max_joints: int
    """Joints of the robot; a trajectory of more is refused before the control process reads their names."""


class _Frame(msgspec.Struct, frozen=True, tag=True):
    """Base of all frames."""


class Ready(_Frame, frozen=True):
    """The gate serves."""


class GoalReceived(_Frame, frozen=True):
    """A goal whose client is alive."""

    goal: str
    """Its correlation id."""
    data: bytes
    """trajectory_msgs/JointTrajectory, serialised."""
    joints: tuple[str, ...]
    clock: int
    """ROS clock when it was taken, [ns]: what its stamp is compared with."""
    received: int
    """Steady clock, [ns]: not later than its arrival."""
    path: tuple[Tolerance, ...]
    end: tuple[Tolerance, ...]
    end_time: int
    """`goal_time_tolerance`, [ns]; 0: ours."""


class GoalRefused(_Frame, frozen=True):
    """A goal that is not fit to be judged."""

    goal: str
    code: str
    value: float
    limit: float
    detail: str


class CancelRequested(_Frame, frozen=True):
    """Somebody cancels a goal."""

    goal: str


class Proof(_Frame, frozen=True):
    """The action's client was alive."""

    at: int
    """Steady clock, [ns]."""


class Serving(_Frame, frozen=True):
    """The gate serves its goals: said at each beat where no client's life is asked."""


class Began(_Frame, frozen=True):
    """A goal was accepted by the core."""

    goal: str


class Progress(_Frame, frozen=True):
    """Where a goal's joints are to be and where they are; one value a joint, in the goal's order."""

    goal: str
    clock: int
    """ROS clock, [ns]."""
    joints: tuple[str, ...]
    desired: tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]
    """Positions, velocities, accelerations that were commanded."""
    actual: tuple[tuple[float, ...], tuple[float, ...]]
    """Positions and velocities that were measured; no velocities where the driver tells none."""


class Ended(_Frame, frozen=True):
    """A goal's end."""

    goal: str
    outcome: Literal["succeeded", "aborted", "canceled"]
    error_code: int
    error_string: str


FromGate: TypeAlias = Ready | GoalReceived | GoalRefused | CancelRequested | Proof | Serving
ToGate: TypeAlias = Began | Progress | Ended
