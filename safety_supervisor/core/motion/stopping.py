"""The stop from a state: time, path, samples.

Two kinds of stop, both jerk-limited and in closed form:

- `StraightStop`: from any (q, v, a). First the acceleration fades to zero, each joint by the same share of time
  (at most a few milliseconds); then the robot brakes along the straight joint-space line of its velocity, all
  joints by one common profile.
- `PathStop` (`path_stop.py`): along a known path (a trajectory), by letting the path's own time run slower until it
  stands.

The common profile is sigma(t), the share of the speed that is left: an S-curve from 1 to 0 with |sigma'| <= peak and
|sigma''| <= peak / ramp. Its integral s(t) is the path time that is still used up; s(end) is half the duration.

Requirements: SR-025, SR-026. The profile is the double-S of Biagiotti and Melchiorri, Trajectory Planning for
Automatic Machines and Robots, 3.4, with zero cruise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.effects import HorizonPoint
from safety_supervisor.core.settings import JointLimits
from safety_supervisor.core.units import Matrix, Vector, nanoseconds

_TINY: Final = 1e-12


@dataclass(frozen=True, slots=True)
class BrakeProfile:
    """sigma(t): the share of speed left, from 1 to 0.

    Attributes:
        ramp: time over which the deceleration builds up and fades, [s].
        peak: greatest |sigma'|, [1/s].
        duration: time until sigma is 0, [s].
    """

    ramp: float
    peak: float
    duration: float

    @classmethod
    def within(cls, slowness: float, smoothness: float) -> BrakeProfile:
        """Return the quickest profile with |sigma'| <= 1 / slowness and |sigma''| <= 1 / smoothness.

        Args:
            slowness: largest speed over deceleration of any joint, [s].
            smoothness: largest speed over jerk of any joint, [s^2].
        """
        if slowness < _TINY and smoothness < _TINY * _TINY:
            return cls(0.0, 0.0, 0.0)
        if smoothness <= slowness * slowness:
            ramp = smoothness / slowness
            return cls(ramp, 1.0 / slowness, slowness + ramp)
        ramp = math.sqrt(smoothness)
        return cls(ramp, ramp / smoothness, 2.0 * ramp)

    def used(self, t: float) -> float:
        """Return s at time t alone, to the bit as `at` does."""
        if t >= self.duration:
            return 0.5 * self.duration
        if t <= 0.0:
            return t
        ramp, peak = self.ramp, self.peak
        if t < ramp:
            return t - peak / ramp * t**3 / 6.0
        left = self.duration - t
        if left < ramp:
            return 0.5 * self.duration - peak / ramp * left**3 / 6.0
        u = t - ramp
        return ramp - peak * ramp * ramp / 6.0 + (1.0 - peak * ramp / 2.0) * u - peak * u * u / 2.0

    def at(self, t: float) -> tuple[float, float, float]:
        """Return (s, sigma, sigma') at time t: path time used, share of speed left, its rate."""
        if t >= self.duration:
            return 0.5 * self.duration, 0.0, 0.0
        if t <= 0.0:
            return t, 1.0, 0.0
        s, ramp, peak = self.used(t), self.ramp, self.peak
        if t < ramp:
            slope = peak / ramp
            return s, 1.0 - slope * t * t / 2.0, -slope * t
        left = self.duration - t
        if left < ramp:
            slope = peak / ramp
            return s, slope * left * left / 2.0, -slope * left
        return s, 1.0 - peak * ramp / 2.0 - peak * (t - ramp), -peak


class Stop(Protocol):
    """A stop that was planned from one state; time 0 is that state."""

    @property
    def duration(self) -> float:
        """Time to standstill, [s]."""

    @property
    def end(self) -> Vector:
        """Position of rest, shape (n,), [rad]."""

    def state(self, t: float) -> Matrix:
        """Position, velocity, acceleration t seconds into the stop, shape (3, n)."""

    def positions(self, times: tuple[float, ...]) -> Matrix:
        """Positions at several times, shape (len(times), n)."""

    def ways(self, times: tuple[float, ...]) -> Matrix:
        """Bound each joint's way between consecutive times, shape (len(times) - 1, n), [rad]."""

    def horizon(self) -> tuple[HorizonPoint, ...]:
        """Points from which a spline controller rebuilds the stop; the last is at rest."""


class StopLimits:
    """Limits of a stop in the form that planning uses: their inverses as lists."""

    __slots__ = ("per_acceleration", "per_jerk")

    def __init__(self, limits: JointLimits) -> None:
        """Invert acceleration [s^2/rad] and jerk [s^3/rad]."""
        self.per_acceleration: list[float] = (1.0 / limits.acceleration).tolist()
        self.per_jerk: list[float] = (1.0 / limits.jerk).tolist()


class StraightStop:
    """The stop from any state: fade the acceleration, then brake along the line of the velocity.

    Planning is plain Python on lists: for up to some thirty joints that is faster than numpy's calls on short arrays.
    """

    __slots__ = ("_origin", "end_list", "fade", "profile", "top_velocity", "turning")

    def __init__(self, state: Matrix, limits: StopLimits) -> None:
        """Plan the stop.

        With a(t) = a0 (1 - t / fade) for fade = max |a0| / jerk, the velocity left is v1 = v0 + a0 fade / 2; then
        v(t) = v1 sigma(t).

        Args:
            state: position, velocity, acceleration, shape (3, n).
            limits: deceleration and jerk are the envelope's own.
        """
        self._origin = state
        position, velocity, acceleration = state.tolist()
        fade = 0.0
        for a, slow in zip(acceleration, limits.per_jerk, strict=True):
            needed = abs(a) * slow
            if needed > fade:  # never true for NaN, which stays visible in the velocities and the end
                fade = needed
        if fade <= _TINY:
            fade = 0.0
        self.fade = fade
        half_fade = 0.5 * fade
        rest = []
        slowness = smoothness = 0.0
        turning = False
        for v, a, per_acceleration, per_jerk in zip(
            velocity, acceleration, limits.per_acceleration, limits.per_jerk, strict=True
        ):
            w = v + a * half_fade
            rest.append(w)
            if v * w < 0.0:
                turning = True
            w = abs(w)
            if w * per_acceleration > slowness:
                slowness = w * per_acceleration
            if w * per_jerk > smoothness:
                smoothness = w * per_jerk
        self.top_velocity: list[float] = rest
        """Velocity at the end of the fade, the largest or the smallest of the stop, [rad/s]."""
        self.profile = BrakeProfile.within(slowness, smoothness)
        alpha, beta = self._weights(fade + self.profile.duration)
        self.end_list: list[float] = [
            q + alpha * v + beta * a for q, v, a in zip(position, velocity, acceleration, strict=True)
        ]
        self.turning = turning
        """Whether a joint turns round inside the fade, so that its extreme is not at an end."""

    @property
    def end(self) -> Vector:
        """Position of rest, shape (n,), [rad]."""
        return np.array(self.end_list)

    @property
    def duration(self) -> float:
        """Time to standstill, [s]."""
        return self.fade + self.profile.duration

    @property
    def travel(self) -> Vector:
        """Upper bound of each joint's way from the origin, shape (n,), [rad]."""
        return self.travel_to(self.end)

    def travel_to(self, end: Vector) -> Vector:
        """Return `travel` for a caller that has `end` already."""
        if not self.turning:
            return np.abs(end - self._origin[0])  # type: ignore[no-any-return]
        # The legs of the fade's control polygon are fade / 3 times v0, v1, v1.
        third, half = self.fade / 3.0, 0.5 * self.profile.duration
        both: list[tuple[float, float]] = list(zip(self._origin[1].tolist(), self.top_velocity, strict=True))
        bound: Vector = np.array([third * (abs(v) + 2.0 * abs(w)) + half * abs(w) for v, w in both])
        return bound

    def liveliness(self) -> tuple[Vector, Vector]:
        """Bound each joint's speed and acceleration all along the stop, shapes (n,) and (n,)."""
        top = np.abs(np.array(self.top_velocity))
        speed: Vector = np.maximum(np.abs(self._origin[1]), top)
        return speed, np.maximum(np.abs(self._origin[2]), top * self.profile.peak)

    def control_points(self) -> tuple[Matrix, ...]:
        """Bezier control points of the way: the cubic of the fade, when there is one, and the straight line to the end.

        The curve of a piece lies in the convex hull of its control points and is no longer than the way along them.

        Returns:
            Shapes (4, n) and (2, n), [rad], in the order of the way.
        """
        fade = self.fade
        if fade == 0.0:
            return (np.array((self._origin[0], self.end)),)
        third, square = fade / 3.0, fade * fade
        rows = np.array(
            [[1.0, 0.0, 0.0], [1.0, third, 0.0], [1.0, 2.0 * third, square / 6.0], [1.0, fade, square / 3.0]]
        )
        cubic: Matrix = rows.dot(self._origin)
        return cubic, np.array((cubic[3], self.end))

    def _weights(self, t: float) -> tuple[float, float]:
        """Return (alpha, beta) with q(t) = q0 + alpha v0 + beta a0."""
        fade = self.fade
        if t < fade:
            return t, t * t / 2.0 - t**3 / (6.0 * fade)
        s = self.profile.used(t - fade)
        return fade + s, fade * fade / 3.0 + 0.5 * fade * s

    def positions(self, times: tuple[float, ...]) -> Matrix:
        """Positions at several times, shape (len(times), n)."""
        weights = [weight for t in times for weight in (1.0, *self._weights(t))]  # flat: made an array in half the time
        return np.array(weights).reshape(-1, 3).dot(self._origin)  # type: ignore[no-any-return]

    def ways(self, times: tuple[float, ...]) -> Matrix:
        """See `Stop`: no joint ever turns round, but inside the fade."""
        ways: Matrix = np.abs(np.diff(self.positions(times), axis=0))
        return ways + 2.0 * self.fade * np.abs(self._origin[1]) if self.turning else ways

    def _rows(self, t: float) -> tuple[tuple[float, float, float], ...]:
        """Weights of q0, v0, a0 in position, velocity, acceleration at t."""
        fade = self.fade
        alpha, beta = self._weights(t)
        if t < fade:
            return (1.0, alpha, beta), (0.0, 1.0, t - t * t / (2.0 * fade)), (0.0, 0.0, 1.0 - t / fade)
        _, sigma, rate = self.profile.at(t - fade)
        return (1.0, alpha, beta), (0.0, sigma, 0.5 * fade * sigma), (0.0, rate, 0.5 * fade * rate)

    def state(self, t: float) -> Matrix:
        """Position, velocity, acceleration t seconds into the stop, shape (3, n)."""
        return np.array(self._rows(t)).dot(self._origin)  # type: ignore[no-any-return]

    def extremes(self) -> Matrix:
        """Positions between which every joint stays all the way, shape (m, n)."""
        end = self.end
        if not self.turning:
            return np.stack([self._origin[0], end])
        # Joint by joint: one that turns by the last digits of a double at rest is no reason to doubt the others.
        (begin, velocity), rest = self._origin[:2], np.array(self.top_velocity)
        turning = (velocity * rest < 0.0) * self.fade * np.maximum(np.abs(velocity), np.abs(rest))
        return np.stack([np.minimum(begin, end) - turning, np.maximum(begin, end) + turning])

    def horizon(self) -> tuple[HorizonPoint, ...]:
        """Points at the profile's knots: between them the motion is a cubic, which a quintic spline reproduces."""
        times = self.knots(1e-6)
        return horizon_points(times, self.states(times)) if times else ()

    def knots(self, apart: float) -> list[float]:
        """Return the times after the beginning between which the motion is a cubic, farther apart than that, [s]."""
        fade, ramp, left, times = self.fade, self.profile.ramp, self.profile.duration, [0.0]
        for knot in (fade, fade + ramp, fade + left - ramp, fade + left):
            if knot > times[-1] + apart:
                times.append(knot)
        return times[1:]

    def states(self, times: list[float]) -> NDArray[np.float64]:
        """Return `state` at several times, shape (len(times), 3, n)."""
        rows = np.array([self._rows(t) for t in times]).reshape(-1, 3)
        return rows.dot(self._origin).reshape(len(times), 3, -1)  # type: ignore[no-any-return]


def straight_stop_reach(states: NDArray[np.float64], limits: JointLimits) -> tuple[Matrix, Matrix, Matrix]:
    """Compute where straight stops from many states lead, with the formulas of `StraightStop`.

    Args:
        states: position, velocity, acceleration, shape (m, 3, k).
        limits: of the k joints.

    Returns:
        Least and greatest position of each stop and its top velocity, each shape (m, k).
    """
    q, v, a = states[:, 0], states[:, 1], states[:, 2]
    fade = (np.abs(a) / limits.jerk).max(axis=1, keepdims=True)
    rest = v + 0.5 * fade * a
    speed = np.abs(rest)
    slowness = (speed / limits.acceleration).max(axis=1, keepdims=True)
    smoothness = (speed / limits.jerk).max(axis=1, keepdims=True)
    ramp = np.where(smoothness <= slowness**2, smoothness / np.maximum(slowness, _TINY), np.sqrt(smoothness))
    half = 0.5 * np.where(smoothness <= slowness**2, slowness + ramp, 2.0 * ramp)
    end = q + (fade + half) * v + (fade * fade / 3.0 + 0.5 * fade * half) * a
    turning = (v * rest < 0.0) * fade * np.maximum(np.abs(v), speed)
    return np.minimum(q, end) - turning, np.maximum(q, end) + turning, rest


def longest_parts(limits: JointLimits) -> tuple[float, float]:
    """Bound the fade and the profile of every straight stop, [s]."""
    profile = BrakeProfile.within(
        float((limits.velocity / limits.acceleration).max()), float((limits.velocity / limits.jerk).max())
    )
    return float((limits.acceleration / limits.jerk).max()), profile.duration


def longest_stop(limits: JointLimits) -> float:
    """Bound the duration of every straight stop, [s]."""
    return sum(longest_parts(limits))


def horizon_points(times: list[float], states: NDArray[np.float64]) -> tuple[HorizonPoint, ...]:
    """Make points of states, shape (m, 3, n); the last one exactly at rest."""
    rows = states.tolist()
    if rows:
        rows[-1][1] = rows[-1][2] = [0.0] * len(rows[-1][0])
    return tuple(
        HorizonPoint(nanoseconds(t), tuple(q), tuple(v), tuple(a)) for t, (q, v, a) in zip(times, rows, strict=True)
    )
