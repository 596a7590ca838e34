"""Motions that an agent commands: smooth, jerk-limited, at rest at their beginning.

All are functions of time with closed-form derivatives, so that a stream may sample them at any rate and a trajectory
may carry exact velocities and accelerations.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
NANO: Final = 1_000_000_000


# s(u) = 35 u^4 - 84 u^5 + 70 u^6 - 20 u^7: velocity, acceleration and jerk are zero at both ends.
def _blend(u: float) -> tuple[float, float, float]:
    """Return s and its first two derivatives at u."""
    u2 = u * u
    return (
        u2 * u2 * (35.0 + u * (-84.0 + u * (70.0 - 20.0 * u))),
        u2 * u * (140.0 + u * (-420.0 + u * (420.0 - 140.0 * u))),
        u2 * (420.0 + u * (-1680.0 + u * (2100.0 - 840.0 * u))),
    )


def _blend_area(u: float) -> float:
    """Return the integral of s from 0 to u."""
    u2 = u * u
    return u2 * u2 * u * (7.0 + u * (-14.0 + u * (10.0 - 2.5 * u)))


# Greatest absolute value of the first three derivatives of s on [0, 1]; the second is at u = 1/2 - sqrt(1/20),
# the third at u = 1/2.
PEAK_VELOCITY: Final = 2.1875
PEAK_ACCELERATION: Final = 84.0 / (5.0 * math.sqrt(5.0))
PEAK_JERK: Final = 52.5


@dataclass(frozen=True)
class Sample:
    """Position, velocity and acceleration at one time, each shape (n,), [rad], [rad/s], [rad/s^2]."""

    position: Array
    velocity: Array
    acceleration: Array


class Motion(Protocol):
    """A motion that begins at rest at time 0."""

    @property
    def duration(self) -> float:
        """Time of the last set-point, [s]."""
        ...

    def at(self, time: float) -> Sample:
        """Return the state at `time`, [s]."""
        ...


@dataclass(frozen=True)
class PointToPoint:
    """From rest to rest on a straight line in joint space, all joints together."""

    start: Array
    goal: Array
    duration: float

    def at(self, time: float) -> Sample:
        """Return the state at `time`, [s]; at rest before 0 and after `duration`."""
        u = min(1.0, max(0.0, time / self.duration))
        way = self.goal - self.start
        if u == 1.0:
            return Sample(self.goal.copy(), np.zeros_like(way), np.zeros_like(way))
        share, rate, rate_2 = _blend(u)
        return Sample(self.start + way * share, way * (rate / self.duration), way * (rate_2 / self.duration**2))


@dataclass(frozen=True)
class Cruise:
    """From rest to a constant velocity that is then kept: straight at something.

    Attributes:
        start: first position, shape (n,), [rad].
        velocity: kept after `ramp`, shape (n,), [rad/s].
        ramp: time to reach it, [s].
        duration: time of the last set-point, [s].
    """

    start: Array
    velocity: Array
    ramp: float
    duration: float

    def at(self, time: float) -> Sample:
        """Return the state at `time`, [s]; time after `duration` goes on at the same velocity."""
        u = max(0.0, time / self.ramp)
        if u >= 1.0:
            way = self.ramp * 0.5 + (time - self.ramp)
            return Sample(self.start + self.velocity * way, self.velocity.copy(), np.zeros_like(self.velocity))
        share, rate, _ = _blend(u)
        return Sample(
            self.start + self.velocity * (self.ramp * _blend_area(u)),
            self.velocity * share,
            self.velocity * (rate / self.ramp),
        )


def shortest_duration(way: Array, velocity: Array, acceleration: Array, jerk: Array) -> float:
    """Return the least duration of a `PointToPoint` that keeps all limits, [s].

    Args:
        way: goal minus start, shape (n,), [rad].
        velocity, acceleration, jerk: limits, shape (n,), SI units.
    """
    size = np.abs(way)
    return float(
        max(
            (PEAK_VELOCITY * size / velocity).max(),
            np.sqrt(PEAK_ACCELERATION * size / acceleration).max(),
            np.cbrt(PEAK_JERK * size / jerk).max(),
        )
    )


def set_points(motion: Motion, period: float) -> Array:
    """Sample a motion as a stream sends it, without its beginning, shape (m, n), [rad].

    The last row is the first sample at or after the motion's duration.
    """
    count = math.ceil(motion.duration / period - 1e-9)
    return np.array([motion.at(period * index).position for index in range(1, count + 1)])
