"""What stands for a link, its volumes or its mesh, and how far two such are apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import coal
import numpy as np

from safety_supervisor.core.geometry.bodies import coal_body
from safety_supervisor.core.geometry.shapes import Ball, BoundedShape
from safety_supervisor.core.units import Matrix, Vector


class Body:
    """What stands for a link, in its frame.

    Attributes:
        ball: a ball that holds all of it: what a joint can move it is bounded from there (`Kinematics.reach`).
    """

    def __init__(self, parts: Sequence[tuple[Any, Matrix, Vector]], ball: Ball) -> None:
        """Keep Coal's geometries with rotation and translation of each."""
        self._parts = tuple(parts)
        self.ball = ball

    @classmethod
    def of_shapes(cls, shapes: Sequence[BoundedShape]) -> Body:
        """Return the union of volumes."""
        balls = [shape.ball() for shape in shapes]
        centres = np.array([ball.centre for ball in balls])
        x, y, z = ((centres.min(axis=0) + centres.max(axis=0)) / 2).tolist()
        radius = max(float(np.linalg.norm(np.subtract(ball.centre, (x, y, z)))) + ball.radius for ball in balls)
        return cls([_placed(shape) for shape in shapes], Ball((x, y, z), radius))

    @classmethod
    def of_surface(cls, triangles: Matrix) -> Body:
        """Return a surface as it is, shape (t, 3, 3), [m]; what lies wholly inside does not touch it."""
        corners = triangles.reshape(-1, 3)
        model: Any = coal.BVHModelOBBRSS()
        model.beginModel(len(triangles), len(corners))
        model.addVertices(corners)
        model.addTriangles(np.arange(len(corners)).reshape(-1, 3))
        model.endModel()
        x, y, z = ((corners.min(axis=0) + corners.max(axis=0)) / 2).tolist()
        radius = float(np.linalg.norm(corners - (x, y, z), axis=1).max())
        return cls([(model, np.eye(3), np.zeros(3))], Ball((x, y, z), radius))

    def distance(self, other: Body, turn: Matrix, shift: Vector) -> float:
        """Return the distance of another body whose frame stands so in this one's, [m].

        Negative inside for volumes: how far one of them would have to move. 0 or less for surfaces that touch.
        """
        return min(_distance(first, second, turn, shift) for first in self._parts for second in other._parts)


def _distance(
    first: tuple[Any, Matrix, Vector], second: tuple[Any, Matrix, Vector], turn: Matrix, shift: Vector
) -> float:
    request, result = coal.DistanceRequest(), coal.DistanceResult()
    near = coal.Transform3s(first[1], first[2])
    far = coal.Transform3s(turn @ second[1], turn @ second[2] + shift)
    return float(coal.distance(first[0], near, second[0], far, request, result))


def _placed(shape: BoundedShape) -> tuple[Any, Matrix, Vector]:
    body = coal_body(shape)
    return body.geometry, np.array(body.placement.rotation), np.array(body.placement.translation)
