"""The stop along a known path, such as a trajectory's: the path's own time runs slower until it stands.

Requirements: SR-025, SR-026. The profile: `stopping.py`.
"""

from __future__ import annotations

import math
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.effects import HorizonPoint
from safety_supervisor.core.motion.stopping import BrakeProfile, horizon_points
from safety_supervisor.core.units import Matrix, Vector

_HORIZON_STEP: Final = 0.04
"""Between two points of the horizon, at most, [s]."""


class Path(Protocol):
    """A motion as a function of its own time."""

    def state(self, tau: float) -> Matrix:
        """Position, velocity, acceleration at path time tau, shape (3, n)."""

    def states_at(self, taus: Vector) -> NDArray[np.float64]:
        """The same at many times, shape (len(taus), 3, n)."""

    def states_before(self, taus: Vector) -> NDArray[np.float64]:
        """The same as they are just before each time, which is another acceleration at a knot of a cubic."""

    def knots_within(self, first: float, last: float) -> Vector:
        """Path times strictly between two, [s], at which a derivative may jump."""

    @property
    def smooth(self) -> bool:
        """Whether the velocity jumps nowhere."""

    @property
    def fastest(self) -> Vector:
        """Bound of |dq/dtau| over the whole path, shape (n,)."""

    @property
    def hardest(self) -> Vector:
        """Bound of the second derivative, wherever there is one, shape (n,)."""


class PathStop:
    """The stop that stays on a path: the path's time slows down to standstill.

    Attributes:
        path: what it stays on.
        start: path time from which it was planned, [s].
        profile: how the path's time slows down.
        end: where it ends, shape (n,), [rad].
    """

    __slots__ = ("end", "path", "profile", "start")

    def __init__(self, path: Path, start: float, profile: BrakeProfile) -> None:
        """Plan the stop from path time `start`, [s]; the profile was chosen for this path's derivatives."""
        self.path = path
        self.start = start
        self.profile = profile
        self.end: Vector = path.state(start + 0.5 * profile.duration)[0]

    @property
    def travel(self) -> Vector:
        """Upper bound of each joint's way from where it begins, shape (n,), [rad]."""
        return self.path.fastest * (0.5 * self.profile.duration)

    def liveliness(self) -> tuple[Vector, Vector]:
        """Bound each joint's speed and acceleration all along the stop, shapes (n,) and (n,); of a smooth path."""
        fastest = self.path.fastest
        return fastest, self.path.hardest + fastest * self.profile.peak

    @property
    def duration(self) -> float:
        """Time to standstill, [s]."""
        return self.profile.duration

    def state(self, t: float) -> Matrix:
        """Position, velocity, acceleration t seconds into the stop, shape (3, n).

        q' = q_tau sigma, q'' = q_tautau sigma^2 + q_tau sigma'.
        """
        s, sigma, rate = self.profile.at(t)
        q, dq, ddq = self.path.state(self.start + s)
        return np.stack([q, dq * sigma, ddq * (sigma * sigma) + dq * rate])

    def positions(self, times: tuple[float, ...]) -> Matrix:
        """Positions at several times, shape (len(times), n)."""
        taus = np.array([self.start + self.profile.at(t)[0] for t in times])
        positions: Matrix = self.path.states_at(taus)[:, 0]
        return positions

    def ways(self, times: tuple[float, ...]) -> Matrix:
        """See `Stop`."""
        return np.outer(np.diff([self.profile.at(t)[0] for t in times]), self.path.fastest)

    def horizon(self) -> tuple[HorizonPoint, ...]:
        """Points at the profile's knots and between them, near enough for a spline controller."""
        p = self.profile
        times: list[float] = []
        for knot in (p.ramp, p.duration - p.ramp, p.duration):
            last = times[-1] if times else 0.0
            parts = math.ceil((knot - last) / _HORIZON_STEP)
            times += [last + (knot - last) * (part + 1) / parts for part in range(parts) if knot - last > 1e-6]
        profile = np.array([p.at(t) for t in times])
        states = self.path.states_at(self.start + profile[:, 0])
        sigma, rate = profile[:, 1:2], profile[:, 2:3]
        states[:, 2] = states[:, 2] * sigma * sigma + states[:, 1] * rate
        states[:, 1] *= sigma
        return horizon_points(times, states)
