"""Triangles around shapes: for drawing, and where a primitive of the URDF must be held by other volumes."""

from __future__ import annotations

import numpy as np

from safety_supervisor.core.geometry.shapes import BoundedShape, Box, Capsule, Cylinder, Polytope, Sphere
from safety_supervisor.core.units import Matrix, Vector
from safety_supervisor.geometry.distances import hull_faces, rotation

_AROUND, _UP = 24, 7


def tessellate(shape: BoundedShape, outside: bool = True) -> Matrix:
    """Return triangles of a shape's surface.

    Args:
        shape: the shape.
        outside: round shapes are wrapped, by corners beyond the surface, so that what holds the triangles holds the
            shape; else the corners lie on the surface.

    Returns:
        Shape (t, 3, 3), [m], counter-clockwise seen from outside.
    """
    match shape:
        case Sphere():
            return _revolve(np.array(shape.centre), np.array(shape.centre), shape.radius, True, outside)
        case Capsule():
            return _revolve(np.array(shape.start), np.array(shape.end), shape.radius, True, outside)
        case Cylinder():
            return _revolve(np.array(shape.start), np.array(shape.end), shape.radius, False, outside)
        case Box():
            signs = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
            corners = signs * np.array(shape.size) @ rotation(shape.rpy).T + np.array(shape.centre)
            quads = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
            return np.array([corners[[a, b, c]] for p, q, r, s in quads for a, b, c in ((p, q, r), (p, r, s))])
        case Polytope():
            return hull_faces(shape)
    raise TypeError(f"{type(shape).__name__} has no surface to draw")


def axes_about(direction: Vector) -> tuple[Vector, Vector]:
    """Return two unit vectors, each shape (3,), that make a right-handed frame with a unit vector."""
    first = np.cross(direction, np.eye(3)[int(np.argmin(np.abs(direction)))])
    first /= np.linalg.norm(first)
    return first, np.cross(direction, first)


def _revolve(start: Vector, end: Vector, radius: float, round_ends: bool, outside: bool) -> Matrix:
    """Turn a profile about the axis from start to end; rings of corners, joined by triangles."""
    length = float(np.linalg.norm(end - start))
    direction = (end - start) / length if length > 0.0 else np.array([0.0, 0.0, 1.0])
    first, second = axes_about(direction)
    # The faces of a polyhedron whose corners are pushed out by these factors touch the round surface from outside.
    wider = radius / np.cos(np.pi / _AROUND) if outside else radius
    if round_ends:
        angles = np.linspace(0.0, np.pi / 2, _UP)
        steep = 1.0 / np.cos(np.pi / 4 / (_UP - 1)) if outside else 1.0
        cap = [(wider * steep * np.cos(a), radius * steep * np.sin(a)) for a in angles]
        profile = [(r, -h) for r, h in reversed(cap)] + [(r, length + h) for r, h in cap]
    else:
        profile = [(0.0, 0.0), (wider, 0.0), (wider, length), (0.0, length)]
    turns = np.linspace(0.0, 2 * np.pi, _AROUND, endpoint=False)
    circle = np.outer(np.cos(turns), first) + np.outer(np.sin(turns), second)
    rings = np.array([start + h * direction + r * circle for r, h in profile])
    after = np.roll(rings, -1, axis=1)
    lower, upper = rings[:-1], rings[1:]
    quads = np.stack([lower, after[:-1], after[1:], upper], axis=2).reshape(-1, 4, 3)
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    areas = np.linalg.norm(np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]), axis=1)
    return np.asarray(triangles[areas > 1e-14])
