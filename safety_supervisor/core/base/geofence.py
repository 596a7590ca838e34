"""Where a base may be: inside one convex polygon, outside of others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from safety_supervisor.core.balance.support_polygon import SupportPolygon
from safety_supervisor.core.units import Matrix, Vector


@dataclass(frozen=True)
class FenceSettings:
    """Corners in one frame that does not move, [m]; the hull of each counts."""

    keep_in: tuple[tuple[float, float], ...]
    keep_out: tuple[tuple[tuple[float, float], ...], ...] = ()


class Geofence:
    """Measures how far from a forbidden place points are."""

    def __init__(self, settings: FenceSettings) -> None:
        """Span the polygons.

        Raises:
            ValueError: when one has no corner, or one that is not finite.
        """
        self._inside = SupportPolygon(np.array(settings.keep_in, dtype=np.float64).reshape(-1, 2))
        self._outside = [
            SupportPolygon(np.array(corners, dtype=np.float64).reshape(-1, 2)) for corners in settings.keep_out
        ]

    def room(self, points: Matrix) -> Vector:
        """Return how far points are inside of all that is allowed, shape (m,), [m]; negative outside.

        No room changes by more than its point moves. NaN for points that are not finite.
        """
        room = self._inside.signed_distances(points)
        for polygon in self._outside:
            room = np.minimum(room, -polygon.signed_distances(points))
        return room
