"""The moving links as capsules, and their distances from points, many poses and points at once.

A capsule is all points within a radius of a segment. Every volume of a link lies in one: its `hull_balls` do, and a
capsule is convex. Spheres and capsules lose nothing thereby, cylinders their corners; boxes and polytopes get the
smallest capsule along one of their principal axes.

How fast a distance can change: the axis is a segment, so the distance of a point from it changes by no more than its
faster end travels, which `Reach` bounds; turning about its own axis moves no capsule at all.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
import pinocchio as pin
from numpy.typing import NDArray

from safety_supervisor.core.geometry.bodies import hull_balls
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.geometry.shapes import BoundedShape, Capsule, Sphere
from safety_supervisor.core.settings import GeometrySettings
from safety_supervisor.core.units import Matrix, Vector

_CENTRED: Final = 400
"""Steps toward the middle of what is wrapped; a rest of a few tenths of a percent of its radius stays."""


@lru_cache(maxsize=1024)  # checks of a configuration, scenes and tools wrap the same links again and again
def wrap(shape: BoundedShape) -> Capsule:
    """Return a capsule that holds a shape: the smallest of those along its three principal axes."""
    balls = hull_balls(shape)
    centres = np.array([ball.centre for ball in balls])
    radii = np.array([ball.radius for ball in balls])
    axes = np.linalg.svd(centres - centres.mean(axis=0))[2]
    return min((_along(axis, centres, radii) for axis in axes), key=_volume)


def _along(axis: Vector, centres: Matrix, radii: Vector) -> Capsule:
    """Return a capsule with this axis, a unit vector, that holds balls; no longer than it must be."""
    along = centres @ axis
    beside = centres - np.outer(along, axis)
    middle = beside.mean(axis=0)
    for step in range(2, _CENTRED):  # toward the farthest, ever less: Badoiu and Clarkson, 2003
        middle = middle + (beside[(np.linalg.norm(beside - middle, axis=1) + radii).argmax()] - middle) / step
    off = np.linalg.norm(beside - middle, axis=1)
    radius = float((off + radii).max())
    # A ball at the side of a cap needs no axis beside it.
    spared = np.sqrt(np.maximum((radius - radii) ** 2 - off**2, 0.0))
    low, high = float((along + spared).min()), float((along - spared).max())
    low, high = (low, high) if low < high else ((low + high) / 2.0,) * 2
    start, end = middle + low * axis, middle + high * axis
    return Capsule((start[0], start[1], start[2]), (end[0], end[1], end[2]), radius)


def _volume(capsule: Capsule) -> float:
    length = float(np.linalg.norm(np.subtract(capsule.end, capsule.start)))
    return capsule.radius**2 * (length + 4.0 / 3.0 * capsule.radius)


class LinkCapsules:
    """Capsules around all links that commanded joints move, and the tool; a link without volume is its origin, a point.

    Attributes:
        links: link of each capsule, M of them.
        reach: shape (M, n), [m/rad] or [m/m]: when the joints move by dq, the distance of capsule i from any point
            changes by at most reach[i] @ |dq|.
    """

    def __init__(self, model: RobotModel, geometry: GeometrySettings) -> None:
        """Wrap every volume."""
        self._model = model
        frames = [frame for frame in model.kinematics.frames if frame.type == pin.FrameType.BODY]
        rows: list[tuple[str, Capsule, Vector]] = []
        for frame in frames:
            joint = frame.parentJoint
            if joint == 0:
                continue
            own = geometry.volumes.get(frame.name, (Sphere((0.0, 0.0, 0.0), 0.0),))
            carried = geometry.tool.volumes if geometry.tool is not None and geometry.tool.link == frame.name else ()
            for shape in (*own, *carried):
                capsule = wrap(shape)
                ends = [
                    model.carrier.of_ball(joint, frame.placement.act(np.array(end)), 0.0)
                    for end in (capsule.start, capsule.end)
                ]
                rows.append((frame.name, capsule, np.max(ends, axis=0)))
        self.links: tuple[str, ...] = tuple(link for link, _, _ in rows)
        self.reach: Matrix = np.array([reach for _, _, reach in rows]).reshape(len(rows), len(model.joints))
        self.reach.setflags(write=False)
        # The origins of links come before the balls of their volumes.
        self._rows = np.array([model.frame_names.index(link) for link in self.links], dtype=np.intp)
        self._ends = np.array([(capsule.start, capsule.end) for _, capsule, _ in rows]).reshape(-1, 2, 3)
        self._radii: Vector = np.array([capsule.radius for _, capsule, _ in rows])
        squares = ((self._ends[:, 1] - self._ends[:, 0]) ** 2).sum(axis=1)
        self._per_square = np.divide(1.0, squares, out=np.zeros_like(squares), where=squares > 0.0)
        self._from_world = model.base.rotation.T

    def axes(self, q: Vector) -> NDArray[np.float64]:
        """Return both ends of every capsule's axis at a pose, shape (M, 2, 3), [m], base frame."""
        origins = self._model.frame_positions(q)[self._rows]
        turned = self._from_world @ self._model.frame_rotations()[self._rows]
        ends: NDArray[np.float64] = origins[:, None] + np.einsum("mij,mkj->mki", turned, self._ends)
        return ends

    def distances(self, poses: Matrix, points: Matrix) -> NDArray[np.float64]:
        """Compute how far every capsule is from every point at every pose.

        Args:
            poses: shape (m, n), [rad].
            points: shape (K, 3), [m], base frame.

        Returns:
            Shape (m, M, K), [m], negative inside a capsule; not finite where a pose or point is not.
        """
        axes = np.array([self.axes(q) for q in poses])
        start, along = axes[:, :, 0], axes[:, :, 1] - axes[:, :, 0]
        apart = points - start[:, :, None]
        share = np.einsum("pmkx,pmx->pmk", apart, along) * self._per_square[:, None]
        np.clip(share, 0.0, 1.0, out=share)
        apart -= share[..., None] * along[:, :, None]
        distances: NDArray[np.float64] = np.sqrt(np.einsum("pmkx,pmkx->pmk", apart, apart))
        distances -= self._radii[:, None]
        return distances
