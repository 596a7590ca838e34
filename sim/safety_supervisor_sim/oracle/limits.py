"""What the oracle judges by: limits and tolerances. Plain data, given by the cell file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Box:
    """An axis-aligned box in the base frame, corners of shape (3,), [m]."""

    name: str
    lower: Array
    upper: Array

    def __post_init__(self) -> None:
        if self.lower.shape != (3,) or self.upper.shape != (3,):
            raise ValueError(f"box {self.name}: corners have shape (3,)")
        if not np.all(self.lower < self.upper):
            raise ValueError(f"box {self.name}: min must lie below max")

    def depth_inside(self, points: Array) -> Array:
        """Signed distance of points (..., 3) to the nearest face, positive inside, [m].

        Outside it is the negative Euclidean distance to the box.
        """
        gaps = np.minimum(points - self.lower, self.upper - points)
        nearest = gaps.min(axis=-1)
        outside = np.sqrt(np.square(np.minimum(gaps, 0.0)).sum(axis=-1))
        return np.where(nearest >= 0.0, nearest, -outside)


@dataclass(frozen=True)
class Limits:
    """Limits of the motion, shapes (n,) for joints, SI units; boxes in the base frame."""

    position_lower: Array
    position_upper: Array
    velocity: Array
    acceleration: Array
    jerk: Array
    link_speed: float
    keep_in: tuple[Box, ...] = ()
    keep_out: tuple[Box, ...] = ()

    def __post_init__(self) -> None:
        size = self.velocity.shape
        for name in ("position_lower", "position_upper", "acceleration", "jerk"):
            if getattr(self, name).shape != size:
                raise ValueError(f"{name} must have shape {size}")


@dataclass(frozen=True)
class Judging:
    """How the oracle judges.

    Args:
        period: time between two samples of the true motion, [s].
        command_period: nominal period of a command stream, [s].
        acceleration_window: true acceleration is the slope of the velocity over it, [s].
        standstill_speed: every joint at or below it is standstill, [rad/s].
        history: true motion kept for traces and measurements, [s].
        tolerance: by kind, in the kind's unit; a kind left out has none.
    """

    period: float
    command_period: float
    acceleration_window: float
    standstill_speed: float
    history: float
    tolerance: Mapping[str, float]

    @property
    def window(self) -> int:
        """Samples in the acceleration window, at least 1."""
        return max(1, round(self.acceleration_window / self.period))

    @property
    def command_window(self) -> int:
        """Samples in one command period, at least 1."""
        return max(1, round(self.command_period / self.period))
