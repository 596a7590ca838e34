"""Shapes as Coal's geometry, and as balls.

Coal measures distances between convex bodies. What a joint can do to a body is bounded from balls: a body lies in the
convex hull of its `hull_balls`, and of all points of a convex hull the fastest is one of those that span it, because
the velocity of a rigid body is an affine function of the point.
"""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import Any, Final, NamedTuple

import coal
import numpy as np
import pinocchio as pin

from safety_supervisor.core.geometry.shapes import (
    Ball,
    BoundedShape,
    Box,
    Capsule,
    Cylinder,
    HalfSpace,
    Polytope,
    Shape,
    Sphere,
)
from safety_supervisor.core.units import Matrix, Vector

THINNEST: Final = 1e-4
"""Least thickness of a polytope, [m]; Coal ends the process on coplanar points."""

CORNERS: Final = 32
"""Most corners of a polytope. With more, Coal looks for the farthest corner from where the query before ended, and
distances depend on history: by 1.4e-6 m, measured with coal 3.0.3."""

_SAME_PLANE: Final = 1e-9

_WIDER: Final = 1.0 + 1e-9
"""Widens a radius by more than its rounding error."""

FINE: Final = 0.01
"""Greatest radius of the balls that `few_balls` puts around corners of a polytope, [m]."""


class Body(NamedTuple):
    """A body for Coal.

    Attributes:
        geometry: Coal's shape.
        placement: of the shape's own frame in the frame that the shape was given in (pinocchio.SE3).
    """

    geometry: Any
    placement: Any


@lru_cache(maxsize=1024)
def coal_body(shape: Shape) -> Body:
    """Return Coal's geometry of a shape; the same object for an equal one, for hulls take long: not to be changed."""
    match shape:
        case Sphere():
            return Body(coal.Sphere(shape.radius), _at(np.array(shape.centre)))
        case Capsule():
            return Body(coal.Capsule(shape.radius, _length(shape)), _along(shape))
        case Cylinder():
            return Body(coal.Cylinder(shape.radius, _length(shape)), _along(shape))
        case Box():
            placement = pin.SE3(pin.rpy.rpyToMatrix(np.array(shape.rpy)), np.array(shape.centre))
            return Body(coal.Box(*shape.size), placement)
        case HalfSpace():
            return Body(coal.Halfspace(np.array(shape.normal), shape.offset), pin.SE3.Identity())
        case Polytope():
            return Body(convex_hull(np.array(shape.vertices)), pin.SE3.Identity())


def _at(centre: Vector) -> Any:
    return pin.SE3(np.eye(3), centre)


def _length(shape: Capsule | Cylinder) -> float:
    return float(np.linalg.norm(np.subtract(shape.end, shape.start)))


def _along(shape: Capsule | Cylinder) -> Any:
    """Return the placement that turns z along the shape's line."""
    start, end = np.array(shape.start), np.array(shape.end)
    way = end - start
    length = float(np.linalg.norm(way))
    if length == 0.0:
        return _at(start)
    turn = pin.Quaternion.FromTwoVectors(np.array([0.0, 0.0, 1.0]), way / length).toRotationMatrix()
    return pin.SE3(turn, (start + end) / 2)


def thickness(points: Matrix) -> float:
    """Return the extent of points, shape (m, 3), along the direction of their least spread, [m]."""
    away = points - points.mean(axis=0)
    thinnest = np.linalg.svd(away, full_matrices=False)[2][-1]
    return float(np.ptp(away @ thinnest))


def convex_hull(points: Matrix) -> Any:
    """Return Coal's convex hull of points, shape (m, 3), [m].

    Raises:
        ValueError: they lie in one plane.
    """
    if not thickness(points) >= THINNEST:
        raise ValueError("a polytope's vertices lie in one plane")
    vertices = coal.StdVec_Vec3s()
    for point in points:
        vertices.append(point)
    return coal.Convex.convexHull(vertices, True, "Qt")


def faces(shape: Box | Polytope) -> tuple[HalfSpace, ...]:
    """Return the half-spaces outside the faces of a convex shape: what is in none of them is inside."""
    if isinstance(shape, Box):
        placement = coal_body(shape).placement
        sides = [
            (sign * axis, size) for axis, size in zip(placement.rotation.T, shape.size, strict=True) for sign in (1, -1)
        ]
        planes = [(normal, float(normal @ placement.translation) + size / 2) for normal, size in sides]
    else:
        planes = _planes(np.array(shape.vertices))
    return tuple(HalfSpace((-float(n[0]), -float(n[1]), -float(n[2])), -offset) for n, offset in planes)


def _planes(points: Matrix) -> list[tuple[Vector, float]]:
    """Return outward normal and offset of each face of a convex hull."""
    hull = convex_hull(points)
    corners = np.array(hull.points())
    middle = corners.mean(axis=0)
    planes: list[tuple[Vector, float]] = []
    for index in range(hull.num_polygons):
        triangle = hull.polygons(index)
        a, b, c = (corners[triangle[i]] for i in range(3))
        normal = np.cross(b - a, c - a)
        length = float(np.linalg.norm(normal))
        if length == 0.0:
            continue
        normal = normal / length * (1.0 if normal @ (a - middle) > 0.0 else -1.0)
        # The plane that touches the hull: no vertex is cut off by rounding.
        offset = float((corners @ normal).max())
        known = any(abs(offset - other) < _SAME_PLANE and np.abs(normal - n).max() < _SAME_PLANE for n, other in planes)
        if not known:
            planes.append((normal, offset))
    return planes


def hull_balls(shape: BoundedShape) -> tuple[Ball, ...]:
    """Return balls whose convex hull holds the shape."""
    match shape:
        case Sphere():
            return (shape.ball(),)
        case Capsule() | Cylinder():
            return (Ball(shape.start, shape.radius), Ball(shape.end, shape.radius))
        case Polytope():
            return tuple(Ball(vertex, 0.0) for vertex in shape.vertices)
        case Box():
            placement, half = coal_body(shape).placement, np.array(shape.size) / 2
            corners = [placement.act(half * signs) for signs in itertools.product((-1.0, 1.0), repeat=3)]
            return tuple(Ball((float(x), float(y), float(z)), 0.0) for x, y, z in corners)


@lru_cache(maxsize=1024)
def few_balls(shape: BoundedShape) -> tuple[Ball, ...]:
    """Return balls whose convex hull holds the shape, for what is asked in every cycle: fewer than `hull_balls`.

    Corners of a polytope that lie close together are held by one ball of radius `FINE` at most: what moves them is
    bounded from above, by what turns the link through its radius at most.
    """
    if not isinstance(shape, Polytope):
        return hull_balls(shape)
    left = np.array(shape.vertices)
    middle = left.mean(axis=0)
    balls: list[Ball] = []
    while len(left):
        first = left[np.linalg.norm(left - middle, axis=1).argmax()]
        low, high, radius = first, first, 0.0
        away = np.linalg.norm(left - first, axis=1)
        taken = np.zeros(len(left), dtype=bool)
        for index in away.argsort(kind="stable").tolist():
            if away[index] > 2.0 * FINE:
                break
            lower, upper = np.minimum(low, left[index]), np.maximum(high, left[index])
            corners = left[taken | (np.arange(len(left)) == index)]
            needed = float(np.linalg.norm(corners - (lower + upper) / 2, axis=1).max())
            if needed <= FINE:
                taken[index], low, high, radius = True, lower, upper, needed
        x, y, z = ((low + high) / 2).tolist()
        balls.append(Ball((x, y, z), radius * _WIDER))
        left = left[~taken]
    return tuple(balls)
