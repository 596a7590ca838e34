"""Frames between the control process and its goal gate, as MessagePack. Both ends share this file."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from safety_supervisor.ros.goal_tolerance import Tolerance


class GateSettings(msgspec.Struct, frozen=True):
    """What the gate offers for one source."""

    source: str
    action: str
    """Fully qualified name of the action."""
    lease: int
    """[ns]; 0: liveliness was waived in words."""
    max_bytes: int
    """Longest trajectory message."""


class _Frame(msgspec.Struct, frozen=True, tag=True):
    """Base of all frames."""


class Ready(_Frame, frozen=True):
    """The gate serves."""


class GoalReceived(_Frame, frozen=True):
    """A goal whose client is alive."""

    source: str
    goal: str
    """UUID, its correlation id."""
    data: bytes
    """trajectory_msgs/JointTrajectory, serialised."""
    joints: tuple[str, ...]
    clock: int
    """ROS clock at receipt, [ns]."""
    received: int
    """Steady clock, [ns]."""
    path: tuple[Tolerance, ...]
    end: tuple[Tolerance, ...]
    end_time: int
    """`goal_time_tolerance`, [ns]; 0: ours."""


class GoalRefused(_Frame, frozen=True):
    """A goal that is not fit to be judged."""

    source: str
    goal: str
    code: str
    value: float
    limit: float
    detail: str


class CancelRequested(_Frame, frozen=True):
    """Somebody cancels a goal."""

    source: str
    goal: str


class Proof(_Frame, frozen=True):
    """The source's action client was alive."""

    source: str
    at: int
    """Steady clock, [ns]."""


class Began(_Frame, frozen=True):
    """A goal was accepted by the core."""

    source: str
    goal: str


class Progress(_Frame, frozen=True):
    """Where a goal's joints are to be and where they are; one value a joint, in the goal's order."""

    source: str
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

    source: str
    goal: str
    outcome: Literal["succeeded", "aborted", "canceled"]
    error_code: int
    error_string: str


FromGate: TypeAlias = Ready | GoalReceived | GoalRefused | CancelRequested | Proof
ToGate: TypeAlias = Began | Progress | Ended
