"""Several capsules around a surface, each triangle wholly inside one of them.

A capsule is convex, so one that holds the corners of a triangle holds the triangle. Corners in *different* capsules
prove nothing: the triangle between them may stick out. So large triangles are cut first, and each small one belongs to
one capsule with all its corners.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.geometry.shapes import BoundedShape, Box, Capsule, Polytope, Sphere
from safety_supervisor.core.units import Matrix
from safety_supervisor.geometry.capsule import capsule_volume, fit_capsule
from safety_supervisor.geometry.distances import signed_distances, triangle_distances
from safety_supervisor.geometry.tessellation import tessellate

_PIECES = 14
"""Longest edge after cutting, as a part of the surface's size."""
_FACE_PIECES = 6
"""The same of a flat face, to see how far it is from the surface."""
_MOST_PIECES = 60_000
WORTH = 0.85
"""One capsule more must bring the protrusion below this part."""
_KEPT = 5
"""Beginnings that are worked out."""


def cut(triangles: Matrix, longest: float, most: int = _MOST_PIECES) -> Matrix:
    """Halve triangles at their longest edge until none is longer.

    Args:
        triangles: shape (t, 3, 3), [m].
        longest: length that no edge should exceed, [m].
        most: stop at so many; longer ones are then left.

    Returns:
        The same surface, shape (n, 3, 3), [m].
    """
    done: list[Matrix] = []
    open_ones, count = triangles, len(triangles)
    while len(open_ones) and count < most:
        edges = np.linalg.norm(open_ones - np.roll(open_ones, -1, axis=1), axis=2)
        long = edges.max(axis=1) > longest
        done.append(open_ones[~long])
        open_ones = halve(open_ones[long])
        count = sum(map(len, done)) + len(open_ones)
    return np.concatenate([*done, open_ones])


def halve(triangles: Matrix) -> Matrix:
    """Cut each triangle at the middle of its longest edge, shape (t, 3, 3) to (2 t, 3, 3)."""
    edges = np.linalg.norm(triangles - np.roll(triangles, -1, axis=1), axis=2)
    order = (edges.argmax(axis=1)[:, None] + np.arange(3)) % 3
    a, b, c = np.moveaxis(np.take_along_axis(triangles, order[:, :, None], axis=1), 1, 0)
    middle = (a + b) / 2
    return np.concatenate([np.stack([a, middle, c], axis=1), np.stack([middle, b, c], axis=1)])


def wrap(triangles: Matrix, most: int, chance: np.random.Generator) -> tuple[Capsule | Sphere, ...]:
    """Find few, tight capsules around a surface; one whose line is a point is a sphere.

    Args:
        triangles: shape (t, 3, 3), [m].
        most: greatest number of capsules; fewer are used where one more would bring little.
        chance: what the search draws from.

    Returns:
        Capsules that together hold every triangle, each triangle's pieces wholly in one of them.
    """
    corners = triangles.reshape(-1, 3)
    size = float(np.linalg.norm(np.ptp(corners, axis=0)))
    pieces = cut(triangles, max(size / _PIECES, 1e-4))
    middles = (pieces.min(axis=1) + pieces.max(axis=1)) / 2
    best: tuple[Capsule, ...] = (fit_capsule(corners, chance),)
    least = protrusion(best, triangles)
    for count in range(2, most + 1):
        begun = [_begin(owners, pieces, chance) for owners in _splits(middles, count, chance)]
        begun.sort(key=lambda capsules: protrusion(capsules, triangles))
        for capsules in [*begun[:1], *(_shrink(capsules, pieces, chance) for capsules in begun[:_KEPT])]:
            sticking_out = protrusion(capsules, triangles)
            if sticking_out < WORTH ** (len(capsules) - len(best)) * least:
                best, least = capsules, sticking_out
    return tuple(Sphere(one.start, one.radius) if one.start == one.end else one for one in best)


def protrusion(shapes: Sequence[BoundedShape], triangles: Matrix) -> float:
    """Return how far the union of shapes sticks out beyond a surface, seen at points of the shapes' surfaces, [m]."""
    farthest = 0.0
    for one in shapes:
        faces = tessellate(one, outside=False)
        if isinstance(one, Box | Polytope):  # over a hollow the middle of a face is farther than its corners
            faces = cut(faces, float(np.linalg.norm(np.ptp(faces.reshape(-1, 3), axis=0))) / _FACE_PIECES)
        points = np.unique(faces.reshape(-1, 3), axis=0)
        for other in shapes:
            if other is not one and len(points):
                points = points[signed_distances(other, points) > 0.0]
        if len(points):
            farthest = max(farthest, float(triangle_distances(triangles, np.unique(points, axis=0)).max()))
    return farthest


def _splits(middles: Matrix, count: int, chance: np.random.Generator) -> list[NDArray[np.intp]]:
    """Return first assignments of pieces to capsules: slabs along the principal axes, and nearest centres."""
    found = []
    _, _, axes = np.linalg.svd(middles - middles.mean(axis=0), full_matrices=False)
    for axis in axes:
        height = middles @ axis
        borders = np.linspace(height.min(), height.max(), count + 1)[1:-1]
        found.append(np.searchsorted(borders, height))
    for _ in range(6):
        centres = middles[chance.choice(len(middles), count, replace=False)] if len(middles) >= count else middles
        for _ in range(8):
            owners = np.linalg.norm(middles[:, None] - centres, axis=2).argmin(axis=1)
            centres = np.array(
                [middles[owners == i].mean(axis=0) if (owners == i).any() else centres[i] for i in range(len(centres))]
            )
        found.append(owners)
    return [np.asarray(owners, dtype=np.intp) for owners in found]


def _begin(owners: NDArray[np.intp], pieces: Matrix, chance: np.random.Generator) -> tuple[Capsule, ...]:
    """Fit a capsule to each group of pieces."""
    groups = (pieces[owners == i].reshape(-1, 3) for i in range(int(owners.max()) + 1))
    return tuple(fit_capsule(own, chance) for own in groups if len(own))


def _shrink(
    capsules: tuple[Capsule, ...], pieces: Matrix, chance: np.random.Generator, rounds: int = 6
) -> tuple[Capsule, ...]:
    """Fit each capsule again to the pieces that no other one holds, until nothing changes.

    No capsule ever grows, and after every step each piece lies in one of them.
    """
    left = list(capsules)
    for _ in range(rounds):
        changed = False
        for one in list(left):
            holds = [(signed_distances(other, pieces) <= 0.0).all(axis=1) for other in left if other is not one]
            needed = pieces[~np.any(holds, axis=0)] if holds else pieces
            smaller = fit_capsule(needed.reshape(-1, 3), chance, one) if len(needed) else None
            if smaller is None:
                left.remove(one)
            elif capsule_volume(smaller) < 0.99 * capsule_volume(one):
                left[left.index(one)] = smaller
            else:
                continue
            changed = True
        if not changed:
            break
    return tuple(left)
