"""Clamping as ros2_control does, joint by joint; nothing of links, of a cell or of people is known.

Source: ros2_control, jazzy (9ffbf97f): what its resource manager puts before position interfaces,
joint_limits/src/joint_range_limiter.cpp with `compute_position_limits` of joint_limits_helpers.cpp. Written from what
it does: a command lies within the position limits, and no farther from the one before than the joint may go in a
period, at the velocity limit or at the present speed and what the acceleration limit adds to it, whichever is slower.

So speed grows no faster than it may, and falls as it likes: there is no limit of deceleration, and a robot stops dead
at its set-point. The other limiter, joint_saturation_limiter.cpp for whole points, has one and no eye for the goal: at
a set-point that is a jump away it goes back and forth for ever, and nothing good can follow (tried here). Where the
real one takes the measured speed, this one takes that between the last two commands, which is neither late nor noisy.
A value that is not finite is left as it is there; here no such value arrives: `feed.py`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.settings import Configuration

Array = NDArray[np.float64]


class Clamp:
    """Limits of position, velocity and acceleration.

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
        dt = self._dt
        far = np.minimum(self._fastest, np.abs(self._v) + self._most * dt) * dt
        position: Array = np.clip(
            wanted, np.maximum(self._q - far, self._lower), np.minimum(self._q + far, self._upper)
        )
        self._q, self._v = position, (position - self._q) / dt
        return position
