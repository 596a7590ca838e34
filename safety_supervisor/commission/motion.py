"""The trajectories of a measurement, as splines of the points that are sent.

Between points with positions, velocities and accelerations a trajectory is quintic. From rest to rest that is the blend
10 u^3 - 15 u^4 + 6 u^5. Up to a steady speed v it is, over half the way that v would take, x = v T (u^3 - u^4 / 2): the
acceleration is the parabola 6 v / T u (1 - u), at most 1.5 v / T, and its slope at most 6 v / T^2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from safety_supervisor.core.motion.path_stop import PathStop
from safety_supervisor.core.motion.stopping import StopLimits, StraightStop
from safety_supervisor.core.motion.trajectory import PlannedTrajectory
from safety_supervisor.core.settings import Configuration, JointLimits
from safety_supervisor.core.units import Vector, seconds

_HARD: Final = 0.97
"""Share of acceleration and jerk on the way to a steady speed: short ramps leave room for the stop. A stop that stays
on the path has what the ramps leave, so that from all but slow motions the straight one runs, as hard as it may."""
_GENTLE: Final = 0.5
"""The same on the way to a pose."""
_BLEND_SPEED: Final = 1.875
_BLEND_ACCELERATION: Final = 10.0 / 3.0**0.5
STEADY: Final = 0.5
"""How long the steady speed lasts, unless a stop ends it, [s]."""
ASKED: Final = 0.25
"""When in that the stop is asked for, [s]."""


class Point(NamedTuple):
    """A point of a trajectory: when, [s] from its beginning, where and how fast, shapes (n,); accelerations are 0."""

    time: float
    positions: Vector
    velocities: Vector


@dataclass(frozen=True)
class Cruise:
    """From rest up to a steady velocity, and, unless it is stopped, back to rest.

    Attributes:
        start: shape (n,), [rad].
        velocity: shape (n,), [rad/s].
        ramp: time to it, and back, [s].
    """

    start: Vector
    velocity: Vector
    ramp: float

    @property
    def asked(self) -> float:
        """When the stop is asked for, [s] from the beginning."""
        return self.ramp + ASKED

    @property
    def way(self) -> Vector:
        """How far it has gone by then, shape (n,), [rad]."""
        return np.abs(self.velocity) * (0.5 * self.ramp + ASKED)

    @property
    def points(self) -> tuple[Point, ...]:
        """What is sent."""
        ramp, v, rest = self.ramp, self.velocity, np.zeros_like(self.velocity)
        steady = self.start + 0.5 * ramp * v
        return (
            Point(ramp, steady, v),
            Point(ramp + STEADY, steady + STEADY * v, v),
            Point(2.0 * ramp + STEADY, steady + (STEADY + 0.5 * ramp) * v, rest),
        )

    def stop(self, configuration: Configuration) -> PathStop | StraightStop:
        """Return the stop that the supervisor keeps for the steady motion: on the path where it may, else straight."""
        points = self.points
        rows = [np.array([getattr(point, name) for point in points]) for name in ("positions", "velocities")]
        rest = np.zeros_like(self.start)
        begin = np.stack([self.start, rest, rest])
        times = np.array([point.time for point in points])
        path = PlannedTrajectory(begin, times, rows[0], rows[1], np.zeros_like(rows[0]))
        for order in (1, 2, 3):
            path.bound_derivative(order)
        path.choose_path_stop(configuration.envelope.joints, seconds(configuration.timing.period))
        kept = path.stop_from(self.asked)
        if kept is not None:
            return kept
        return StraightStop(path.state(self.asked), StopLimits(configuration.envelope.joints))


def cruise(start: Vector, velocity: Vector, limits: JointLimits) -> Cruise:
    """Return the motion to a velocity, shape (n,), [rad/s]."""
    speed = np.abs(velocity)
    by_acceleration = float((1.5 * speed / (_HARD * limits.acceleration)).max())
    by_jerk = float(np.sqrt(6.0 * speed / (_HARD * limits.jerk)).max())
    return Cruise(start, velocity, max(by_acceleration, by_jerk))


def to_pose(start: Vector, end: Vector, limits: JointLimits, share: float) -> tuple[Point, ...]:
    """Return the trajectory from rest to rest in which no joint is faster than a share of its limit.

    Args:
        start, end: shapes (n,), [rad].
        limits: of the joints.
        share: of the velocity, above 0 to 1.
    """
    way = np.abs(end - start)
    by_speed = float((_BLEND_SPEED * way / (share * limits.velocity)).max())
    by_acceleration = float(np.sqrt(_BLEND_ACCELERATION * way / (share * _GENTLE * limits.acceleration)).max())
    return (Point(max(by_speed, by_acceleration, 0.3), end, np.zeros_like(end)),)
