"""Trajectories: splines between points, sampled at the control cycles, with a stop that stays on the path.

Interpolation is that of ros2_control's joint_trajectory_controller: linear between positions, cubic with velocities,
quintic with accelerations; before the first point from the present commanded state. Because play-out time advances
exactly one control period per cycle, every set-point of the run is known when the trajectory is accepted.
"""

from __future__ import annotations

import copy
from math import comb
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.motion.path_stop import PathStop
from safety_supervisor.core.motion.segments import HERMITE, derivative_rows
from safety_supervisor.core.motion.stopping import BrakeProfile
from safety_supervisor.core.settings import JointLimits
from safety_supervisor.core.units import Matrix, Vector

LONGEST_PATH_STOP: Final = 1.0
"""A path stop that would last longer than this, [s], gives way to the straight stop."""

_GLIDE_SHARE: Final = 0.1  # share of the joint limits that the way back to the measured pose may use
_GLIDE_LEAST: Final = 0.5  # [s]

_CUBIC: Final = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [-3, -2, 3, -1], [2, 1, -2, 1]], dtype=float)


def _bernstein(degree: int) -> Matrix:
    """Return the matrix from power coefficients to Bernstein coefficients on [0, 1]."""
    result = np.zeros((degree + 1, degree + 1))
    for row in range(degree + 1):
        for power in range(row + 1):
            result[row, power] = comb(row, power) / comb(degree, power)
    return result


def _pieces(degree: int, count: int) -> Matrix:
    """Return the matrix from power coefficients on [0, 1] to the Bernstein coefficients of each of `count` equal parts.

    Part i has p((i + s) / n), s from 0 to 1, so sum over p of c_p C(p, q) i^(p - q) / n^p before s^q.
    """
    shifts = [
        [[comb(p, q) * float(i) ** (p - q) / count**p if p >= q else 0.0 for p in range(degree + 1)]
         for q in range(degree + 1)]
        for i in range(count)
    ]  # fmt: skip
    return np.concatenate([_bernstein(degree) @ np.array(shift) for shift in shifts])


_FIRST: Final = np.arange(1.0, 6.0)
_SECOND: Final = np.array([2.0, 6.0, 12.0, 20.0])
_MOST_PARTS: Final = 8
"""Of a segment, each bounded: as a whole, a motion from rest to rest in one is thought 2.7 times too fast."""
_SMOOTH: Final = 1e-9
"""Velocities that differ by no more, from rounding, are the same, [rad/s]."""
_PARTS: Final = 64
"""Of a trajectory, at most, unless it has more segments."""
_BERNSTEIN: Final = {
    (degree, count): _pieces(degree, count) for degree in (2, 3, 4) for count in range(1, _MOST_PARTS + 1)
}


