"""What was heard around one stop: measured and commanded positions over one clock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from safety_supervisor.core.units import Matrix, Vector


@dataclass(frozen=True)
class Series:
    """Positions over time.

    Attributes:
        times: ascending, shape (T,), [s], of a clock that all series of a recording share.
        positions: shape (T, n), [rad] or [m], in the configuration's joint order.
    """

    times: Vector
    positions: Matrix

    def at(self, time: float) -> Vector:
        """Return the positions at a time, interpolated, shape (n,)."""
        return np.array([np.interp(time, self.times, column) for column in self.positions.T])

    def between(self, begin: float, end: float) -> Series:
        """Return what lies between two times, both included."""
        inside = (self.times >= begin) & (self.times <= end)
        return Series(self.times[inside], self.positions[inside])


@dataclass(frozen=True)
class Recording:
    """One stop.

    Attributes:
        measured: from `joint_states`.
        commanded: set-points on the way to the motors; each at the time at which it is to be reached.
        requested: when the stop was asked for, [s] of the same clock.
        cruise: velocity that was commanded until then, shape (n,), [rad/s]; 0 of joints that rest.
    """

    measured: Series
    commanded: Series
    requested: float
    cruise: Vector

    @property
    def moving(self) -> list[int]:
        """Indices of the joints that were in motion."""
        return [int(index) for index in np.flatnonzero(self.cruise)]
