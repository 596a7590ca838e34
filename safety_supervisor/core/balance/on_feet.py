"""A robot on some of its feet: what is seen from each of them, and its bounds, for all of them at once.

One numpy call for all feet costs hardly more than one for a single foot. Requirement: SR-034.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.balance.standing import Ground
from safety_supervisor.core.balance.support_polygon import SupportPolygon
from safety_supervisor.core.geometry.carried import bell
from safety_supervisor.core.units import Matrix, Vector


class Foothold(NamedTuple):
    """Where the feet stand, in the order of the grounds and of `OnFeet.pairs`.

    Attributes:
        axes: the world's horizontal axes and up, as columns, in each sole's frame, shape (F, 3, 3).
        origin: of each sole in the world, horizontally, and minus the level of its ground, shape (F, 3), [m].
        rested: corners of the other soles that bear, as each foot saw them at the last rest, shape (c, 3), [m].
        polygon: that bears.
        farthest: of their corners now and the own ones, seen from a sole, [m].
    """

    axes: NDArray[np.float64]
    origin: Matrix
    rested: Matrix
    polygon: SupportPolygon
    farthest: float


class OnFeet:
    """The robot on each of F feet, which all bear; k pairs of a foot and another one.

    Attributes:
        feet: links.
        pairs: number of a foot, and the other one, as it is seen from there.
        sums: makes of bounds of the commanded joints, at once for all F feet, S and then S - b of `geometry.carried`,
            shape (n, 2 F N).
        carried: makes of the Bell polynomials of those the bounds of the F centres of mass and of the k other soles,
            shape (2 F N, F + k).
        reach: of the commanded joints on the same, shape (n, F + k), [m/rad] or [m/m].
        bend: greatest second derivative of each centre of mass by two commanded joints.
    """

    def __init__(self, grounds: tuple[Ground, ...], joints: int) -> None:
        """Prepare for all stances on these feet, of a robot of so many commanded joints."""
        self.feet = tuple(ground.planted.foot for ground in grounds)
        self.pairs: list[tuple[int, str]] = []
        columns = [(index, ground.planted.centre.reach) for index, ground in enumerate(grounds)]
        self._kept: list[NDArray[np.bool_]] = []
        lengths = []
        for index, ground in enumerate(grounds):
            planted = ground.planted
            for other, bears, sole in zip(planted.others, ground.bearing, planted.soles, strict=True):
                if bears:
                    self.pairs.append((index, other.foot))
                    columns.append((index, sole.reach))
                    lengths.append(len(other.corners))
            self._kept.append(np.repeat(ground.bearing, [len(other.corners) for other in planted.others]))
        self._own = max(float(np.linalg.norm(ground.planted.corners, axis=1).max()) for ground in grounds)
        self._starts = np.cumsum([0, *lengths])[:-1]
        both = [ground.planted.sums(joints) for ground in grounds]
        size = both[0][0].shape[1]
        self.sums: Matrix = np.concatenate([one for one, _ in both] + [less for _, less in both], axis=1)
        self.carried: Matrix = np.zeros((2, len(grounds), size, len(columns)))
        for column, (index, reach) in enumerate(columns):
            self.carried[0, index, :, column] = reach
            self.carried[1, index, :, column] = -reach
        self.carried = self.carried.reshape(-1, len(columns))
        self.reach: Matrix = self.sums @ self.carried
        self.bend: list[float] = [
            max(float(self.coupling(each)[:, foot].max()) for each in np.eye(joints)) for foot in range(len(grounds))
        ]

    def stand(self, grounds: tuple[Ground, ...]) -> Foothold:
        """Return where they stand."""
        pairs = list(zip(grounds, self._kept, strict=True))
        corners = np.concatenate([ground.corners[kept] for ground, kept in pairs])
        return Foothold(
            np.array([np.column_stack((ground.flat, ground.up)) for ground in grounds]),
            np.array([[*ground.place.tolist(), -ground.level] for ground in grounds]),
            np.concatenate([ground.rested[kept] for ground, kept in pairs]),
            grounds[0].polygon,
            max(self._own, math.sqrt(float((corners * corners).sum(axis=1).max(initial=0.0)))),
        )

    def see(
        self, grounds: tuple[Ground, ...], hold: Foothold, states: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], Matrix]:
        """Compute where the centre of mass is, and how far other soles are from where they stood at rest.

        Args:
            grounds: as each foot sees it.
            hold: where they stand.
            states: position, velocity, acceleration of the commanded joints, shape (m, 3, n).

        Returns:
            Position over the ground, velocity, acceleration, in the world, by each foot, shape (m, F, 3, 3), [m],
            [m/s], [m/s^2]; greatest distance of a corner of each pair, shape (m, k), [m].
        """
        centre = np.empty((len(states), len(grounds), 3, 3))
        corners = []
        for index, ground in enumerate(grounds):
            seen = ground.planted.see(states)
            centre[:, index] = seen.centre
            corners.append(seen.corners[:, self._kept[index]])
        centre = centre @ hold.axes
        centre[:, :, 0] += hold.origin
        if not self.pairs:
            return centre, np.zeros((len(states), 0))
        away = np.concatenate(corners, axis=1)
        away -= hold.rested
        away *= away
        apart: Matrix = np.sqrt(np.maximum.reduceat(away.sum(axis=2), self._starts, axis=1))
        return centre, apart

    def bounds(self, joints: NDArray[np.float64]) -> NDArray[np.float64]:
        """Bound derivatives in time of the centres of mass and of the other soles, as `Carried.bounds` does.

        Args:
            joints: bounds of the first i derivatives of the commanded joints, shape (i, m, n), i at most 4.

        Returns:
            Shape (i, m, F + k), [m/s], [m/s^2], ...
        """
        bounds: NDArray[np.float64] = np.array(bell(joints @ self.sums)) @ self.carried
        return bounds

    def coupling(self, *motions: Vector) -> Matrix:
        """Bound what several motions of the joints together do to the centres of mass.

        With x_ab.. the derivatives by joints, d any motion and w, v .. the given ones, as bounds of each joint,

            |sum over a, b, c .. of x_abc.. d_a w_b v_c ..| <= d @ coupling(w, v, ..)

        by r of the farthest of the joints, as in `geometry.carried`: of all products on a chain to c, those that c has
        a part in are S_c(d) S_c(w) .. less the same without c.

        Args:
            motions: shape (n,) each.

        Returns:
            Shape (n, F); of no motion the reach.
        """
        weights = self.carried[:, : len(self.feet)]
        for motion in motions:
            weights = weights * (motion @ self.sums)[:, None]
        coupled: Matrix = self.sums @ weights
        return coupled