class PlannedTrajectory:
    """A spline over the commanded joints, from time 0 to its last point; rests at the last point afterwards."""

    def __init__(
        self,
        begin: Matrix,
        times: Vector,
        positions: Matrix,
        velocities: Matrix | None,
        accelerations: Matrix | None,
    ) -> None:
        """Build the spline.

        Args:
            begin: commanded state at time 0, shape (3, k).
            times: of the points, all > 0 and increasing, shape (m,), [s].
            positions: shape (m, k), [rad].
            velocities: shape (m, k), [rad/s], or None.
            accelerations: shape (m, k), [rad/s^2], or None; only with velocities.
        """
        self._knots: Vector = np.concatenate(([0.0], times))
        q = np.concatenate((begin[:1], positions))
        spans = np.diff(self._knots)[:, None]
        self._coefficients = np.zeros((len(times), 6, q.shape[1]))
        c = self._coefficients
        if velocities is None:
            c[:, 0], c[:, 1] = q[:-1], q[1:] - q[:-1]
        elif accelerations is None:
            v = np.concatenate((begin[1:2], velocities))
            rows = np.stack([q[:-1], v[:-1] * spans, q[1:], v[1:] * spans], axis=1)
            c[:, :4] = np.einsum("ab,mbk->mak", _CUBIC, rows)
        else:
            v = np.concatenate((begin[1:2], velocities))
            a = np.concatenate((begin[2:3], accelerations))
            rows = np.stack([q[:-1], v[:-1] * spans, a[:-1] * spans**2, q[1:], v[1:] * spans, a[1:] * spans**2], axis=1)
            c[:] = np.einsum("ab,mbk->mak", HERMITE, rows)
        self.duration = float(times[-1])
        self._rest: Matrix = np.stack([positions[-1], np.zeros_like(positions[-1]), np.zeros_like(positions[-1])])
        self._profile: BrakeProfile | None = None
        self._bounds: list[Vector] = []
        self._jumps: list[Vector] = []

    def of(self, columns: NDArray[np.intp]) -> PlannedTrajectory:
        """Return the same motion of some of its joints."""
        part = copy.copy(self)
        part._coefficients = self._coefficients[:, :, columns]
        part._rest = self._rest[:, columns]
        return part

    def state(self, tau: float) -> Matrix:
        """Position, velocity, acceleration at time tau, shape (3, k)."""
        if tau >= self.duration:
            return self._rest
        index = max(0, int(np.searchsorted(self._knots, tau, side="right")) - 1)
        start = float(self._knots[index])
        span = float(self._knots[index + 1]) - start
        result: Matrix = derivative_rows((tau - start) / span, span) @ self._coefficients[index]
        return result

    def _place(self, taus: Vector, side: Literal["left", "right"] = "right") -> tuple[NDArray[np.intp], Vector, Matrix]:
        """Find the segment of each time, its span, and the powers of u = (tau - start) / span, shape (m, 6).

        At a knot that is the segment to its right, or to its left.
        """
        index = np.clip(np.searchsorted(self._knots, taus, side=side) - 1, 0, len(self._knots) - 2)
        start = self._knots[index]
        span = self._knots[index + 1] - start
        return index, span, np.vander(np.clip((taus - start) / span, 0.0, 1.0), 6, increasing=True)

    def positions_at(self, taus: Vector) -> Matrix:
        """Positions at many times, shape (len(taus), k)."""
        index, _, powers = self._place(taus)
        result: Matrix = np.einsum("mp,mpk->mk", powers, self._coefficients[index])
        result[taus >= self.duration] = self._rest[0]
        return result

    def states_at(self, taus: Vector) -> NDArray[np.float64]:
        """Position, velocity, acceleration at many times, shape (len(taus), 3, k)."""
        result = self._states(*self._place(taus))
        result[taus >= self.duration] = self._rest
        return result

    def states_before(self, taus: Vector) -> NDArray[np.float64]:
        """See `Path`."""
        result = self._states(*self._place(taus, "left"))
        result[taus > self.duration] = self._rest
        return result

    def knots_within(self, first: float, last: float) -> Vector:
        """See `Path`."""
        knots: Vector = self._knots[(self._knots > first) & (self._knots < last)]
        return knots

    def _states(self, index: NDArray[np.intp], span: Vector, powers: Matrix) -> NDArray[np.float64]:
        rows = np.zeros((len(index), 3, 6))
        rows[:, 0] = powers
        rows[:, 1, 1:] = powers[:, :5] * _FIRST / span[:, None]
        rows[:, 2, 2:] = powers[:, :4] * _SECOND / (span * span)[:, None]
        result: NDArray[np.float64] = np.einsum("mop,mpk->mok", rows, self._coefficients[index])
        return result

    def bound_derivative(self, order: int) -> None:
        """Bound the derivative of one order, 1 to 3, over the whole path; in that order, then `choose_path_stop`.

        The Bernstein coefficients of a polynomial enclose it, those of its parts more closely (G. Farin, Curves and
        Surfaces for CAGD, 4.4: the distance falls with the square of their length).
        """
        c = self._coefficients
        for degree in range(5, 5 - order, -1):
            c = c[:, 1:] * np.arange(1.0, degree + 1.0)[None, :, None]
        spans = np.diff(self._knots)[:, None, None]
        parts = max(1, min(_MOST_PARTS, _PARTS // len(c)))
        scaled = np.einsum("ab,mbk->mak", _BERNSTEIN[5 - order, parts], c) / spans**order
        # Behind the last point the robot rests.
        following = np.concatenate((scaled[1:, 0], np.zeros((1, scaled.shape[2]))))
        self._bounds.append(np.abs(scaled).max(axis=(0, 1)))
        self._jumps.append(np.abs(following - scaled[:, -1]).max(axis=0))

    @property
    def fastest(self) -> Vector:
        """Bound of each joint's |dq/dtau| over the whole path, shape (k,), [rad/s]; once order 1 is bounded."""
        return self._bounds[0]

    @property
    def hardest(self) -> Vector:
        """See `Path`; once order 2 is bounded."""
        return self._bounds[1]

    @property
    def smooth(self) -> bool:
        """See `Path`; once order 1 is bounded. Points with velocities make a path smooth, its end at rest included."""
        return bool((self._jumps[0] <= _SMOOTH).all())

    def choose_path_stop(self, limits: JointLimits, dt: float) -> None:
        """Find one braking profile that keeps the limits from every instant of the path, if there is one.

        With the path's largest |q'|, |q''|, |q'''| (Bernstein bounds, so true bounds), and jumps at the knots spread
        over one control period, a time-scaled motion keeps the limits when

            |q''| + |q'| peak <= acceleration,   |q'''| + 3 |q''| peak + |q'| peak / ramp <= jerk.

        Args:
            limits: of the commanded joints.
            dt: control period, [s].
        """
        # Knots that lie near each other add up inside one difference window.
        crowd = 1 + int(3.0 * dt / float(np.diff(self._knots).min()))
        first = self._bounds[0]
        second = self._bounds[1] + crowd * self._jumps[0] / dt
        third = self._bounds[2] + crowd * (self._jumps[1] / dt + 4.0 * self._jumps[0] / dt**2)
        moving = first > 1e-9
        if not moving.any() or (first > limits.velocity).any():
            return
        spare_acceleration = (limits.acceleration - second)[moving]
        if (spare_acceleration <= 0.0).any():
            return
        slowness = float((first[moving] / spare_acceleration).max())
        for _ in range(6):
            spare_jerk = (limits.jerk - third - 3.0 * second / slowness)[moving]
            if (spare_jerk > 0.0).all():
                profile = BrakeProfile.within(slowness, float((first[moving] / spare_jerk).max()))
                self._profile = profile if profile.duration <= LONGEST_PATH_STOP else None
                return
            slowness *= 1.5

    def stop_from(self, tau: float) -> PathStop | None:
        """Return the stop that stays on the path, or None where only the straight stop exists."""
        if self._profile is None or tau >= self.duration:
            return None
        return PathStop(self, tau, self._profile)


def glide_duration(way: Vector, limits: JointLimits) -> float:
    """Return how long a slow way from rest to rest takes, [s]; `way` is each joint's, shape (n,), [rad]."""
    # Quintic from rest to rest: peaks 1.875 d/T, 5.774 d/T^2, 60 d/T^3.
    return max(
        _GLIDE_LEAST,
        float((1.875 * way / (_GLIDE_SHARE * limits.velocity)).max()),
        float(np.sqrt(5.774 * way / (_GLIDE_SHARE * limits.acceleration)).max()),
        float(np.cbrt(60.0 * way / (_GLIDE_SHARE * limits.jerk)).max()),
    )


def limits_of(limits: JointLimits, indices: NDArray[np.intp]) -> JointLimits:
    """Return the limits of some joints."""
    return JointLimits(
        limits.lower[indices],
        limits.upper[indices],
        limits.velocity[indices],
        limits.acceleration[indices],
        limits.jerk[indices],
    )
