"""Units and array types of the core: SI everywhere, time in integer nanoseconds of a steady clock."""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Vector: TypeAlias = NDArray[np.float64]
"""One value per joint, shape (n,), in the configuration's joint order."""

Matrix: TypeAlias = NDArray[np.float64]
"""Rows of vectors, shape (m, n)."""

Nanoseconds: TypeAlias = int
"""Time of a steady clock, or a duration, [ns]."""

NS_PER_S: Final = 1_000_000_000


def seconds(duration: Nanoseconds) -> float:
    """Convert a duration from [ns] to [s]."""
    return duration / NS_PER_S


def nanoseconds(duration: float) -> Nanoseconds:
    """Convert a duration from [s] to [ns], to the nearest nanosecond."""
    return round(duration * NS_PER_S)
