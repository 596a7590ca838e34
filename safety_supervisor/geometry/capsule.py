"""The smallest capsule around points that a search finds.

For a given axis and radius the shortest capsule is known in closed form; what remains, the axis (two angles, two
offsets) and the radius, is searched: axes of inertia and many directions first, then smaller and smaller random steps.
The result always holds every point; only how small it is depends on the search.
"""

from __future__ import annotations

import numpy as np

from safety_supervisor.core.geometry.shapes import Capsule
from safety_supervisor.core.units import Matrix, Vector
from safety_supervisor.geometry.distances import segment_distances

_WIDER = np.array([1.0, 1.005, 1.015, 1.03, 1.06, 1.1, 1.16, 1.25, 1.4])
"""Radii that are tried, over the smallest that holds the points across the axis: a wider one has flatter ends."""
_KEPT, _STEPS = 3, 32
_FIRST, _SMALLER, _LAST = 0.25, 0.82, 2e-3
"""The random steps: their size at first, what each round makes of it, and at last; of a direction of length 1."""


def fit_capsule(points: Matrix, chance: np.random.Generator, near: Capsule | None = None) -> Capsule:
    """Find a small capsule around points.

    Args:
        points: shape (n, 3), n >= 1, [m].
        chance: what the search draws from; the same state gives the same capsule.
        near: a capsule to begin from; without one, every direction is tried.

    Returns:
        A capsule that holds all points.
    """
    working = _extremes(points, chance)
    size = float(np.linalg.norm(np.ptp(working, axis=0))) or 1e-6
    directions, centres, scale = _beginnings(working, chance, near)
    volumes, segments = _shortest(working, directions, centres)
    order = np.argsort(volumes, kind="stable")[:_KEPT]
    directions, centres, volumes, segments = directions[order], centres[order], volumes[order], segments[order]
    while scale > _LAST:
        turned = _unit(np.repeat(directions, _STEPS, axis=0) + scale * chance.normal(size=(_STEPS * len(order), 3)))
        moved = np.repeat(centres, _STEPS, axis=0) + 0.25 * scale * size * chance.normal(size=turned.shape)
        tried, found = _shortest(working, turned, moved)
        for i in range(len(order)):
            own = slice(i * _STEPS, (i + 1) * _STEPS)
            best = int(np.argmin(tried[own])) + own.start
            if tried[best] < volumes[i]:
                directions[i], centres[i], volumes[i], segments[i] = turned[best], moved[best], tried[best], found[best]
        scale *= _SMALLER
    start, end = segments[int(np.argmin(volumes))]
    return enclose(start, end, points)


def enclose(start: Vector, end: Vector, points: Matrix, digits: int = 4, slack: float = 1e-4) -> Capsule:
    """Return the capsule around points whose axis is a segment, in numbers that a file can hold.

    Args:
        start: one end, shape (3,), [m].
        end: the other.
        points: what it must hold, shape (n, 3), [m].
        digits: decimals of the ends, and of the radius, which is rounded up.
        slack: added to the radius, so that neighbouring capsules overlap where both end, [m].
    """
    first, second = np.round(start, digits) + 0.0, np.round(end, digits) + 0.0
    needed = float(segment_distances(first, second, points).max()) + slack
    radius = float(np.ceil(needed * 10**digits) / 10**digits)
    (x, y, z), (u, v, w) = first.tolist(), second.tolist()
    return Capsule((x, y, z), (u, v, w), round(radius, digits))


def capsule_volume(capsule: Capsule) -> float:
    """Return the volume of a capsule, [m^3]."""
    length = float(np.linalg.norm(np.subtract(capsule.end, capsule.start)))
    return float(np.pi * capsule.radius**2 * (length + 4.0 / 3.0 * capsule.radius))


def _beginnings(points: Matrix, chance: np.random.Generator, near: Capsule | None) -> tuple[Matrix, Matrix, float]:
    """Return directions and points of the first axes, each shape (m, 3), and the size of the first steps."""
    if near is not None and near.start != near.end:
        start, end = np.array(near.start), np.array(near.end)
        return _unit((end - start)[None]), (start + end)[None] / 2, _FIRST / 2
    _, _, axes = np.linalg.svd(points - points.mean(axis=0), full_matrices=True)
    directions = _unit(np.vstack([axes, chance.normal(size=(48, 3))]))
    centre = (points.min(axis=0) + points.max(axis=0)) / 2
    return directions, np.repeat(centre[None], len(directions), axis=0), _FIRST


def _unit(vectors: Matrix) -> Matrix:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _extremes(points: Matrix, chance: np.random.Generator, most: int = 160) -> Matrix:
    """Return the points that lie farthest in some direction: those that shape a convex volume."""
    unique = np.unique(points, axis=0)
    if len(unique) <= most:
        return unique
    return np.asarray(unique[np.unique((unique @ _unit(chance.normal(size=(320, 3))).T).argmax(axis=0))])


def _shortest(points: Matrix, directions: Matrix, centres: Matrix) -> tuple[Vector, Matrix]:
    """Find the smallest capsule on each axis.

    A capsule of radius r on the axis holds a point at height t and distance d from it when its segment reaches into
    [t - w, t + w], w = sqrt(r^2 - d^2). So the segment goes from min(t + w) to max(t - w), or is a point between.

    Args:
        points: shape (n, 3), [m].
        directions: unit vectors, shape (m, 3).
        centres: a point on each axis, shape (m, 3), [m].

    Returns:
        Volumes, shape (m,), [m^3], and segments, shape (m, 2, 3), [m].
    """
    height = directions @ points.T - np.einsum("mi,mi->m", directions, centres)[:, None]
    offset = points[None] - centres[:, None]
    across = np.maximum(np.einsum("mni,mni->mn", offset, offset) - height**2, 0.0)
    radii = np.sqrt(across.max(axis=1))[:, None] * _WIDER + 1e-12
    reach = np.sqrt(np.maximum(radii[:, :, None] ** 2 - across[:, None], 0.0))
    low = (height[:, None] + reach).min(axis=2)
    high = (height[:, None] - reach).max(axis=2)
    middle = (low + high) / 2
    low, high = np.where(low > high, middle, low), np.where(low > high, middle, high)
    volumes = np.pi * radii**2 * (high - low + 4.0 / 3.0 * radii)
    best = volumes.argmin(axis=1)
    rows = np.arange(len(directions))
    ends = np.stack([low[rows, best], high[rows, best]], axis=1)
    return volumes[rows, best], centres[:, None] + ends[..., None] * directions[:, None]
