"""Whether the next step and the full stop behind it keep the robot's balance.

Most steps are known to by one that was foreseen (`Kept`), those on trial by a pose that was asked before
(`Nearby`); the others are sampled and bounded between the samples (`BalanceCheck`), those with a stop along a path as
pieces (`balance_path`). A path whose velocity jumps has none: its stop counts as not proven, and the straight one is
tried instead.

The stance that steps are judged on is the measured one, kept as long as hardly anything changed. With LEAN the angle
between the kept direction of gravity and the measured one, seen from a sole, and SHIFT how far a corner of another sole
came, everything that is judged moves by no more than

    LEAN (3 |c| + 2 |k|) + 2 SHIFT

where c is the centre of mass and k a corner, seen from the sole: c and its offset x'' z / g turn, z changes by no more
than LEAN |c| and its own level's change, and the polygon's corners turn and shift. With both within FARTHEST that is
below RESERVE, which everything that is commanded keeps beyond the margin; that corners are is looked at, that the
centre of mass is holds for any robot with legs below 1.5 m. IMU noise above LEAN renews the stance: what was foreseen
on another one then has to keep as much more as this formula says of their difference.

Requirements: SR-034, SR-036.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from safety_supervisor.core.balance.model import Judgement, Unjudged, Unknown
from safety_supervisor.core.balance.settings import BalanceSettings
from safety_supervisor.core.balance.standing import Stance
from safety_supervisor.core.checks.balance import BalanceCheck, Course, step_and_stop
from safety_supervisor.core.checks.balance_foreseen import Kept
from safety_supervisor.core.checks.balance_nearby import Nearby
from safety_supervisor.core.checks.balance_path import path_liveliness, path_pieces
from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.geometry.spline_bounds import derivative_bounds
from safety_supervisor.core.motion.foreseen import Foreseen, Met
from safety_supervisor.core.motion.path_stop import PathStop
from safety_supervisor.core.motion.stopping import Stop, StraightStop
from safety_supervisor.core.settings import ToolSettings
from safety_supervisor.core.units import Matrix

LEAN: Final = 1e-4
"""[rad]"""
SHIFT: Final = 1e-4
"""[m]"""
FARTHEST: Final = 1.5
"""[m]"""
RESERVE: Final = 1e-3
"""[m]"""

FINEST: Final = 0.01
"""A stop is sampled this often, [s], ..."""
SAMPLES: Final = 40
"""... but about this many times at most: that costs margin, never the proof."""


class BalanceStep:
    """Proves that steps keep the balance.

    Attributes:
        standing: works out how the robot stands.
        stance: that steps are judged on, or why there is none.
    """

    def __init__(
        self,
        robot: RobotModel,
        settings: BalanceSettings,
        tool: ToolSettings | None,
        period: float,
    ) -> None:
        """Prepare a robot for every foot that it may stand on.

        Args:
            robot: kinematics.
            settings: of balance.
            tool: what it carries.
            period: of control, [s].

        Raises:
            RobotModelError: when a foot is no link, or the robot has no mass.
        """
        self._settings = settings
        self._check = BalanceCheck(robot, settings, tool)
        self.standing = self._check.standing
        self._joints = len(robot.joints)
        self._needed = settings.margin + RESERVE
        self._times = np.array([0.0, period])
        self._period = period
        self._trials = Nearby(settings, self.standing.planted, self._joints)
        self._paths = Nearby(settings, self.standing.planted, self._joints)
        self._rest: Stance | None = None
        self.forget()

    def forget(self) -> None:
        """Begin anew: how the robot stands has to be told again."""
        self.stance: Stance | Unjudged = Unjudged(Unknown.NO_CONTACT, "not measured yet")
        self._kept: Kept | None = None
        self._moved = 0.0, 0.0

    def stand(self, measured: Stance | Unjudged, rests: bool) -> None:
        """Take how the robot stands, as it was measured for this cycle, and whether it rests, by command and measured.

        Where feet are when it rests is where they stand. In motion that stays the reference, or step by step they would
        be led apart by any distance.
        """
        if not isinstance(measured, Stance):
            self.stance, self._moved = measured, (math.inf, math.inf)
            return
        kept, rest = self.stance, None if rests else self._rest
        if rest is not None and rest.feet != measured.feet:
            rest = None
        if isinstance(kept, Stance) and not (rests and self._rest is not kept):
            lean, shift = change(kept, measured)
            # What RESERVE holds. Written so that NaN is another stance.
            if lean <= LEAN and shift <= SHIFT:
                return
            self._moved = self._moved[0] + lean, self._moved[1] + shift
        else:  # nothing to compare with, or it rests anew: what was foreseen counts from elsewhere
            self._moved = math.inf, math.inf
        self.stance = measured if rest is None else measured.since(rest)
        if rest is None:
            self._rest = self.stance

    def check(self, before: Matrix, after: Matrix, stop: Stop, met: Met | None = None) -> Violation | None:
        """Check the step from the last set-point to the next one, and the stop from there.

        Args:
            before: position, velocity, acceleration of the last set-point, shape (3, n).
            after: of the next one.
            stop: planned from `after`.
            met: the same beside what was foreseen; None of a step on trial, and where nothing was.
        """
        stance = self.stance
        if isinstance(stance, Unjudged):
            return Violation(Code.BALANCE_UNKNOWN, "balance", detail=f"{stance.reason.value} {stance.detail}".strip())
        if isinstance(stop, PathStop) and stop.path.smooth:
            return self._path(stance, before, after, stop, self._trials if met is None else self._paths)
        if not isinstance(stop, StraightStop):
            return Violation(Code.BALANCE, "balance.path_stop", detail="a stop along a path that jumps is not judged")
        if self._known(stance, before, after, stop, met):
            return None
        found = self._judge(stance, before, after, stop)
        return self._refused(found.margin if isinstance(found, Course) else found)

    def _path(self, stance: Stance, before: Matrix, after: Matrix, stop: PathStop, near: Nearby) -> Violation | None:
        """Check a step whose stop stays on a smooth path."""
        alive = path_liveliness(before, after, self._period, stop)
        if near.surely_keeps(stance, after[0], *alive, self._needed):
            return None
        pieces = path_pieces(before, after, self._period, stop, max(FINEST, stop.duration / SAMPLES))
        found = (self._refused(self._check.least_margin(stance, *piece)) for piece in pieces)
        return next((violation for violation in found if violation is not None), None)

    def _refused(self, found: Judgement) -> Violation | None:
        """Say what is wrong with a judgement."""
        if isinstance(found, Unjudged):
            if found.reason is Unknown.NOT_FINITE:
                return Violation(Code.NOT_FINITE_RESULT, "balance", detail=found.detail)
            detail = f"{found.reason.value} {found.detail}".strip()
            return Violation(Code.BALANCE, f"balance.{found.reason.name.lower()}", detail=detail)
        if found.value >= self._needed:
            return None
        rule = "balance." + found.point.replace("-", "_").replace(" ", "_")
        detail = f"on {found.foot}, {found.time:.3f} s from the last set-point on"
        return Violation(Code.BALANCE, rule, found.value, self._needed, detail=detail)

    def prepare(self, foreseen: Foreseen | None) -> None:
        """Judge ahead what will most likely come."""
        stance = self.stance
        if foreseen is None or isinstance(stance, Unjudged):
            self._kept = None
            return
        if self._kept is not None and self._kept.foreseen is foreseen and self._moved == (0.0, 0.0):
            return
        found = self._judge(stance, foreseen.before, foreseen.after, foreseen.stop)
        self._kept, self._moved = None, (0.0, 0.0)
        if isinstance(found, Course):
            self._kept = Kept(foreseen, self._check.on_feet(stance, self._joints), found)

    def _known(self, stance: Stance, before: Matrix, after: Matrix, stop: StraightStop, met: Met | None) -> bool:
        """Whether it is sure without looking."""
        if met is None:
            return self._surely(stance, before, after, stop, self._trials)
        kept, (lean, shift) = self._kept, self._moved
        if kept is None or kept.foreseen is not met.foreseen:
            return False
        differs = met.differs()
        needed = self._needed + kept.lever * lean + 2.0 * shift
        return differs is not None and kept.keeps(differs, needed, shift, self._settings.gravity)

    def _judge(self, stance: Stance, before: Matrix, after: Matrix, stop: StraightStop) -> Course | Unjudged:
        """Judge by the knots of the stop, and by more samples where that is not enough."""
        found = self._check.follow(stance, *step_and_stop(before, after, self._period, stop, math.inf))
        if isinstance(found, Course) and found.margin.value >= self._needed:
            return found
        longest = max(FINEST, stop.duration / SAMPLES)
        return self._check.follow(stance, *step_and_stop(before, after, self._period, stop, longest))

    def _surely(self, stance: Stance, before: Matrix, after: Matrix, stop: StraightStop, near: Nearby) -> bool:
        bounds = derivative_bounds(self._times, np.array((before, after)))[:2, 0]
        fastest, hardest = stop.liveliness()
        return near.surely_keeps(
            stance,
            after[0],
            np.maximum(bounds[0] * self._period, stop.travel),
            np.maximum(bounds[0], fastest),
            np.maximum(bounds[1], hardest),
            self._needed,
        )


def change(kept: Stance, measured: Stance) -> tuple[float, float]:
    """Return by how much a measured stance leans against a kept one, [rad], and how far a corner came, [m].

    Both infinite where they can not be compared; NaN of what is NaN.
    """
    if kept.feet != measured.feet:
        return math.inf, math.inf
    leans, shifts = [], []
    for one, other in zip(kept.grounds, measured.grounds, strict=True):
        bearing = np.repeat(other.bearing, [len(sole.corners) for sole in other.planted.others])
        corners = other.corners[bearing]
        moved = one.corners[bearing] - corners
        # Squares of lengths of corners and of how far they came; the greatest of a NaN is NaN.
        far = float((corners * corners).sum(axis=1).max(initial=0.0))
        if not far <= FARTHEST * FARTHEST:
            return math.inf, math.inf
        turned = one.up - other.up
        leans.append(math.sqrt(float(turned @ turned)))
        shifts.append(math.sqrt(float((moved * moved).sum(axis=1).max(initial=0.0))))
    return float(np.max(leans)), float(np.max(shifts))
