"""Clamping as ros2_control does, joint by joint; nothing of links, of a cell or of people is known.

Source: ros2_control, jazzy (9ffbf97f), joint_limits/src/joint_saturation_limiter.cpp, the limiter of whole points. It
is the stricter of the two: the one that the resource manager puts before position interfaces,
joint_range_limiter.cpp, has no limit of deceleration. Written from what it does, in its order:

1. the position is clamped to the position limits;
2. the velocity that leads there in a period is clamped, and the position follows it;
3. the acceleration that leads to that velocity is clamped, deceleration where the speed falls, and both follow;
4. when any joint could not stop any more before its position limit, all joints slow down as fast as they may.

Where the real one starts from measured position and velocity, this one starts from the last command and the velocity
between the last two: measurement lags and is noisy, and joint_range_limiter.cpp prefers the last command for that
reason. A value that is not finite goes through all of this unchanged there (every comparison with it is false); here no
such value arrives: `feed.py`.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.settings import Configuration

Array = NDArray[np.float64]
ZERO: Final = 1e-10
"""A difference that counts as none, theirs."""


class Clamp:
    """Limits of position, velocity, acceleration and deceleration.

    Args:
        configuration: whose limits of joints are used, as they stand there.
    """

    def __init__(self, configuration: Configuration) -> None:
        """Stand nowhere yet."""
        limits = configuration.envelope.joints
        self._lower, self._upper = limits.lower, limits.upper
        self._fastest, self._most = limits.velocity, limits.acceleration
        self._dt = configuration.timing.period * 1e-9
        self._q: Array = np.zeros(len(self._lower))
        self._v: Array = np.zeros(len(self._lower))

    def reset(self, q: Array) -> None:
        """Rest at a pose, shape (n,), [rad]."""
        self._q, self._v = q.copy(), np.zeros_like(q)

    def step(self, wanted: Array) -> Array:
        """Return the next command on the way to a pose, both shape (n,), [rad]."""
        q, v, dt, most = self._q, self._v, self._dt, self._most
        position = np.clip(wanted, self._lower, self._upper)
        velocity = (position - q) / dt
        velocity[np.abs(position - q) <= ZERO] = 0.0
        limited = np.clip(velocity, -self._fastest, self._fastest)
        position = np.where(limited != velocity, q + limited * dt, position)
        acceleration = (limited - v) / dt
        within = np.clip(acceleration, -most, most)
        beyond = within != acceleration
        velocity = np.where(beyond, v + within * dt, limited)
        position = np.where(beyond, q + v * dt + 0.5 * within * dt * dt, position)
        if self._ends_behind_a_limit(velocity):
            slowing = np.clip(-v / dt, -most, most)
            position = q + v * dt + 0.5 * slowing * dt * dt
        self._q, self._v = position, (position - q) / dt
        return position

    def _ends_behind_a_limit(self, velocity: Array) -> bool:
        """Whether at this velocity a stop, or going on for as long as a stop takes, would end behind a limit."""
        room = np.where(velocity < 0.0, self._q - self._lower, self._upper - self._q)
        lasts = np.abs(velocity) / self._most
        return bool(np.any((velocity != 0.0) & (room < np.abs(velocity) * lasts)))
