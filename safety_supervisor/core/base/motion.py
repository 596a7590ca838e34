"""How a base moves in the plane: twists, the arc of a constant twist, the stop from one.

A stop slows all parts of the twist by one common share, so the base stays on the arc of the twist and comes to rest
after a time T = max(|v| / a, |w| / alpha), having gone as far as at full twist in T / 2: over the arc v^2 / 2a where
the speed decides.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from safety_supervisor.core.units import Matrix, Nanoseconds, Vector

_FARTHEST: Final = 1e6
"""A coordinate beyond this is no place, [m], nor a heading, [rad]."""


class PlanarTwist(NamedTuple):
    """Velocity of a base in its own frame.

    Attributes:
        x: forward, [m/s].
        y: to the left, [m/s].
        turn: about the vertical, counter-clockwise, [rad/s].
    """

    x: float
    y: float
    turn: float

    @property
    def speed(self) -> float:
        """Of the base's origin, [m/s]."""
        return math.hypot(self.x, self.y)

    def scaled(self, share: float) -> PlanarTwist:
        """Return the same way at another pace."""
        return PlanarTwist(self.x * share, self.y * share, self.turn * share)

    def toward(self, other: PlanarTwist, share: float) -> PlanarTwist:
        """Return the twist that lies a share of the way to another one; 1 is exactly the other."""
        if share >= 1.0:
            return other
        return PlanarTwist(*(a + share * (b - a) for a, b in zip(self, other, strict=True)))

    def apart(self, other: PlanarTwist) -> tuple[float, float]:
        """Return how far another one differs in velocity [m/s] and turning [rad/s]."""
        return math.hypot(self.x - other.x, self.y - other.y), abs(self.turn - other.turn)


REST = PlanarTwist(0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class PlanarPose:
    """Where a base was measured.

    Attributes:
        x: of its origin in the fence's frame, [m].
        y: [m].
        heading: from the x axis, counter-clockwise, [rad].
        received: when, steady clock, [ns].
        height: of its origin, [m].
    """

    x: float
    y: float
    heading: float
    received: Nanoseconds
    height: float = 0.0

    @property
    def finite(self) -> bool:
        """Whether all numbers are, and within any physical range."""
        return abs(self.x) <= _FARTHEST and abs(self.y) <= _FARTHEST and abs(self.heading) <= _FARTHEST


def stop_time(twist: PlanarTwist, deceleration: float, turning: float) -> float:
    """Return the time of the stop from a twist, [s], at decelerations in [m/s^2] and [rad/s^2]."""
    return max(twist.speed / deceleration, abs(twist.turn) / turning)


def arc(pose: PlanarPose, twist: PlanarTwist, times: Vector) -> Matrix:
    """Compute where a constant twist brings a base's origin.

    p(t) = p + R(heading) (t sinc(wt) I + (1 - cos wt) / w J) v, J a quarter turn; stable for w = 0, too.

    Args:
        pose: where it begins.
        twist: in the base's frame.
        times: shape (m,), [s].

    Returns:
        Shape (m, 2), [m].
    """
    angles = times * twist.turn
    along = times * np.sinc(angles / np.pi)
    half = np.sinc(angles / (2.0 * np.pi))
    across = times * (angles / 2.0) * half * half
    forward, left = along * twist.x - across * twist.y, across * twist.x + along * twist.y
    cos, sin = math.cos(pose.heading), math.sin(pose.heading)
    return np.stack([pose.x + cos * forward - sin * left, pose.y + sin * forward + cos * left], axis=1)
