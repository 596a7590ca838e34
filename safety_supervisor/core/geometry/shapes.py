"""Convex shapes that wrap links and describe the cell, in the frame of the link or the base that they belong to.

A bounded one knows a ball that holds it. What a joint can move it is bounded in the core from several smaller balls,
`core.geometry.bodies.hull_balls`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

Point: TypeAlias = tuple[float, float, float]
"""x, y, z, [m]; directions without unit."""


@dataclass(frozen=True)
class Ball:
    """The bounding ball of a shape."""

    centre: Point
    radius: float
    """[m]"""


@dataclass(frozen=True)
class Sphere:
    """All points within `radius` of `centre`; radius 0 is a point."""

    centre: Point
    radius: float
    """[m]"""

    def ball(self) -> Ball:
        """Return itself."""
        return Ball(self.centre, self.radius)


@dataclass(frozen=True)
class Capsule:
    """All points within `radius` of the line from `start` to `end`."""

    start: Point
    end: Point
    radius: float
    """[m]"""

    def ball(self) -> Ball:
        """Return the ball around its middle."""
        return Ball(_middle(self.start, self.end), math.dist(self.start, self.end) / 2 + self.radius)


@dataclass(frozen=True)
class Cylinder:
    """A solid cylinder whose axis goes from `start` to `end`."""

    start: Point
    end: Point
    radius: float
    """[m]"""

    def ball(self) -> Ball:
        """Return the ball around its middle."""
        return Ball(_middle(self.start, self.end), math.hypot(math.dist(self.start, self.end) / 2, self.radius))


@dataclass(frozen=True)
class Box:
    """A box around `centre`, turned by roll, pitch and yaw about the fixed axes x, y, z, as in a URDF."""

    centre: Point
    size: Point
    """Whole lengths of its edges, [m]."""
    rpy: Point = (0.0, 0.0, 0.0)
    """[rad]"""

    def ball(self) -> Ball:
        """Return the ball through its corners."""
        return Ball(self.centre, math.hypot(*self.size) / 2)


@dataclass(frozen=True)
class HalfSpace:
    """All points p with normal . p <= offset; for the cell only, since no ball holds it."""

    normal: Point
    """Outward, of length 1."""
    offset: float
    """[m]"""


@dataclass(frozen=True)
class Polytope:
    """The convex hull of `vertices`."""

    vertices: tuple[Point, ...]
    """[m]"""

    def ball(self) -> Ball:
        """Return the ball around the middle of its bounds."""
        low, high = (tuple(pick(axis) for axis in zip(*self.vertices, strict=True)) for pick in (min, max))
        centre = _middle((low[0], low[1], low[2]), (high[0], high[1], high[2]))
        return Ball(centre, max(math.dist(centre, vertex) for vertex in self.vertices))


BoundedShape: TypeAlias = Sphere | Capsule | Cylinder | Box | Polytope
Shape: TypeAlias = BoundedShape | HalfSpace


def _middle(first: Point, second: Point) -> Point:
    x, y, z = ((a + b) / 2 for a, b in zip(first, second, strict=True))
    return x, y, z
