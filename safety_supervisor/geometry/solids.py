"""Shapes as what viewers can draw: balls, cylinders, boxes and triangles."""

from __future__ import annotations

from collections import defaultdict
from typing import Final, Literal, NamedTuple

import numpy as np

from safety_supervisor.core.geometry.bodies import coal_body
from safety_supervisor.core.geometry.shapes import Box, Capsule, Cylinder, HalfSpace, Polytope, Shape, Sphere
from safety_supervisor.core.units import Matrix, Vector
from safety_supervisor.geometry.tessellation import axes_about, tessellate

SHOWN: Final = 3.0
"""Side of the square of a half-space that is drawn, around the point nearest to the base, [m]."""
_THICK: Final = 0.005  # [m]
_FLAT: Final = 1e-6  # two faces with normals so alike have no edge between them
_NONE: Final = np.zeros((0, 3, 3))


class Solid(NamedTuple):
    """A part of a shape.

    Attributes:
        kind: what to draw; a cylinder stands along z, triangles are in the shape's own frame.
        turn: rotation in the frame of the shape, shape (3, 3).
        centre: shape (3,), [m].
        size: extent along x, y and z, shape (3,), [m]; 1 for triangles.
        triangles: shape (t, 3, 3), [m], of that kind alone.
    """

    kind: Literal["sphere", "cylinder", "box", "triangles"]
    turn: Matrix
    centre: Vector
    size: Vector
    triangles: Matrix = _NONE


def solids(shape: Shape) -> tuple[Solid, ...]:
    """Return the parts that together are a shape; of a half-space, a piece of its face."""
    if isinstance(shape, Polytope):
        return (Solid("triangles", np.eye(3), np.zeros(3), np.ones(3), tessellate(shape, outside=False)),)
    if isinstance(shape, HalfSpace):
        return (_face(shape),)
    placement = coal_body(shape).placement
    turn, centre = np.array(placement.rotation), np.array(placement.translation)
    match shape:
        case Sphere():
            return (_ball(centre, shape.radius),)
        case Box():
            return (Solid("box", turn, centre, np.array(shape.size)),)
        case Capsule() | Cylinder():
            length = float(np.linalg.norm(np.subtract(shape.end, shape.start)))
            width = 2 * shape.radius
            rod = Solid("cylinder", turn, centre, np.array([width, width, length]))
            if isinstance(shape, Cylinder):
                return (rod,)
            ends = tuple(_ball(np.array(end), shape.radius) for end in (shape.start, shape.end))
            return ends if length == 0.0 else (rod, *ends)


def surface(shape: Shape) -> Matrix:
    """Return triangles of a shape's surface, shape (t, 3, 3), [m]; of a half-space, of a piece of its face."""
    if not isinstance(shape, HalfSpace):
        return tessellate(shape, outside=False)
    face = _face(shape)
    corners = np.array([[-0.5, -0.5, 0.5], [0.5, -0.5, 0.5], [0.5, 0.5, 0.5], [-0.5, 0.5, 0.5]])
    placed = (corners * face.size) @ face.turn.T + face.centre
    return placed[[[0, 1, 2], [0, 2, 3]]]


def edges(triangles: Matrix) -> Matrix:
    """Return the edges between faces of a convex surface, shape (k, 2, 3), from its triangles, shape (t, 3, 3), [m]."""
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    sides: dict[tuple[tuple[float, ...], ...], list[int]] = defaultdict(list)
    for number, triangle in enumerate(np.round(triangles, 9)):
        corners = [tuple(corner) for corner in triangle.tolist()]
        for first, second in zip(corners, corners[1:] + corners[:1], strict=True):
            sides[tuple(sorted((first, second)))].append(number)
    found = [
        side
        for side, faces in sides.items()
        if len(faces) == 1 or any(normals[faces[0]] @ normals[other] < 1.0 - _FLAT for other in faces[1:])
    ]
    return np.array(found, dtype=np.float64).reshape(-1, 2, 3)


def _ball(centre: Vector, radius: float) -> Solid:
    return Solid("sphere", np.eye(3), centre, np.full(3, 2 * radius))


def _face(shape: HalfSpace) -> Solid:
    """Return a thin board whose upper side is the face."""
    normal = np.array(shape.normal)
    turn = np.column_stack([*axes_about(normal), normal])
    return Solid("box", turn, normal * (shape.offset - _THICK / 2), np.array([SHOWN, SHOWN, _THICK]))
