"""How fast the fastest point of any link moves between two poses: link origins and all that their volumes hold.

Three answers, each the upper bound of the next one: what the joints could at most carry a point (`FrameSpeed.reach`);
how far points went in a step that was asked, and by how much that can have changed since; the step itself, asked.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.output_settings import VELOCITY_SHARE, ObservedSettings
from safety_supervisor.core.units import Matrix, Nanoseconds, Vector, seconds

_TURNED_AND_MOVED: Final = np.repeat(np.eye(2), [9, 3], axis=0)
"""Adds up the squares of a placement's rotation and of its translation, shape (12, 2)."""

_ROUNDING: Final = 1.0 + 1e-9
"""Widens a bound that is exact in real numbers by more than its rounding error."""

_SPARE: Final = 2.0
"""A step ahead is asked where this many times its change since the last one that was asked would be too much."""


_EARLY: Final = 0.9
"""From this share of a limit on the next step may pass the first bound, and is asked ahead."""


class _Asked(NamedTuple):
    """A step that was asked.

    Attributes:
        farthest: how far the farthest point goes, [m].
        way: where it begins, where it ends, and the difference, shape (3 n,).
        bend: how much farther a point goes when these change by 1: for both poses half of `RobotModel.frame_bend` @
            |step|, for the step `FrameSpeed.reach`; shape (3 n,).
    """

    farthest: float
    way: Vector
    bend: Vector


def carried_speed(model: RobotModel, observed: ObservedSettings, rows: NDArray[np.intp]) -> float:
    """Bound how fast observed joints carry any of some points that commanded joints move, too, [m/s]."""
    reach: Matrix = model.frame_reach[rows]
    commanded = reach[:, model.commanded].any(axis=1)
    return float((reach[commanded] @ (VELOCITY_SHARE * observed.velocity)).max(initial=0.0))


class FrameSpeed:
    """Judges the speed of points, all of a model's or those of some links."""

    def __init__(
        self,
        model: RobotModel,
        period: Nanoseconds,
        rows: NDArray[np.intp] | None = None,
        observed: ObservedSettings | None = None,
    ) -> None:
        """Prepare.

        Args:
            model: with the volumes of the links.
            period: time of a step, [ns].
            rows: points that count, indices into `RobotModel.frame_names`; None for all.
            observed: joints that another controller moves meanwhile.
        """
        self._model = model
        self._dt = seconds(period)
        chosen = np.arange(len(model.frame_names)) if rows is None else rows
        self._numbers = model.frame_numbers[chosen]
        self._links = tuple(model.frame_names[row] for row in chosen)
        self._radius = model.frame_radius[chosen] * math.sqrt(0.5)
        self.reach: Vector = model.frame_reach[chosen].max(axis=0)
        """No point that counts moves farther than reach @ |dq|, shape (n,)."""
        self.carried = 0.0 if observed is None else carried_speed(model, observed, chosen)
        """How fast others carry points that commanded joints move: so much less is left for these, [m/s]."""
        self._bend: Matrix = 0.5 * model.frame_bend[chosen].max(axis=0)
        self._last: tuple[bytes, Matrix] | None = None
        self._asked: _Asked | None = None
        self._near: tuple[Vector, Vector, float] | None = None

    def exceeds(self, before: Vector, after: Vector, limit: float, rule: str) -> Violation | None:
        """Check a straight step between two poses, shape (n,), against a speed, [m/s]."""
        limit -= self.carried
        step, longest = after - before, limit * self._dt
        if self._slow(before, after, np.abs(step), longest):
            return None
        if self._asked is not None and self._asked.farthest + self._change(self._asked, before, after, step) <= longest:
            return None
        way = self._ask(before, after)
        if way.max() <= longest:
            return None
        index = int(way.argmax())  # the first NaN, when there is one
        speed = float(way[index]) / self._dt
        if not math.isfinite(speed):
            return Violation(Code.NOT_FINITE_RESULT, rule, joint=self._links[index], detail="a speed is not finite")
        return Violation(Code.FRAME_SPEED, rule, speed, limit, self._links[index])

    def slow(self, before: Vector, after: Vector, moved: Vector, limit: float) -> bool:
        """Whether the ways of the joints, shape (n,), tell that a step keeps a speed, [m/s]: the quick answer."""
        return self._slow(before, after, moved, (limit - self.carried) * self._dt)

    def _slow(self, before: Vector, after: Vector, moved: Vector, longest: float) -> bool:
        farthest = self.reach.dot(moved)
        if not farthest <= _EARLY * longest:
            self._near = before, after, longest
        return bool(farthest <= longest)

    def prepare(self) -> None:
        """Ask now the step that comes when the motion goes on as it does, where what is known would not be enough."""
        if self._near is None:
            return
        before, after, longest = self._near
        self._near = None
        step, ahead = after - before, 2.0 * after - before
        asked = self._asked
        if asked is None or not asked.farthest + _SPARE * self._change(asked, after, ahead, step) <= longest:
            self._ask(after, ahead)

    def fastest(self, before: Vector, after: Vector) -> float:
        """Bound the speed of the fastest point of a straight step, [m/s]; not finite when a pose is not."""
        return float(self._ways(before, after).max()) / self._dt

    def _change(self, asked: _Asked, before: Vector, after: Vector, step: Vector) -> float:
        """Bound how much farther a point goes in a step than the farthest went in one that was asked, [m].

        With J the derivative of a point x, a step d from p = y(0) to y(1), y(s) = p + s d, and one that was asked, d'
        along y'(s), the points' ways differ by the integral over s of

            J(y) d - J(y') d' = J(y) (d - d') + (J(y) - J(y')) d'.

        The first is no longer than reach @ |d - d'|. The second is no longer than |y - y'| @ bend @ |d'| with the
        bound `bend` of second derivatives (`Reach.bend_of_ball`), and |y - y'| is at most (1 - s) |p - p'| + s |q - q'|
        with q and q' the ends, half of both on average. The same holds for the rotation of a link times a ball's
        radius, so for each bound of `_ways`: what passes here would pass there, but for rounding.
        """
        apart: Vector = np.concatenate((before, after, step))
        apart -= asked.way
        return _ROUNDING * float(asked.bend.dot(np.abs(apart, out=apart)))

    def _ask(self, before: Vector, after: Vector) -> Vector:
        """Return `_ways`, and remember the step where they are finite."""
        ways = self._ways(before, after)
        farthest = float(ways.max())
        if math.isfinite(farthest):
            step = after - before
            bend = self._bend.dot(np.abs(step))
            way, change = np.concatenate((before, after, step)), np.concatenate((bend, bend, self.reach))
            self._asked = _Asked(farthest, way, change)
        return ways

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
        with np.errstate(invalid="ignore"):  # not finite in, not finite out, which no caller passes
            change = end - start
            change *= change
            sizes = np.sqrt(change.dot(_TURNED_AND_MOVED))
            way: Vector = self._radius * sizes[:, 0]
            way += sizes[:, 1]
        return way
