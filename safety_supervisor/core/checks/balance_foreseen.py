"""Motions that keep their balance because one that was foreseen does, and they are hardly another one.

With d0, d1, d2 by how much positions, velocities and accelerations of the joints differ at most (`motion.foreseen`), ^
for what was foreseen, x the centre of mass, its derivatives by joints bounded as in `geometry.carried` and by
`OnFeet.coupling` C, w and b bounds of the foreseen speeds and accelerations of the joints, and on the way from a
foreseen state to one that comes changing q first, then v, then a:

    |x - x^|     <= d0 C()
    |x' - x'^|   <= d1 C() + d0 C(w)                                                       from x' = J v
    |x'' - x''^| <= d2 C() + d0 C(b) + 2 d1 C(w) + B (sum of d1)^2 + d0 C(w, w)            from x'' = J a + v H v

with B the greatest second derivative. Let these be dx, dv, da. Heights differ by dx, and so, with z the greatest of
both and y the least, D1 and D2 bounds of the foreseen x' and x'',

    zero-moment point    dx + (da z + D2 dx) / g
    capture point        dx + dv sqrt(z / g) + D1 dx / (2 sqrt(y g))

is how far the points are from the foreseen ones, and no signed distance changes by more. Another sole comes no farther
from its place than d0 times its own reach beyond what was foreseen. Requirements: SR-034, SR-036.
"""

from __future__ import annotations

import math

import numpy as np

from safety_supervisor.core.balance.on_feet import OnFeet
from safety_supervisor.core.balance.standing import ROUNDING
from safety_supervisor.core.checks.balance import Course
from safety_supervisor.core.motion.foreseen import Foreseen
from safety_supervisor.core.units import Matrix


class Kept:
    """What was found of a motion that was foreseen.

    Attributes:
        foreseen: that motion.
        margin: that it keeps all along, [m].
        lever: `Course.lever`.
    """

    def __init__(self, foreseen: Foreseen, on: OnFeet, course: Course) -> None:
        """Keep what was found.

        Args:
            foreseen: the motion.
            on: the robot on its feet.
            course: what `BalanceCheck.follow` found of it.
        """
        self.foreseen = foreseen
        self.margin, self.lever = course.margin.value, course.lever
        self._feet = feet = len(on.feet)
        self._left: list[float] = course.left.tolist()
        self._rows = list(zip(*(each.tolist() for each in (course.lowest, course.highest, *course.pace)), strict=True))
        self._bend = on.bend
        speeds, accelerations = course.joints
        n = len(speeds)
        reach, turned = on.reach, on.coupling(speeds)
        centre = reach[:, :feet]
        self._bounds: Matrix = np.zeros((3 * feet + len(self._left) + 1, 3 * n))
        self._bounds[:feet, :n] = centre.T
        self._bounds[feet : 2 * feet, : 2 * n] = np.concatenate((turned, centre)).T
        pulled = on.coupling(accelerations) + on.coupling(speeds, speeds)
        self._bounds[2 * feet : 3 * feet] = np.concatenate((pulled, 2.0 * turned, centre)).T
        self._bounds[3 * feet : -1, :n] = reach[:, feet:].T
        self._bounds[-1, n : 2 * n] = 1.0

    def keeps(self, differs: Matrix, margin: float, shift: float, gravity: float) -> bool:
        """Whether a motion surely keeps a margin and the feet; False says nothing.

        Args:
            differs: by how much it differs from the foreseen one, `Foreseen.differs`, shape (3, n).
            margin: [m].
            shift: how far bearing soles came to stand from where they were, [m].
            gravity: [m/s^2].
        """
        found: list[float] = (self._bounds @ differs.ravel()).tolist()
        feet = self._feet
        spread = found[-1] * found[-1]
        # Written so that NaN fails.
        for away, left in zip(found[3 * feet : -1], self._left, strict=True):
            if not away <= left - shift:
                return False
        room = self.margin - ROUNDING - margin
        for foot, (lowest, highest, fastest, hardest) in enumerate(self._rows):
            way, speed, pull = found[foot], found[feet + foot], found[2 * feet + foot] + self._bend[foot] * spread
            low, high = lowest - way, highest + way
            if not low > 0.0:
                return False
            if not way + (pull * high + hardest * way) / gravity <= room:
                return False
            rate = fastest * way / (2.0 * math.sqrt(low * gravity))
            if not way + speed * math.sqrt(high / gravity) + rate <= room:
                return False
        return True
