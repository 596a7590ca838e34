"""Arrays of frozen settings, which nobody changes."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from safety_supervisor.core.units import Vector


def read_only(values: Iterable[float]) -> Vector:
    """Return a read-only array, shape (n,)."""
    array = np.array(list(values), dtype=np.float64)
    array.flags.writeable = False
    return array
