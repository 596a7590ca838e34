"""Features of a source's behaviour, over windows of whole slots: bounded memory, no clock, no chance.

A slot is summed up once into one vector, and the last `SLOTS` of them are a window. What a cycle costs is one copy of
the commanded state.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.anomaly.baseline import SLOT, SLOTS, WINDOW
from safety_supervisor.core.settings import JointLimits
from safety_supervisor.core.units import NS_PER_S, Matrix, Nanoseconds, Vector, seconds

_STILL: Final = 2e-3
"""Slower is no direction, [rad/s] or [m/s]."""
_CREEP: Final = 0.01
"""Slower than this share of every joint's limit is creeping."""
_REST: Final = 1e-4
"""And no faster than this share is rest: what is left of a stream that holds still is rounding."""
_LEAST_WAY: Final = 1e-3
"""A way that is shorter is no dithering, [rad] or [m]."""
_NOW: Final = seconds(WINDOW)

COUNTERS: Final = ("rate", "starts", "takeovers", "cancels", "refusals")
"""Features that count events; the last ones of a window's vector, in this order."""


class Windows:
    """Sums up what one source does.

    A window's vector, shape (5 n' + 9,) for the n' joints of the source: highest and lowest position (the latter
    negative), top speed and acceleration and reversals of each joint; hurry, dithering, creeping, frozen; counters.
    """

    def __init__(
        self, joints: NDArray[np.intp], limits: JointLimits, period: Nanoseconds, declared: Nanoseconds
    ) -> None:
        """Begin with nothing seen.

        Args:
            joints: of the source, indices in the configuration's order, shape (n',).
            limits: of all joints.
            period: control period, [ns].
            declared: the source's period, [ns].
        """
        self._joints = joints
        self._speed, self._acceleration = limits.velocity[joints], limits.acceleration[joints]
        self._dt = seconds(period)
        self._counts_per = np.array([declared / NS_PER_S, 1.0, 1.0, 1.0, 1.0]) / _NOW
        n = len(joints)
        self._most = np.full((SLOTS, 4 * n), -np.inf)
        """Of each slot: highest and negative lowest position, top speed, top acceleration."""
        self._sums = np.zeros((SLOTS, n + 4))
        """Of each slot: reversals; sums of the share of a speed limit, the way, creeping and frozen cycles."""
        self._counts = np.zeros((SLOTS, len(COUNTERS)))
        self._direction = np.zeros(n)
        self._slot = 0
        self._empty = SLOTS
        self.counting: list[int] = [0] * len(COUNTERS)
        """Events of the slot that runs, as `COUNTERS`."""

    @property
    def idle(self) -> bool:
        """Whether nothing was seen in the whole window."""
        return self._empty >= SLOTS

    def forget(self) -> None:
        """Begin anew."""
        self._most[:], self._sums[:], self._counts[:] = -np.inf, 0.0, 0.0
        self._direction[:] = 0.0
        self._empty = SLOTS
        self.counting = [0] * len(COUNTERS)

    def close(self, states: NDArray[np.float64], mine: NDArray[np.bool_], streams: NDArray[np.bool_]) -> None:
        """End a slot.

        Args:
            states: commanded positions, velocities, accelerations of each cycle, shape (m, 3, n).
            mine: whether the source moved a joint in a cycle, shape (m, n).
            streams: whether it streamed in a cycle, shape (m,).
        """
        slot = self._slot = (self._slot + 1) % SLOTS
        self._counts[slot] = self.counting
        acted = any(self.counting)
        self.counting = [0] * len(COUNTERS)
        mine = mine[:, self._joints]
        cycles = mine.any(axis=1)
        if not cycles.any():
            self._most[slot], self._sums[slot] = -np.inf, 0.0
            self._direction[:] = 0.0
            self._empty = 0 if acted else self._empty + 1
            return
        self._empty = 0
        mine, states, streams = mine[cycles], states[cycles][:, :, self._joints], streams[cycles]
        position, velocity = states[:, 0], np.where(mine, states[:, 1], 0.0)
        speed = np.abs(velocity)
        share = (speed / self._speed).max(axis=1)
        n = len(self._joints)
        most = self._most[slot]
        most[:n] = np.where(mine, position, -np.inf).max(axis=0)
        most[n : 2 * n] = np.where(mine, -position, -np.inf).max(axis=0)
        most[2 * n : 3 * n] = speed.max(axis=0) / self._speed
        most[3 * n :] = np.abs(np.where(mine, states[:, 2], 0.0)).max(axis=0) / self._acceleration
        sums = self._sums[slot]
        sums[:n] = self._reversals(velocity, speed)
        sums[n] = share.sum() * self._dt
        sums[n + 1] = np.sqrt(np.square(velocity).sum(axis=1)).sum() * self._dt
        sums[n + 2] = np.count_nonzero((share > _REST) & (share < _CREEP)) * self._dt
        sums[n + 3] = np.count_nonzero(streams & (share <= _REST)) * self._dt

    def _reversals(self, velocity: Matrix, speed: Matrix) -> Vector:
        """Count changes of direction, shape (n',); a direction lasts until the other one is taken."""
        signs = np.concatenate((self._direction[None, :], np.sign(velocity) * (speed > _STILL)))
        rows = np.where(signs != 0.0, np.arange(len(signs))[:, None], 0)
        lasting = np.take_along_axis(signs, np.maximum.accumulate(rows, axis=0), axis=0)
        self._direction = lasting[-1].copy()
        counted: Vector = np.count_nonzero(lasting[1:] * lasting[:-1] < 0.0, axis=0).astype(np.float64)
        return counted

    def window(self) -> Vector:
        """Return the features of the last `SLOTS` slots, shape (f,), in the order of `Scale.entries`."""
        n = len(self._joints)
        most, sums = self._most.max(axis=0), self._sums.sum(axis=0) / _NOW
        way = sums[n + 1] * _NOW
        dithering = 0.0
        if way > _LEAST_WAY:
            reach = most[:n] + most[n : 2 * n]
            dithering = way / max(float(np.sqrt(np.square(reach[np.isfinite(reach)]).sum())), _LEAST_WAY)
        alone = (sums[n], dithering, sums[n + 2], sums[n + 3])
        counts = self._counts.sum(axis=0) * self._counts_per
        return np.concatenate((most, sums[:n], alone, counts))


def rows_of(period: Nanoseconds) -> int:
    """Return how many cycles of a period a slot has room for."""
    return SLOT // period + 2
