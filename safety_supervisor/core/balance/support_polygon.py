"""Convex polygons of a plane, and how far inside of one a point lies.

The signed distance of a point to a convex set is its distance to the boundary: positive inside, negative outside. It
changes by no more than the point moves, and it is concave: along a straight way it is nowhere less than at the lower of
the two ends. A set without an inside, a point or a line, has no positive distance: nothing keeps a margin above 0.
"""

from __future__ import annotations

import math

import numpy as np

from safety_supervisor.core.units import Matrix, Vector


def convex_hull(points: Matrix) -> Matrix:
    """Return the corners of the convex hull, counter-clockwise, without points on its edges.

    Args:
        points: shape (m, 2), [m], m at least 1.

    Returns:
        Shape (k, 2), each of them one of `points`; k is 1 for a single place, 2 for a line.

    Raises:
        ValueError: when there is no point, or one that is not finite.

    Source: A. M. Andrew, Another efficient algorithm for convex hulls in two dimensions, 1979.
    """
    if points.ndim != 2 or points.shape[1] != 2 or not len(points) or not np.isfinite(points).all():
        raise ValueError("a polygon needs one point or more of a plane, all finite")
    ordered: list[tuple[float, float]] = sorted({(x + 0.0, y + 0.0) for x, y in points.tolist()})
    if len(ordered) == 1:
        return np.array(ordered)
    return np.array(_chain(ordered)[:-1] + _chain(ordered[::-1])[:-1])


def _chain(ordered: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the corners of one side of the hull, from the first point to the last."""
    chain: list[tuple[float, float]] = []
    for x, y in ordered:
        while len(chain) >= 2:
            (ax, ay), (bx, by) = chain[-2:]
            if (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0.0:
                break
            chain.pop()
        chain.append((x, y))
    return chain


class SupportPolygon:
    """The convex hull of some points, asked for signed distances.

    Attributes:
        corners: counter-clockwise, shape (k, 2), [m]; read-only.
    """

    def __init__(self, points: Matrix) -> None:
        """Span it.

        Args:
            points: shape (m, 2), [m].

        Raises:
            ValueError: when there is no point, or one that is not finite.
        """
        self.corners = convex_hull(points)
        self.corners.setflags(write=False)
        self._edges: Matrix = self.corners[[*range(1, len(self.corners)), 0]] - self.corners
        squares = (self._edges * self._edges).sum(axis=1)
        self._per_square: Vector = 1.0 / np.where(squares > 0.0, squares, 1.0)
        lengths = np.sqrt(squares)
        self._inward: Matrix = np.zeros((0, 2))
        self._offsets: Vector = np.zeros(0)
        if len(self.corners) > 2:
            self._inward = np.stack([-self._edges[:, 1], self._edges[:, 0]], axis=1) / lengths[:, None]
            self._offsets = (self._inward * self.corners).sum(axis=1)

    def signed_distances(self, points: Matrix) -> Vector:
        """Compute how far inside points lie.

        The least distance from the lines of the edges inside; minus the distance from the nearest edge outside.

        Args:
            points: shape (m, 2), [m].

        Returns:
            Shape (m,), [m]; never positive where the polygon is a line or a point; NaN where a point is not finite.
        """
        if math.isfinite(points.sum()):
            return self._signed(points)
        with np.errstate(invalid="ignore"):
            return self._signed(points)

    def _signed(self, points: Matrix) -> Vector:
        if not len(self._inward):
            return -self._outside(points)
        inside: Vector = (points @ self._inward.T - self._offsets).min(axis=1)
        if not inside.min(initial=0.0) >= 0.0:
            out = ~(inside >= 0.0)
            inside[out] = -self._outside(points[out])
        return inside

    def _outside(self, points: Matrix) -> Vector:
        """Return how far points are from the nearest edge, shape (m,), [m]."""
        along = points[:, None, :] - self.corners
        share = np.clip((along * self._edges).sum(axis=2) * self._per_square, 0.0, 1.0)
        along -= share[:, :, None] * self._edges
        distances: Vector = np.sqrt((along * along).sum(axis=2).min(axis=1))
        return distances
