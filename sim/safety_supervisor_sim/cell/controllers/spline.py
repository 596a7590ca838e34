"""Trajectories and the splines between their points.

Linear by positions, cubic by positions and velocities, quintic by accelerations too; a field
counts only when both ends have it. Accelerations without velocities give position 0 between the
points: no branch of the real code handles them (`interpolate_between_points`), and the double
shows that danger instead of hiding it. Source: ros2_controllers (jazzy),
joint_trajectory_controller/doc/trajectory.rst, "Interpolation Method spline".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Point:
    """One way-point, fields of shape (n,) or empty, [rad], [rad/s], [rad/s^2]."""

    time_from_start_ns: int
    positions: Array
    velocities: Array
    accelerations: Array

    def reordered(self, order: list[int]) -> Point:
        """The point with entry `order[i]` of each field at i."""

        def taken(values: Array) -> Array:
            return values[order] if len(values) else values

        return Point(
            self.time_from_start_ns,
            taken(self.positions),
            taken(self.velocities),
            taken(self.accelerations),
        )


@dataclass(frozen=True)
class Trajectory:
    """A JointTrajectory message without ROS; stamp 0 means now, else it is ROS time."""

    joint_names: tuple[str, ...]
    points: tuple[Point, ...]
    stamp_ns: int = 0
    has_effort: bool = False


# Coefficients by v0, a0, p1 - p0, v1, a1 on the unit interval; the first one gets p0 besides.
_HERMITE = np.array(
    (
        (0.0, 0.0, 0.0, 0.0, 0.0),
        (1.0, 0.0, 0.0, 0.0, 0.0),
        (0.0, 0.5, 0.0, 0.0, 0.0),
        (-6.0, -1.5, 10.0, -4.0, 0.5),
        (8.0, 1.5, -15.0, 7.0, -1.0),
        (-3.0, -0.5, 6.0, -3.0, 0.5),
    )
)
_POWERS = np.arange(6.0)[:, None]


class Segment:
    """The spline from one point at `start_ns` to another at `end_ns`."""

    def __init__(self, start_ns: int, start: Point, end_ns: int, end: Point) -> None:
        self._start_ns = start_ns
        span = (end_ns - start_ns) * 1e-9
        p0, p1 = start.positions, end.positions
        has_velocity = len(start.velocities) > 0 and len(end.velocities) > 0
        has_acceleration = len(start.accelerations) > 0 and len(end.accelerations) > 0
        if has_acceleration and not has_velocity:
            rows = [np.zeros_like(p0)]
        elif span <= 0.0:
            rows = [p0]
        elif not has_velocity:
            rows = [p0, (p1 - p0) / span]
        else:
            v0, v1, step = start.velocities * span, end.velocities * span, p1 - p0
            if has_acceleration:
                # Hermite form on the unit interval, then scaled to time.
                square = span * span
                state = np.array((v0, start.accelerations * square, step, v1, end.accelerations * square))
                table = _HERMITE @ state
                table[0] += p0
                self._coefficients = table / span**_POWERS
                return
            rows = [p0, v0, 3.0 * step - 2.0 * v0 - v1, v0 + v1 - 2.0 * step]
            rows = [row / span**power for power, row in enumerate(rows)]
        self._coefficients = np.array(rows)

    def at(self, time_ns: int) -> tuple[Array, Array, Array]:
        """Position, velocity, acceleration at a time inside the segment, each (n,)."""
        t = max(0, time_ns - self._start_ns) * 1e-9
        t2, t3 = t * t, t * t * t
        t4, t5 = t2 * t2, t2 * t3
        basis = np.array(
            (
                (1.0, t, t2, t3, t4, t5),
                (0.0, 1.0, 2.0 * t, 3.0 * t2, 4.0 * t3, 5.0 * t4),
                (0.0, 0.0, 2.0, 6.0 * t, 12.0 * t2, 20.0 * t3),
            )
        )
        p, v, a = basis[:, : len(self._coefficients)] @ self._coefficients
        return p, v, a
