"""Tight convex polytopes with few corners, around points and around slices of a surface.

Begun as a box, the corner that is farthest from the points' convex hull is cut off by the plane that touches the hull
where it is nearest to that corner, until none is farther than allowed. Every plane leaves all points on one side, so
that each result holds them. A hollow surface is cut into slices by parallel planes, and each slice is held by one.
"""

from __future__ import annotations

import itertools
from typing import Any, Final

import coal
import numpy as np

from safety_supervisor.core.geometry.bodies import CORNERS, THINNEST, convex_hull, thickness
from safety_supervisor.core.geometry.shapes import Polytope
from safety_supervisor.core.units import Matrix, Vector
from safety_supervisor.geometry.partition import WORTH, protrusion

EXCESS: Final = 1e-3
"""Corners nearer to the surface's hull are not cut off, [m]."""
_PLACES: Final = 9
"""Places along an axis where a surface may be cut."""
_SEEN: Final = 1000
"""Triangles of a fine mesh that are enough to see how far polytopes stick out."""
DIGITS: Final = 4
"""Decimals of the corners, [m]."""
_WIDER: Final = 1.5e-4
"""How far each plane stands off, [m], so that corners that are rounded to `DIGITS` hold the points."""
_SAME: Final = 5e-5
"""Corners closer to each other are one, [m]."""


def fit_polytope(points: Matrix, excess: float, corners: int) -> Polytope | None:
    """Find a polytope around points.

    Args:
        points: shape (n, 3), [m].
        excess: how far no corner of it should be from the points' convex hull, [m].
        corners: most corners; the cutting ends before there are more.

    Returns:
        A polytope that holds all points; None where they lie in one plane, or nearly so, or where more corners of their
        hull are joined to one than Coal can count (255, as on the rim of a finely meshed disc).
    """
    if len(points) < 4 or not thickness(points) >= 10 * THINNEST:
        return None
    try:
        hull = convex_hull(points)
    except RuntimeError:
        return None
    outline = np.array(hull.points())
    normals = _box(outline)
    best = _corners(normals, outline)
    while True:
        farthest, direction = _farthest(hull, best)
        if farthest <= excess + 2 * _WIDER:
            break
        normals = np.vstack([normals, direction])
        tried = _corners(normals, outline)
        if len(tried) > corners:
            break
        best = tried
    return Polytope(tuple((x, y, z) for x, y, z in (np.round(best, DIGITS) + 0.0).tolist()))


def wrap_in_polytopes(triangles: Matrix, most: int) -> tuple[Polytope, ...]:
    """Find few, tight polytopes around a surface.

    Args:
        triangles: shape (t, 3, 3), [m].
        most: greatest number of polytopes; fewer are used where one more would bring little.

    Returns:
        Polytopes that together hold every triangle; none where a surface, or a slice of it, is flat.
    """
    points = triangles.reshape(-1, 3)
    whole = fit_polytope(points, EXCESS, CORNERS)
    if whole is None:
        return ()
    seen = triangles[:: max(1, len(triangles) // _SEEN)]
    best: tuple[Polytope, ...] = (whole,)
    least = protrusion(best, seen)
    for axis in np.eye(3) if most > 1 else ():
        height = points @ axis
        low, high = float(height.min()), float(height.max())
        borders: tuple[float, ...] = ()
        for count in range(2, most + 1):
            tried = []
            for border in np.linspace(low, high, _PLACES + 2)[1:-1].tolist():
                if border in borders:
                    continue
                places = tuple(sorted((*borders, border)))
                pieces = _slices(triangles, axis, (-np.inf, *places, np.inf), CORNERS)
                if pieces:
                    tried.append((protrusion(pieces, seen), places, pieces))
            if not tried:
                break
            sticking_out, borders, pieces = min(tried, key=lambda one: one[0])
            if sticking_out < WORTH ** (count - len(best)) * least:
                best, least = pieces, sticking_out
    return best


def _slices(triangles: Matrix, axis: Vector, borders: tuple[float, ...], corners: int) -> tuple[Polytope, ...]:
    """Wrap each slice of a surface between planes across an axis; none where a slice is flat."""
    found = []
    for low, high in itertools.pairwise(borders):
        piece = fit_polytope(_slice(triangles, axis, low, high), EXCESS, corners)
        if piece is None:
            return ()
        found.append(piece)
    return tuple(found)


def _slice(triangles: Matrix, axis: Vector, low: float, high: float) -> Matrix:
    """Return points whose hull holds what of a surface lies between two planes, shape (m, 3), [m]."""
    start, end = triangles.reshape(-1, 3), np.roll(triangles, -1, axis=1).reshape(-1, 3)
    first, last = start @ axis, end @ axis
    points = [start[(first >= low) & (first <= high)]]
    for border in (low, high):
        crossing = (first - border) * (last - border) < 0.0
        share = (border - first[crossing]) / (last[crossing] - first[crossing])
        points.append(start[crossing] + share[:, None] * (end[crossing] - start[crossing]))
    return np.concatenate(points)


def _box(outline: Matrix) -> Matrix:
    """Return the normals of the smaller of two boxes, along the frame's axes and along the principal ones."""
    _, _, principal = np.linalg.svd(outline - outline.mean(axis=0), full_matrices=False)
    axes = min((np.eye(3), principal), key=lambda rows: float(np.prod(np.ptp(outline @ rows.T, axis=0))))
    return np.vstack([axes, -axes])


def _corners(normals: Matrix, outline: Matrix) -> Matrix:
    """Return the corners between planes that touch the outline from outside, shape (m, 3), [m].

    Seen from a point inside, a plane at distance d with normal n is the point n / d, and each face of the hull of those
    points is a corner.
    """
    centre = (outline.min(axis=0) + outline.max(axis=0)) / 2
    centre = (centre + outline.mean(axis=0)) / 2
    away = (outline @ normals.T).max(axis=0) + _WIDER - normals @ centre
    dual = normals / away[:, None]
    hull = convex_hull(dual)
    points = np.array(hull.points())
    faces = points[[[hull.polygons(i)[k] for k in range(3)] for i in range(hull.num_polygons)]]
    planes = np.cross(faces[:, 1] - faces[:, 0], faces[:, 2] - faces[:, 0])
    offsets = np.einsum("fi,fi->f", planes, faces[:, 0])
    whole = np.abs(offsets) > 1e-9 * np.linalg.norm(planes, axis=1)
    found = planes[whole] / offsets[whole][:, None] + centre
    kept: list[Vector] = []
    for corner in found:
        if not kept or float(np.linalg.norm(np.array(kept) - corner, axis=1).min()) > _SAME:
            kept.append(corner)
    return np.array(kept)


def _farthest(hull: Any, corners: Matrix) -> tuple[float, Vector]:
    """Return how far the farthest corner is from the hull, [m], and the direction from there, shape (3,)."""
    point, request, result = coal.Sphere(0.0), coal.DistanceRequest(), coal.DistanceResult()
    here = coal.Transform3s(np.eye(3), np.zeros(3))
    farthest, direction = 0.0, np.zeros(3)
    for corner in corners:
        result.clear()
        place = coal.Transform3s(np.eye(3), corner)
        distance = float(coal.distance(hull, here, point, place, request, result))
        if distance > farthest:
            gap = corner - np.array(result.getNearestPoint1())
            farthest, direction = distance, gap / np.linalg.norm(gap)
    return farthest, direction
