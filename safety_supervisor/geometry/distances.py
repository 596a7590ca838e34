"""Signed distances of points from shapes: negative inside, zero on the surface, exact on both sides.

The signed distance of a convex shape is a convex function, so on a triangle it is greatest at a corner: what holds
the three corners of a triangle holds the triangle. Formulas: I. Quilez, "Distance functions", 2008 to 2024.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from safety_supervisor.core.geometry.bodies import convex_hull
from safety_supervisor.core.geometry.shapes import BoundedShape, Box, Capsule, Cylinder, Point, Polytope, Sphere
from safety_supervisor.core.units import Matrix, Vector


def signed_distances(shape: BoundedShape, points: Matrix) -> Vector:
    """Compute the distance of points from a shape.

    Args:
        shape: the shape.
        points: shape (..., 3), [m], in the shape's frame.

    Returns:
        Shape (...), [m], negative inside. A polytope's is exact outside and on the surface.
    """
    flat: Matrix = np.asarray(points, dtype=np.float64).reshape(-1, 3)
    return _flat_distances(shape, flat).reshape(points.shape[:-1])


def lower_distances(shape: BoundedShape, points: Matrix) -> Vector:
    """Bound the distance of points from a shape from below, with its sign: what `signed_distances` says, or sooner.

    A polytope's is that from the planes of its faces, which takes a small part of the time.

    Args:
        shape: the shape.
        points: shape (..., 3), [m], in the shape's frame.

    Returns:
        Shape (...), [m]; not positive exactly where `signed_distances` is not.
    """
    flat: Matrix = np.asarray(points, dtype=np.float64).reshape(-1, 3)
    found = _plane_distances(shape, flat) if isinstance(shape, Polytope) else _flat_distances(shape, flat)
    return found.reshape(points.shape[:-1])


def _flat_distances(shape: BoundedShape, points: Matrix) -> Vector:
    match shape:
        case Sphere():
            return np.asarray(np.linalg.norm(points - np.array(shape.centre), axis=1) - shape.radius)
        case Capsule():
            return segment_distances(np.array(shape.start), np.array(shape.end), points) - shape.radius
        case Cylinder():
            start, end = np.array(shape.start), np.array(shape.end)
            length = float(np.linalg.norm(end - start))
            along = (points - (start + end) / 2) @ ((end - start) / length)
            across = np.linalg.norm(points - (start + end) / 2 - np.outer(along, (end - start) / length), axis=1)
            return _from_excess(np.stack([across - shape.radius, np.abs(along) - length / 2], axis=1))
        case Box():
            inside = (points - np.array(shape.centre)) @ rotation(shape.rpy)
            return _from_excess(np.abs(inside) - np.array(shape.size) / 2)
        case Polytope():
            return _polytope_distances(shape, points)
    raise TypeError(f"{type(shape).__name__} is no shape that wraps a link")


def segment_distances(start: Vector, end: Vector, points: Matrix) -> Vector:
    """Compute the distances of points, shape (n, 3), from a segment, [m]; the segment may be a point."""
    direction = end - start
    squared = float(direction @ direction)
    offset = points - start
    if squared == 0.0:
        return np.asarray(np.linalg.norm(offset, axis=1))
    nearest = np.clip(offset @ direction / squared, 0.0, 1.0)
    return np.asarray(np.linalg.norm(offset - nearest[:, None] * direction, axis=1))


def rotation(rpy: Point) -> Matrix:
    """Return the rotation of roll, pitch, yaw about the fixed axes x, y, z, shape (3, 3), as in a URDF."""
    (cr, cp, cy), (sr, sp, sy) = np.cos(rpy), np.sin(rpy)
    return np.array(
        [
            [cy * cp, cy * sp * sr - sy * cr, cy * sp * cr + sy * sr],
            [sy * cp, sy * sp * sr + cy * cr, sy * sp * cr - cy * sr],
            [-sp, cp * sr, cp * cr],
        ]
    )


def _from_excess(excess: Matrix) -> Vector:
    """Join how far points are beyond each pair of faces, shape (n, k)."""
    outside = np.linalg.norm(np.maximum(excess, 0.0), axis=1)
    return np.asarray(outside + np.minimum(excess.max(axis=1), 0.0))


def _plane_distances(shape: Polytope, points: Matrix) -> Vector:
    faces = hull_faces(shape)
    normals = np.cross(faces[:, 1] - faces[:, 0], faces[:, 2] - faces[:, 0])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    offsets = np.einsum("fi,fi->f", normals, faces[:, 0])
    distances: Vector = (points @ normals.T - offsets).max(axis=1)
    return distances


def _polytope_distances(shape: Polytope, points: Matrix) -> Vector:
    distances = _plane_distances(shape, points)
    outside = distances > 0.0
    if outside.any():
        distances[outside] = triangle_distances(hull_faces(shape), points[outside])
    return distances


@lru_cache(maxsize=64)
def hull_faces(shape: Polytope) -> Matrix:
    """Return the faces of a polytope, corners counter-clockwise seen from outside, shape (f, 3, 3), [m].

    Raises:
        ValueError: its vertices lie in one plane.
    """
    hull = convex_hull(np.array(shape.vertices))
    vertices = np.array(hull.points())
    faces = vertices[[[hull.polygons(i)[k] for k in range(3)] for i in range(hull.num_polygons)]]
    normals = np.cross(faces[:, 1] - faces[:, 0], faces[:, 2] - faces[:, 0])
    inward = np.einsum("fi,fi->f", normals, faces[:, 0] - vertices.mean(axis=0)) < 0.0
    faces[inward] = faces[inward][:, ::-1]
    kept: Matrix = faces[np.linalg.norm(normals, axis=1) > 0.0]
    kept.setflags(write=False)
    return kept


def triangle_distances(triangles: Matrix, points: Matrix, block: int = 500_000) -> Vector:
    """Compute the distance of each point from the nearest of many triangles.

    Args:
        triangles: shape (t, 3, 3), [m].
        points: shape (n, 3), [m].
        block: pairs that are computed at once.

    Returns:
        Shape (n,), [m].
    """
    step = max(1, block // max(1, len(triangles)))
    parts = [_nearest(triangles, points[i : i + step]) for i in range(0, len(points), step)]
    return np.concatenate(parts) if parts else np.zeros(0)


def _nearest(triangles: Matrix, points: Matrix) -> Vector:
    """Where the foot of a point lies inside the triangle its plane counts, else the nearest of the edges."""
    best = np.full((len(points), len(triangles)), np.inf)
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    lengths = np.linalg.norm(normals, axis=1)
    flat = lengths > 1e-15
    unit = normals / np.where(flat, lengths, 1.0)[:, None]
    height = points @ unit.T - np.einsum("ti,ti->t", unit, triangles[:, 0])
    inside = np.broadcast_to(flat, best.shape).copy()
    for k in range(3):
        corner, edge = triangles[:, k], triangles[:, (k + 1) % 3] - triangles[:, k]
        squared = np.maximum(np.einsum("ti,ti->t", edge, edge), 1e-30)
        offset = points[:, None] - corner
        along = np.clip(np.einsum("nti,ti->nt", offset, edge) / squared, 0.0, 1.0)
        np.minimum(best, np.linalg.norm(offset - along[..., None] * edge, axis=2), out=best)
        inside &= np.einsum("nti,ti->nt", offset, np.cross(unit, edge)) >= 0.0
    return np.asarray(np.where(inside, np.abs(height), best).min(axis=1))
