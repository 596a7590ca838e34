"""One stop, and the ways to it: the same acts on the real robot and in the rehearsal."""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np

from safety_supervisor.commission.motion import Point, cruise, to_pose
from safety_supervisor.commission.recording import Recording
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import Vector, seconds

SLOW: Final = 0.2
"""Share of the speed limits on the way to a pose and back."""
PATIENCE: Final = 3.0
"""Until a motion that was sent is judged and begins, [s]."""
HERE: Final = 1e-3
"""A robot that is so near is there, [rad]."""
ARMED: Final = ("AUTO/MOVING", "AUTO/HOLDING", "AUTO/REDUCED")


class RefusedError(RuntimeError):
    """The supervisor refused a motion, or stopped it for a cause of its own; what it said."""

    def __init__(self, code: str, message: str) -> None:
        """Keep the code; empty where there is none."""
        super().__init__(f"{code} {message}".strip())
        self.code = code


class Robot(Protocol):
    """A robot behind a supervisor, real or rehearsed."""

    def now(self) -> float:
        """Its time, [s]."""

    def wait(self, until: float) -> None:
        """Let time pass."""

    def commanded(self) -> Vector:
        """Where the set-point of the resting robot is, shape (n,), [rad]."""

    def arm(self) -> None:
        """Bring the supervisor from LOCKED to AUTO; RefusedError where it does not go there."""

    def send(self, points: tuple[Point, ...]) -> None:
        """Send a trajectory of the source's joints; the supervisor judges it whole, then plays it."""

    def refused(self) -> RefusedError | None:
        """What the supervisor said against the motion since the last call."""

    def request_stop(self) -> None:
        """Ask for a protective stop, as `~/stop` does."""

    def state(self) -> str:
        """State of the supervisor."""

    def rest(self) -> None:
        """Wait until a stop has ended; RefusedError where it ended elsewhere than it should."""

    def begin_recording(self) -> None:
        """Forget what was recorded, and record."""

    def take_recording(self, requested: float, cruise: Vector) -> Recording:
        """Return what was recorded."""


class Runner:
    """Moves a robot for measurements.

    Args:
        configuration: of the robot.
        robot: that is moved.
    """

    def __init__(self, configuration: Configuration, robot: Robot) -> None:
        """Begin at rest."""
        self._limits = configuration.envelope.joints
        self._settle = seconds(configuration.tracking.delay) + 0.1
        self._robot = robot

    def go(self, pose: Vector) -> None:
        """Go to a pose, shape (n,), slowly and straight.

        Raises:
            RefusedError: the supervisor refused the way.
        """
        here = self._arm()
        if np.abs(pose - here).max() < HERE:
            return
        points = to_pose(here, pose, self._limits, SLOW)
        begun = self._begin(points)
        self._wait(begun + points[-1].time + self._settle)

    def stop(self, velocity: Vector) -> Recording:
        """Move up to a velocity, shape (n,), [rad/s], ask for a stop in mid-motion, and record it.

        Raises:
            RefusedError: the supervisor refused the motion, or stopped for another cause.
        """
        robot = self._robot
        motion = cruise(self._arm(), velocity, self._limits)
        robot.begin_recording()
        begun = self._begin(motion.points)
        self._wait(begun + motion.asked)
        requested = robot.now()
        robot.request_stop()
        robot.rest()
        return robot.take_recording(requested, velocity)

    def _arm(self) -> Vector:
        """Return where the resting robot is commanded to be, the supervisor armed."""
        if self._robot.state() not in ARMED:
            self._robot.arm()
        return self._robot.commanded()

    def _begin(self, points: tuple[Point, ...]) -> float:
        """Send a trajectory; return when it began to move."""
        robot = self._robot
        robot.refused()  # what was said before is of another motion
        robot.send(points)
        ends = robot.now() + PATIENCE
        while robot.state() != "AUTO/MOVING":
            self._wait(robot.now() + 0.004)
            if robot.now() > ends:
                raise RefusedError("", f"the motion did not begin within {PATIENCE:g} s")
        return robot.now()

    def _wait(self, until: float) -> None:
        while (now := self._robot.now()) < until:
            self._robot.wait(min(until, now + 0.02))
            refusal = self._robot.refused()
            if refusal is not None:
                raise refusal
