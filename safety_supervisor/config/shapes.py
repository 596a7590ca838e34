"""Shapes in the configuration file: a mapping with one key, the kind of shape.

sphere:     {centre: [x, y, z], radius: r}
capsule:    {start: [x, y, z], end: [x, y, z], radius: r}
cylinder:   {start: [x, y, z], end: [x, y, z], radius: r}
box:        {centre: [x, y, z], size: [x, y, z], rpy: [r, p, y]}
polytope:   {vertices: [[x, y, z], ...]}
half_space: {normal: [x, y, z], offset: d}      # all points with normal . p <= d, for zones only
"""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field

from safety_supervisor.config.keys import Point, Section, key
from safety_supervisor.core.geometry import shapes
from safety_supervisor.core.geometry.bodies import CORNERS

Angle = Annotated[float, Field(ge=-math.tau, le=math.tau)]


class SphereKeys(Section):
    """A ball."""

    centre: Point = key("middle", "m")
    radius: float = key("radius", "m", ge=0.0, le=10.0)


class CapsuleKeys(Section):
    """All points near a line."""

    start: Point = key("one end of the line", "m")
    end: Point = key("its other end", "m")
    radius: float = key("distance from the line", "m", gt=0.0, le=10.0)


class CylinderKeys(Section):
    """A solid cylinder."""

    start: Point = key("middle of one face", "m")
    end: Point = key("middle of the other", "m")
    radius: float = key("radius", "m", gt=0.0, le=10.0)


class BoxKeys(Section):
    """A box."""

    centre: Point = key("middle", "m")
    size: Annotated[list[Annotated[float, Field(gt=0.0, le=100.0)]], Field(min_length=3, max_length=3)] = key(
        "whole lengths of its edges", "m"
    )
    rpy: Annotated[list[Angle], Field(min_length=3, max_length=3)] = key(
        "roll, pitch, yaw about the fixed axes x, y, z", "rad", [0.0, 0.0, 0.0]
    )


class PolytopeKeys(Section):
    """The convex hull of points."""

    vertices: list[Point] = key("its corners", "m", min_length=4, max_length=CORNERS)


class HalfSpaceKeys(Section):
    """Everything on one side of a plane."""

    normal: Point = key("outward direction of the plane, of any length but 0")
    offset: float = key("distance of the plane from the origin along the normal", "m", ge=-100.0, le=100.0)


class ShapeKeys(Section):
    """Exactly one of the kinds of shape."""

    sphere: SphereKeys | None = key("a ball", "", None)
    capsule: CapsuleKeys | None = key("all points near a line", "", None)
    cylinder: CylinderKeys | None = key("a solid cylinder", "", None)
    box: BoxKeys | None = key("a box", "", None)
    polytope: PolytopeKeys | None = key("the convex hull of points", "", None)
    half_space: HalfSpaceKeys | None = key("everything on one side of a plane; for zones only", "", None)

    def given(self) -> list[str]:
        """Return the kinds that are given; exactly one is right."""
        return [name for name in type(self).model_fields if getattr(self, name) is not None]


def freeze_shape(keys: ShapeKeys) -> shapes.Shape:
    """Return the core's shape of checked keys."""
    match keys:
        case ShapeKeys(sphere=SphereKeys() as ball):
            return shapes.Sphere(_point(ball.centre), ball.radius)
        case ShapeKeys(capsule=CapsuleKeys() as capsule):
            return shapes.Capsule(_point(capsule.start), _point(capsule.end), capsule.radius)
        case ShapeKeys(cylinder=CylinderKeys() as cylinder):
            return shapes.Cylinder(_point(cylinder.start), _point(cylinder.end), cylinder.radius)
        case ShapeKeys(box=BoxKeys() as box):
            return shapes.Box(_point(box.centre), _point(box.size), _point(box.rpy))
        case ShapeKeys(polytope=PolytopeKeys() as hull):
            return shapes.Polytope(tuple(_point(vertex) for vertex in hull.vertices))
        case ShapeKeys(half_space=HalfSpaceKeys() as half):
            length = math.hypot(*half.normal)
            x, y, z = (value / length for value in half.normal)
            return shapes.HalfSpace((x, y, z), half.offset)
    raise AssertionError("a checked shape has a kind")


def _point(values: list[float]) -> shapes.Point:
    x, y, z = values
    return x, y, z
