"""How far a surface sticks out of its volumes: a bound from both sides, not a sample.

The distance of a point from a convex shape is a convex function, so over a triangle it is at most its greatest value at
the three corners. Hence

    excess of a triangle <= min over shapes of (max over corners of distance)

which is exact when one shape is nearest to all of it. Where corners lie in *different* shapes the bound is loose, and
the triangle is halved until it is tight: corners inside alone would prove nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from safety_supervisor.core.geometry.shapes import BoundedShape, Point
from safety_supervisor.core.units import Matrix
from safety_supervisor.geometry.distances import lower_distances, signed_distances
from safety_supervisor.geometry.partition import halve

TOLERANCE: Final = 1e-6
"""What sticks out less is rounding, [m]."""
_RESOLUTION: Final = 1e-5
"""Bounds this close together are told as one, [m]."""
_MOST: Final = 3_000_000
"""Triangles that are looked at, halves included."""
_BATCH: Final = 50_000


@dataclass(frozen=True)
class Coverage:
    """How far a surface sticks out of a union of shapes.

    Attributes:
        least: proven: some point sticks out by so much, [m]; 0 when none was found.
        most: proven: no point sticks out by more, [m].
        where: the point that sticks out by `least`.
        triangles: of so many of the surface's triangles a part was seen to stick out.
    """

    least: float
    most: float
    where: Point
    triangles: int

    @property
    def inside(self) -> bool:
        """Whether the surface is proven to lie inside, up to rounding."""
        return self.most <= TOLERANCE


def measure_coverage(
    shapes: Sequence[BoundedShape], triangles: Matrix, seen: Callable[[int], None] = lambda _count: None
) -> Coverage:
    """Bound how far triangles stick out of shapes.

    Args:
        shapes: at least one.
        triangles: shape (t, 3, 3), [m].
        seen: told the number of triangles that were finished, for a progress bar.

    Returns:
        Bounds of the greatest excess; they differ by more than 0.01 mm only when the surface has millions of pieces
        that straddle shapes. A distance that is not finite makes `most` infinite.
    """
    least, most, looked = 0.0, 0.0, 0
    where: Point = (0.0, 0.0, 0.0)
    sticking: set[int] = set()
    numbers = np.arange(len(triangles))
    starts = range(0, len(triangles), _BATCH)
    work = [(triangles[i : i + _BATCH], numbers[i : i + _BATCH]) for i in reversed(starts)]

    def apart(of: Matrix) -> Matrix:
        return np.stack([signed_distances(shape, of) for shape in shapes])

    while work:
        pieces, owners = work.pop()
        looked += len(pieces)
        # Exact distances take most of the time; where bounds from below say enough they are not asked for.
        quick = np.stack([lower_distances(shape, pieces) for shape in shapes])
        if not np.isfinite(quick).all():
            # Every comparison below would be false for what is no number, and so say that it is inside.
            return Coverage(least, math.inf, where, len(sticking))
        bounds = quick.max(axis=2).min(axis=0)
        outside = (quick.min(axis=0) > 0.0).any(axis=1)  # a corner that no shape holds
        if outside.any():
            distances = apart(pieces[outside])
            corners = distances.min(axis=0)
            bounds[outside] = distances.max(axis=2).min(axis=0)
            sticking.update(owners[outside][(corners > TOLERANCE).any(axis=1)].tolist())
            row, corner = np.unravel_index(int(corners.argmax()), corners.shape)
            if corners[row, corner] > max(least, TOLERANCE):
                least = float(corners[row, corner])
                x, y, z = pieces[outside][row, corner].tolist()
                where = (x, y, z)
        size = np.linalg.norm(pieces - np.roll(pieces, -1, axis=1), axis=2).max(axis=1)
        limit = max(least + _RESOLUTION if least else 0.0, TOLERANCE)
        # One shape holds it whole, or not even the bound from below is little enough: decided. Else the bound counts.
        counts = ~outside & (bounds > 0.0) & ((bounds <= limit) | (size < TOLERANCE) | (looked > _MOST))
        if counts.any():
            bounds[counts] = apart(pieces[counts]).max(axis=2).min(axis=0)
        if not np.isfinite(bounds).all():
            return Coverage(least, math.inf, where, len(sticking))
        # What is proven inside, or proven not to matter beside the worst, is finished.
        open_ones = bounds > limit
        tiny = open_ones & (size < TOLERANCE)
        finished = ~open_ones | tiny
        if finished.any():
            most = max(most, float(bounds[finished].max()))
        open_ones &= ~tiny
        seen(int(finished.sum()))
        if open_ones.any():
            if looked > _MOST:
                most = max(most, float(bounds[open_ones].max()))
                continue
            halves, rows = halve(pieces[open_ones]), np.tile(owners[open_ones], 2)
            work += [(halves[i : i + _BATCH], rows[i : i + _BATCH]) for i in range(0, len(halves), _BATCH)]
    return Coverage(least, max(least, most), where, len(sticking))
