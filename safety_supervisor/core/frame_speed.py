"""How fast the fastest point of any link moves between two poses: link origins and all that their volumes hold."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.robot import RobotModel
from safety_supervisor.core.units import Matrix, Nanoseconds, Vector, seconds

_TURNED_AND_MOVED: Final = np.repeat(np.eye(2), [9, 3], axis=0)
"""Adds up the squares of a placement's rotation and of its translation, shape (12, 2)."""


class FrameSpeed:
    """Judges the speed of points, all of a model's or those of some links."""

    def __init__(self, model: RobotModel, period: Nanoseconds, rows: NDArray[np.intp] | None = None) -> None:
        """Prepare.

        Args:
            model: with the volumes of the links.
            period: time of a step, [ns].
            rows: points that count, indices into `RobotModel.frame_names`; None for all.
        """
        self._model = model
        self._dt = seconds(period)
        chosen = np.arange(len(model.frame_names)) if rows is None else rows
        self._numbers = model.frame_numbers[chosen]
        self._links = tuple(model.frame_names[row] for row in chosen)
        self._radius = model.frame_radius[chosen] * math.sqrt(0.5)
        self.reach: Vector = model.frame_reach[chosen].max(axis=0)
        """No point that counts moves farther than reach @ |dq|, shape (n,)."""
        self._last: tuple[bytes, Matrix] | None = None

    def exceeds(self, before: Vector, after: Vector, limit: float, rule: str) -> Violation | None:
        """Check a straight step between two poses, shape (n,), against a speed, [m/s]."""
        if self.reach.dot(np.abs(after - before)) <= limit * self._dt:
            return None
        way = self._ways(before, after)
        if way.max() <= limit * self._dt:
            return None
        index = int(way.argmax())  # the first NaN, when there is one
        speed = float(way[index]) / self._dt
        if not math.isfinite(speed):
            return Violation(Code.NOT_FINITE_RESULT, rule, joint=self._links[index], detail="a speed is not finite")
        return Violation(Code.FRAME_SPEED, rule, speed, limit, self._links[index])

    def fastest(self, before: Vector, after: Vector) -> float:
        """Bound the speed of the fastest point of a straight step, [m/s]; not finite when a pose is not."""
        return float(self._ways(before, after).max()) / self._dt

    def _ways(self, before: Vector, after: Vector) -> Vector:
        """Bound how far points go, shape (number of rows,), [m].

        A point x of a ball of centre c and radius r goes from p0 to p1 = p0 + (c1 - c0) + (R1 - R0)(x - c), so not
        farther than |c1 - c0| + r |R1 - R0|; the spectral norm of a difference of rotations is its Frobenius norm over
        sqrt 2.
        """
        key = before.tobytes()
        if self._last is not None and self._last[0] == key:
            start = self._last[1]
        else:
            start = self._model.placements(before, self._numbers)
        end = self._model.placements(after, self._numbers)
        self._last = after.tobytes(), end
        change = end - start
        change *= change
        sizes = np.sqrt(change.dot(_TURNED_AND_MOVED))
        way: Vector = self._radius * sizes[:, 0]
        way += sizes[:, 1]
        return way
