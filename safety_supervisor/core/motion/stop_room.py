"""The states from which every stop stays inside the joint limits: most decisions need to know no more of theirs."""

from __future__ import annotations

from typing import Final

import numpy as np

from safety_supervisor.core.motion.stopping import longest_parts
from safety_supervisor.core.settings import JointLimits
from safety_supervisor.core.units import Matrix

_ROUNDING: Final = 1e-12  # of positions, relative


class StopRoom:
    """States from which every straight stop stays inside the limits, so that none has to be planned to know it.

    A stop from |v| <= V - A fade / 2, |a| <= A, with fade = max A / J, never passes V. Its profile takes no longer than
    the one from V in all joints, since the duration grows with slowness and with smoothness, and uses half that as path
    time; so no joint travels more than V (fade + duration / 2).
    """

    __slots__ = ("_half", "_middle")

    def __init__(self, limits: JointLimits) -> None:
        """Compute the room."""
        fade, duration = longest_parts(limits)
        travel = limits.velocity * (fade + 0.5 * duration)
        fastest = limits.velocity - 0.5 * fade * limits.acceleration
        lower, upper = limits.lower + travel, limits.upper - travel
        limited = np.isfinite(lower) & np.isfinite(upper)
        middle = 0.5 * (np.where(limited, lower, 0.0) + np.where(limited, upper, 0.0))
        self._middle: Matrix = np.stack([middle, np.zeros_like(middle), np.zeros_like(middle)])
        # Half of it must not reach beyond either end, however it was rounded.
        half = (1.0 - _ROUNDING) * np.minimum(middle - lower, upper - middle) - _ROUNDING * np.abs(middle)
        self._half: Matrix = np.stack([half, fastest, limits.acceleration])

    def holds(self, state: Matrix) -> bool:
        """Whether a state, shape (3, n), is one of them; NaN is not."""
        apart = state - self._middle
        np.abs(apart, out=apart)
        return bool(np.count_nonzero(apart <= self._half) == apart.size)  # quicker than all()
