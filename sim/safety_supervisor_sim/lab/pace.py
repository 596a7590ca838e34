"""Motions as fast as is allowed: joint limits, and the speed of every point of a link."""

from __future__ import annotations

from typing import Final

import numpy as np

from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.settings import Configuration
from safety_supervisor_sim.agent.motions import PEAK_VELOCITY, PointToPoint, shortest_duration
from safety_supervisor_sim.oracle.world import Array

_SAMPLES: Final = 33
_JOINT_SHARE: Final = 0.93
"""Of the joint limits at full pace: a stream's velocities and accelerations are differences of its set-points."""
_FRAME_SHARE: Final = 0.97


class Pace:
    """Times motions. The kinematics are the supervisor's: this drives it, and judges nothing."""

    def __init__(self, configuration: Configuration) -> None:
        """Prepare for a robot."""
        self._model = RobotModel(configuration.robot, configuration.geometry.volumes)
        self._limits = configuration.envelope.joints
        self._frame_speed = configuration.envelope.frame_speed

    def straight(self, start: Array, goal: Array, pace: float) -> PointToPoint:
        """Return the motion from rest to rest at a pace, where 1 is the fastest that is allowed."""
        limits, share = self._limits, _JOINT_SHARE
        duration = shortest_duration(
            goal - start, share * limits.velocity, share * limits.acceleration, share * limits.jerk
        )
        if self._frame_speed is not None:
            ways = start + (goal - start) * blend(np.linspace(0.0, 1.0, _SAMPLES))[:, None]
            duration = max(duration, self._fastest_point(ways) / (_FRAME_SHARE * self._frame_speed))
        return PointToPoint(start, goal, max(duration / pace, 0.05))

    def lasting(self, rows: Array, share: float) -> float:
        """Return how long a motion has to last that takes a share of all limits, of velocity to jerk, [s].

        Args:
            rows: its poses at even times, from rest to rest, dense enough for differences, shape (m, n), [rad].
            share: above 0, to 1.
        """
        limits, duration = self._limits, 0.0
        for order, limit in enumerate((limits.velocity, limits.acceleration, limits.jerk), start=1):
            most = np.abs(np.diff(rows, order, axis=0)).max(axis=0) * (len(rows) - 1) ** order
            duration = max(duration, float((most / (share * _JOINT_SHARE * limit)).max()) ** (1 / order))
        if self._frame_speed is not None:
            duration = max(duration, self._fastest_point(rows) / (share * _FRAME_SHARE * self._frame_speed))
        return max(duration, 0.05)

    def _fastest_point(self, rows: Array) -> float:
        """Return the greatest speed of a point of a link, for poses at even times in 1 s, [m/s]."""
        points = np.array([self._model.frame_positions(row) for row in rows])
        travel = np.sqrt(np.square(np.diff(points, axis=0)).sum(axis=2)).max()
        return float(travel) * (len(rows) - 1)

    def cruise(self, pose: Array, direction: Array, pace: float) -> Array:
        """Return the velocity along a direction at a pace, from a pose, shape (n,), [rad/s]."""
        limits = self._limits
        velocity: Array = direction * float(
            (_JOINT_SHARE * limits.velocity / np.maximum(np.abs(direction), 1e-9)).min()
        )
        if self._frame_speed is not None:
            dt = 1e-3
            before = self._model.frame_positions(pose)
            after = self._model.frame_positions(pose + velocity * dt)
            speed = float(np.sqrt(np.square(after - before).sum(axis=1)).max()) / dt
            velocity *= min(1.0, _FRAME_SHARE * self._frame_speed / max(speed, 1e-9))
        return velocity * pace

    def shares(self, acceleration: float, jerk: float) -> tuple[Array, Array]:
        """Return shares of the acceleration and jerk limits, shape (n,) each, [rad/s^2], [rad/s^3]."""
        return acceleration * self._limits.acceleration, jerk * self._limits.jerk

    def ramp(self, velocity: Array) -> float:
        """Return the time in which a velocity, shape (n,), can be reached from rest, [s]."""
        limits = self._limits
        # The blend of `Cruise` has its greatest acceleration at 2.19 times the mean, its jerk at 7.6 times.
        times = [PEAK_VELOCITY * np.abs(velocity) / limits.acceleration, np.sqrt(8.0 * np.abs(velocity) / limits.jerk)]
        return max(0.05, 1.1 * float(np.max(times)))


def blend(u: Array) -> Array:
    """Return the share of the way of `PointToPoint` at shares of its duration."""
    return u**4 * (35.0 + u * (-84.0 + u * (70.0 - 20.0 * u)))
