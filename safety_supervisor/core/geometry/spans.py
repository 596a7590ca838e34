"""Bodies as the balls that span them, and the gap between two of them in one direction.

The gap of a pair in a unit direction n, min over B of n . b less max over A of n . a, is never more than its distance.
Along a straight motion of the joints by dq the height n . x of a point of a body has a second derivative of no more
than |dq| @ bend @ |dq| (`Reach.bend_of_ball`), K for both bodies together; so a share s of the way
from a pose with gap g0 to one with g1

    gap(s) >= (1 - s) g0 + s g1 - K s (1 - s) / 2,

for each pair of points, so for the least of them. Unlike the bound by `Scene.reach` this one knows which way a body
goes: before an obstacle it proves the whole of a short way from its ends.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.geometry.bodies import Body, hull_balls
from safety_supervisor.core.geometry.reach import Reach
from safety_supervisor.core.geometry.shapes import HalfSpace, Shape
from safety_supervisor.core.units import Matrix, Vector

_UNIT: Final = 1e-9
"""A direction's length may differ from 1 by so much: that moves no gap by more than `Clearance` keeps."""

_TINY: Final = 1e-300


class Span(NamedTuple):
    """What spans one body, in the frame of its shape.

    Attributes:
        centres: of its balls, shape (m, 3), [m].
        radii: shape (m,), [m].
        bend: second derivatives of its points by the joints, shape (n, n).
        normal: outward, in the world, of a half-space, whose gap is known in this direction alone; NaN for others.
    """

    centres: Matrix
    radii: Vector
    bend: Matrix
    normal: Vector


def span_of(shape: Shape, body: Body, joint: int, frame: Any, carrier: Reach, joints: int) -> Span:
    """Return what spans a shape, Coal's `body`, that is fixed to a joint of the model (0: the world) at `frame`."""
    placement = body.placement
    still = np.zeros((joints, joints))
    if isinstance(shape, HalfSpace):
        normal = np.array(shape.normal)
        return Span(shape.offset * normal[None], np.zeros(1), still, (frame * placement).rotation @ normal)
    balls = hull_balls(shape)
    bends = [carrier.bend_of_ball(joint, frame.act(np.array(ball.centre)), ball.radius) for ball in balls if joint]
    return Span(
        np.array([placement.actInv(np.array(ball.centre)) for ball in balls]),
        np.array([ball.radius for ball in balls]),
        np.max(bends, axis=0) if bends else still,
        np.full(3, np.nan),
    )


class Spans:
    """What spans all bodies of a scene."""

    def __init__(self, spans: list[Span], bodies: NDArray[np.intp]) -> None:
        """Make arrays of them.

        Args:
            spans: one a body.
            bodies: numbers of each pair's bodies, shape (P, 2).
        """
        most = max((len(span.radii) for span in spans), default=1)
        # Filled up with the first ball again, which changes no hull.
        chosen = [[*range(len(span.radii)), *[0] * (most - len(span.radii))] for span in spans]
        self._centres = np.array([span.centres[rows] for span, rows in zip(spans, chosen, strict=True)])
        self._radii = np.array([span.radii[rows] for span, rows in zip(spans, chosen, strict=True)])
        # A half-space is met along its own normal, from outside; the second body's heights count the other way.
        self._pairs = bodies
        bends = np.array([span.bend for span in spans])
        self._bends = bends[bodies[:, 0]] + bends[bodies[:, 1]]
        self._own = {
            pair: -spans[second].normal
            for pair, second in enumerate(bodies[:, 1].tolist())
            if np.isfinite(spans[second].normal).all()
        }
        self._first = dict(self._own)

    def turn(self, pairs: NDArray[np.intp], by: Matrix) -> None:
        """Take that the second bodies of pairs stand turned from how they stood at first, by a rotation."""
        for pair in pairs.tolist():
            if pair in self._first:
                self._own[pair] = by @ self._first[pair]

    def directions(self, normals: Matrix, which: NDArray[np.intp]) -> Matrix:
        """Return unit directions from the first to the second body of pairs, shape (k, 3); NaN where there is none.

        Args:
            normals: such directions as Coal found them, of all pairs, shape (P, 3).
            which: numbers of the pairs, shape (k,).
        """
        chosen: Matrix = normals[which]
        for row, pair in enumerate(which.tolist()):
            chosen[row] = self._own.get(pair, chosen[row])
        uneven = ~(np.abs((chosen * chosen).sum(axis=1) - 1.0) <= _UNIT)
        if uneven.any():
            chosen[uneven] = np.nan
        return chosen

    def bodies(self, which: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the numbers of the bodies of pairs, shape (2 k,): all first ones, then all second ones."""
        numbers: NDArray[np.intp] = self._pairs[which].T.ravel()
        return numbers

    def gaps(self, placements: NDArray[np.float64], directions: Matrix, bodies: NDArray[np.intp]) -> Matrix:
        """Return the gaps of pairs at some poses, shape (p, k), [m].

        Args:
            placements: of their bodies in the world, columns of the rotation and the translation, shape (p, 2 k, 12).
            directions: shape (k, 3).
            bodies: their numbers, shape (2 k,).
        """
        poses, k = len(placements), len(directions)
        outward = np.concatenate((directions, -directions))
        turned = placements[:, :, :9].reshape(poses, 2 * k, 3, 3) @ outward[:, :, None]
        heights = (self._centres[bodies] @ turned)[..., 0]
        heights += self._radii[bodies]
        farthest = heights.max(axis=2)
        farthest += (placements[:, :, 9:] * outward).sum(axis=2)
        gaps: Matrix = -(farthest[:, :k] + farthest[:, k:])
        return gaps

    def bend(self, step: Vector, which: NDArray[np.intp]) -> Vector:
        """Bound the second derivative of any gap of pairs along a straight step, shape (n,); shape (k,), [m]."""
        moved = np.abs(step)
        bends: Vector = self._bends[which].dot(moved).dot(moved)
        return bends


def least_between(first: Vector, last: Vector, bend: Vector) -> Vector:
    """Return the least of (1 - s) first + s last - bend s (1 - s) / 2 for s in [0, 1], each shape (k,)."""
    ends: Vector = np.minimum(first, last)
    apart = np.abs(last - first)
    bent = ~(2.0 * apart >= bend)  # elsewhere the least is at an end
    if bent.any():
        inside = 0.5 * (first + last) - bend / 8.0 - apart * apart / (2.0 * bend + _TINY)
        ends = np.where(bent, inside, ends)
    return ends
