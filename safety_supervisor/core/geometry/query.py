"""Distances of pairs of bodies at a pose, as Coal computes them, read back in one go.

What is asked again at the pose that was asked last is answered from there: a query depends on nothing but the pose and
where the bodies of the world are.

The first bound of a pair is the distance of the capsules around its bodies: a body lies in its capsule, so it is no
nearer to anything. Two capsules take a tenth of the time of two polytopes, and most pairs are far apart.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, Final

import coal
import numpy as np
import pinocchio as pin
from numpy.typing import NDArray

from safety_supervisor.core.geometry.bodies import coal_body, hull_balls
from safety_supervisor.core.geometry.capsules import wrap
from safety_supervisor.core.geometry.mimic import RobotModelError
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.geometry.shapes import BoundedShape, Capsule, HalfSpace, Polytope, Shape, Sphere
from safety_supervisor.core.geometry.strided import StrideError, strided_view
from safety_supervisor.core.units import Matrix, Vector

FARTHEST: Final = 1e4
"""A distance beyond this, [m], is no result: Coal leaves the largest double where it has found none."""

_WIDER: Final = 1e-9
"""Added to the radius around a body, [m]: more than the rounding of its frame."""

_CALL: Final = 12
"""To ask one pair from Python takes as long as so many capsules in one call do."""

_WORTH: Final = 3000
"""Pairs of capsules whose time must be saved; where it is less (Panda), asking twice takes it."""

_POLYTOPE: Final = 10
"""So many times what capsules take, a polytope takes."""


class Query:
    """The distances of all pairs of one geometry model, or of some.

    Attributes:
        distances: those of the last query, shape (P,), [m]: a view.
        normals: unit vectors from the first to the second body that it found, shape (P, 3): a view.
        placements: of all bodies, columns of the rotation and the translation, shape (bodies, 12): a view.
    """

    def __init__(self, model: RobotModel, geometry: Any, pairs: NDArray[np.intp], costs: list[int]) -> None:
        """Take a geometry model without pairs.

        Args:
            model: kinematics.
            geometry: the bodies (pinocchio.GeometryModel).
            pairs: numbers of each pair's bodies, shape (P, 2).
            costs: of each pair in the time that two capsules take, shape (P,).

        Raises:
            RobotModelError: when this build of Coal or Pinocchio keeps results where they are not found.
        """
        self._model, self._geometry = model, geometry
        for first, second in pairs.tolist():
            geometry.addCollisionPair(pin.CollisionPair(first, second))
        self._data: Any = model.kinematics.createData()
        self.results: Any = geometry.createData()
        for index in range(len(pairs)):
            # Pinocchio's own requests start each query from the last one's result: distances would depend on history.
            self.results.distanceRequests[index] = coal.DistanceRequest()
        self._singly = sum(costs) // _CALL
        """Above so many pairs it is quicker to ask all of them."""
        self.distances: Vector = np.empty(0)
        self.normals: Matrix = np.empty((0, 3))
        self.placements: Matrix = np.empty((0, 12))
        self._every = set(range(len(pairs)))
        self.forget()
        if len(pairs):
            self._view()

    def forget(self) -> None:
        """Compute anew whatever is asked next: bodies were moved."""
        self._pose = b""
        self._asked: set[int] = set()

    def again(self) -> None:
        """Compute again what was asked last, where results were lost: pose and pairs are known, the results follow."""
        pose, asked = self._pose, self._asked
        self.forget()
        if pose:
            self.place(np.frombuffer(pose))
        if asked is self._every:
            pin.computeDistances(self._geometry, self.results)
        else:
            for index in sorted(asked):
                pin.computeDistance(self._geometry, self.results, index)
        self._asked = asked

    def ask(self, q: Vector) -> None:
        """Compute all distances at a pose, finite, shape (n,), for the views."""
        self.place(q)
        if self._asked is not self._every:
            pin.computeDistances(self._geometry, self.results)
            self._asked = self._every

    def place(self, q: Vector) -> None:
        """Compute the placements of all bodies at a pose, where they are not those of the last one, bit for bit."""
        pose = q.tobytes()
        if pose == self._pose:
            return
        self.forget()  # not of the last pose any more, and not yet of this one, should anything fail
        configuration = self._model.configure(q)
        pin.updateGeometryPlacements(self._model.kinematics, self._data, self._geometry, self.results, configuration)
        self._pose = pose

    def all(self, q: Vector) -> Vector:
        """Return all distances at a pose, shape (P,), [m], NaN where one is none; a new array."""
        if not math.isfinite(q.sum()):  # Coal's answer to a NaN is not always one
            return np.full(len(self.distances), np.nan)
        self.ask(q)
        distances: Vector = self.distances.copy()
        if not (distances.max(initial=0.0) < FARTHEST and distances.min(initial=0.0) > -FARTHEST):
            distances[~(np.abs(distances) < FARTHEST)] = np.nan
        return distances

    def some(self, q: Vector, which: NDArray[np.intp]) -> Vector:
        """Return the distances of some pairs, indices shape (k,), to the bit as `all` does."""
        if len(which) > self._singly or not math.isfinite(q.sum()):
            every: Vector = self.all(q)[which]
            return every
        self.place(q)
        asked = self._asked
        if asked is not self._every:
            for index in which.tolist():
                if index not in asked:
                    pin.computeDistance(self._geometry, self.results, index)
                    asked.add(index)
        distances: Vector = self.distances[which]
        return np.where(np.abs(distances) < FARTHEST, distances, np.nan)

    def _view(self) -> None:
        """Find the results in memory: one copy reads them all, one by one takes longer than computing them.

        A result holds `min_distance` just before `normal`. Checked here at three poses against the slow reading; the
        views live as long as `results`, which is never resized.
        """
        results = self.results
        try:
            self.normals = strided_view([result.normal for result in results.distanceResults])
            self.distances = strided_view([result.normal for result in results.distanceResults], offset=-8, scalar=True)
            self.placements = strided_view([placement.rotation for placement in results.oMg], run=12)
        except StrideError as error:
            raise RobotModelError((f"this build of Coal or Pinocchio keeps results {error}",)) from error
        lower, upper, _, _ = self._model.urdf_limits()
        middle, swing = self._model.middle(), np.minimum(np.nan_to_num(upper - lower, posinf=2.0), 2.0)
        for share in (0.0, 0.11, -0.17):
            self.ask(middle + share * swing)
            slow = [result.min_distance for result in results.distanceResults]
            if not np.array_equal(self.distances, slow, equal_nan=True):
                raise RobotModelError(("this build of Coal does not keep distances where they are looked for",))
        placed = [[*np.array(placement.rotation).T.ravel(), *placement.translation] for placement in results.oMg]
        normals = [np.array(result.normal) for result in results.distanceResults]
        if not (np.array_equal(self.placements, placed) and np.array_equal(self.normals, normals, equal_nan=True)):
            raise RobotModelError(("this build of Pinocchio does not keep placements of bodies in one array",))


@lru_cache(maxsize=1024)
def outer(shape: BoundedShape) -> Sphere | Capsule:
    """Return a capsule, or a sphere, that holds a shape: every one of the balls that span it, by its own measure."""
    if isinstance(shape, Sphere | Capsule):
        return shape
    capsule = wrap(shape)
    start, along = np.array(capsule.start), np.subtract(capsule.end, capsule.start)
    square = float(along @ along)
    needed = 0.0
    for ball in hull_balls(shape):
        apart = np.array(ball.centre) - start
        share = min(max(float(apart @ along) / square, 0.0), 1.0) if square > 0.0 else 0.0
        needed = max(needed, float(np.linalg.norm(apart - share * along)) + ball.radius)
    radius = needed + _WIDER
    return Capsule(capsule.start, capsule.end, radius) if square > 0.0 else Sphere(capsule.start, radius)


def cost(first: Shape, second: Shape) -> int:
    """Return what a pair takes, in the time that two capsules do, roughly."""
    if isinstance(first, HalfSpace) or isinstance(second, HalfSpace):
        return 1
    return _POLYTOPE if isinstance(first, Polytope) or isinstance(second, Polytope) else 3


class Bodies:
    """The bodies of a scene in the order of their numbers, as they are and as the capsules around them."""

    def __init__(self, model: RobotModel) -> None:
        """Start without any."""
        self._model = model
        self.geometry: Any = pin.GeometryModel()
        self._outer: Any = pin.GeometryModel()
        self.shapes: list[Shape] = []

    def add(self, name: str, joint: int, frame: Any, shape: Shape) -> int:
        """Add a body that is fixed to a joint (0: the world) at a frame (pinocchio.SE3); return its number."""
        # What stands still may be a wall, whose capsule would fill the room.
        around = shape if joint == 0 or isinstance(shape, HalfSpace) else outer(shape)
        for geometry, each in ((self.geometry, shape), (self._outer, around)):
            body = coal_body(each)
            geometry.addGeometryObject(pin.GeometryObject(name, joint, frame * body.placement, body.geometry))
        self.shapes.append(shape)
        return len(self.shapes) - 1

    def move(self, number: int, frame: Any) -> None:
        """Place a body that stands still elsewhere (pinocchio.SE3)."""
        for geometry in (self.geometry, self._outer):
            geometry.geometryObjects[number].placement = frame

    def query(self, pairs: NDArray[np.intp]) -> tuple[Query, Query | None]:
        """Return the query of the bodies, and that of their capsules; None where it would save less than it takes."""
        costs = [cost(self.shapes[first], self.shapes[second]) for first, second in pairs.tolist()]
        exact = Query(self._model, self.geometry, pairs, costs)
        worth = sum(costs) - len(costs) > _WORTH
        return exact, Query(self._model, self._outer, pairs, [1] * len(costs)) if worth else None
