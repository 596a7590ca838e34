"""Where the feet bear: the convex hull of contact points, and how far inside it a point lies."""

from __future__ import annotations

import numpy as np

from safety_supervisor_sim.oracle.limits import Array


def hull(points: Array) -> Array:
    """Return the corners of the convex hull, counter-clockwise, shape (k, 2).

    Args:
        points: shape (m, 2), m >= 1.

    Source: Andrew 1979, monotone chain.
    """
    rows: list[tuple[float, float]] = sorted(set(map(tuple, points.tolist())))
    if len(rows) < 3:
        return np.array(rows)

    def half(order: list[tuple[float, float]]) -> list[tuple[float, float]]:
        chain: list[tuple[float, float]] = []
        for x, y in order:
            while len(chain) > 1:
                (ax, ay), (bx, by) = chain[-2], chain[-1]
                if (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0.0:
                    break
                chain.pop()
            chain.append((x, y))
        return chain[:-1]

    return np.array(half(rows) + half(rows[::-1]))


def area(corners: Array) -> float:
    """Return the area of a hull, [m^2]; 0 of fewer than three corners."""
    if len(corners) < 3:
        return 0.0
    x, y = corners.T
    return 0.5 * float(x @ np.roll(y, -1) - y @ np.roll(x, -1))


def inside(point: Array, corners: Array) -> float:
    """Return how far a point lies inside a hull: its distance to the edge, negative outside, [m].

    Args:
        point: shape (2,).
        corners: as `hull` returns them. Of fewer than three nothing is inside.
    """
    first, last = corners, np.roll(corners, -1, axis=0)
    edge = last - first
    length = np.maximum(np.square(edge).sum(axis=1), 1e-18)
    share = np.clip(((point - first) * edge).sum(axis=1) / length, 0.0, 1.0)
    away = float(np.sqrt(np.square(first + share[:, None] * edge - point).sum(axis=1)).min())
    left = edge[:, 0] * (point - first)[:, 1] - edge[:, 1] * (point - first)[:, 0]
    return away if len(corners) > 2 and bool((left >= 0.0).all()) else -away
