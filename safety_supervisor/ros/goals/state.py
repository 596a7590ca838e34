"""What the control process remembers of an action goal, and the event that ends one."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import Enum, auto

from safety_supervisor.core.errors import Code
from safety_supervisor.core.events import TrajectoryCommand
from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.ros.goals.tolerance import Tolerance


class Phase(Enum):
    """How far a goal has come."""

    STRANGE = auto()  # waits for its client to be introduced
    JUDGED = auto()  # handed over, without a verdict yet
    ACCEPTED = auto()  # plays, or waits to begin
    SETTLING = auto()  # its trajectory has ended, the robot has to arrive


@dataclass
class Goal:
    """What is remembered of a goal until it ends."""

    joints: tuple[str, ...] = ()
    path: tuple[Tolerance, ...] = ()
    end: tuple[Tolerance, ...] = ()
    patience: Nanoseconds = 0
    """How long the robot may need to arrive, [ns]."""
    phase: Phase = Phase.JUDGED
    begun: bool = False
    """Whether it plays, or has played: until then set-points are not its own."""
    canceled: bool = False
    settle_by: Nanoseconds = 0
    """Steady clock, [ns]."""
    desired: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Joint to position and velocity at its end, [rad], [rad/s]."""
    excess: str = ""
    """Which path tolerance was passed, in words; empty for none."""


def end_trajectories(source: str, goal: str, now: Nanoseconds, code: Code) -> TrajectoryCommand:
    """Return the event that ends all of a source's trajectories in the kept stop, as an empty trajectory does.

    Args:
        source: whose trajectories.
        goal: correlation id of the goal for which they end.
        now: steady clock, [ns].
        code: why.
    """
    return TrajectoryCommand(
        at=now,
        source=source,
        names=(),
        times=(),
        positions=b"",
        position_counts=(),
        velocities=b"",
        velocity_counts=(),
        accelerations=b"",
        acceleration_counts=(),
        efforts=0,
        stamp=0,
        clock=time.time_ns(),
        frame_id="",
        body="",
        reason="" if code is Code.CANCELLED else code.value,
        command=goal,
    )
