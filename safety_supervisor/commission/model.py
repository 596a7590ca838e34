"""What the verifier assumes of a stop, in figures that can be measured.

A step is sent only with its stop. That stop is planned with the envelope's own acceleration and jerk
(`core/motion/stopping.py`); it begins one period and at most one overrun after its cause; the robot does at the latest
`tracking.delay` after a set-point what that says, within `tracking.path_error`, which is all that the margins of
bodies hold (`core/checks/separation.py`, `core/geometry/scene.py`). In between it may be `tracking.bound` away.

    time   = period + overrun + stop + delay
    travel = |v| (period + overrun + delay) + travel of the stop + path_error
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from safety_supervisor.commission.motion import Cruise
from safety_supervisor.core.motion.stopping import BrakeProfile
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import Vector, seconds

BEGUN = 0.9
"""Share of the speed below which a stop has visibly begun: measured speeds are noisy."""


@dataclass(frozen=True)
class Expected:
    """What the model says of one stop from a steady motion.

    Attributes:
        reaction: from the request until the first set-point of the stop, at the longest, [s].
        duration: of the commanded stop, [s].
        profile: share of the speed that is left, over its time.
        delay: from a set-point to its measurement, at the longest, [s].
        travel: of each joint during the commanded stop, shape (n,), [rad].
        path_error: how far a joint may be beside what it was commanded within that delay, shape (n,), [rad].
        bound: how far it may be at any time, shape (n,), [rad].
        speed: of each joint, shape (n,), [rad/s].
    """

    reaction: float
    duration: float
    profile: BrakeProfile
    delay: float
    travel: Vector
    path_error: Vector
    bound: Vector
    speed: Vector

    @property
    def begun(self) -> float:
        """How long after its beginning the stop has taken a tenth of the speed, [s]."""
        low, high = 0.0, self.profile.duration
        for _ in range(40):
            middle = 0.5 * (low + high)
            low, high = (middle, high) if self.profile.at(middle)[1] > BEGUN else (low, middle)
        return high

    @property
    def time(self) -> float:
        """From the request to rest, at the longest, [s]."""
        return self.reaction + self.duration + self.delay

    @property
    def ways(self) -> Vector:
        """From the pose at the request to the farthest one, at the longest, shape (n,), [rad]."""
        return self.speed * (self.reaction + self.delay) + self.travel + self.path_error


def expect(configuration: Configuration, motion: Cruise) -> Expected:
    """Return what the model says of a stop from a steady motion."""
    timing, tracking = configuration.timing, configuration.tracking
    stop = motion.stop(configuration)
    begin = stop.state(0.0)[0]
    return Expected(
        reaction=seconds(timing.period + timing.overrun),
        duration=stop.duration,
        profile=stop.profile,
        delay=seconds(tracking.delay),
        travel=np.abs(stop.end - begin),
        path_error=tracking.path_error,
        bound=tracking.bound,
        speed=np.abs(motion.velocity),
    )
