"""Whether the next step and the full stop behind it keep the robot's balance.

Most steps are known to by a pose that was asked before (`Nearby`); the others are sampled and bounded between the
samples (`BalanceCheck`). Only the straight stop is judged: of a stop along a path the course between two samples is
not known, so that such a stop counts as not proven, and the straight one is tried instead.

The stance that steps are judged on is the measured one, kept as long as hardly anything changed: another stance makes
`Nearby` forget. With LEAN the angle between the kept direction of gravity and the measured one, seen from a sole, and
SHIFT how far a corner of another sole came, everything that is judged moves by no more than

    LEAN (3 |c| + 2 |k|) + 2 SHIFT

where c is the centre of mass and k a corner, seen from the sole: c and its offset x'' z / g turn, z changes by no more
than LEAN |c| and its own level's change, and the polygon's corners turn and shift. With both within FARTHEST that is
below RESERVE, which everything that is commanded keeps beyond the margin; that corners are is looked at, that the
centre of mass is holds for any robot with legs below 1.5 m. IMU noise above LEAN renews the stance: that costs time.

Requirements: SR-034, SR-036.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from safety_supervisor.core.balance.model import Unjudged, Unknown
from safety_supervisor.core.balance.settings import BalanceSettings
from safety_supervisor.core.balance.standing import Ground, Stance
from safety_supervisor.core.checks.balance import BalanceCheck, step_and_stop
from safety_supervisor.core.checks.balance_nearby import Nearby
from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.geometry.spline_bounds import derivative_bounds
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

    def __init__(self, robot: RobotModel, settings: BalanceSettings, tool: ToolSettings | None, period: float) -> None:
        """Prepare a robot for every foot that it may stand on; `period` is the control period, [s].

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
        self._near = Nearby(settings, self.standing.planted, self._joints)
        self._trials = Nearby(settings, self.standing.planted, self._joints)
        self.forget()

    def forget(self) -> None:
        """Begin anew: how the robot stands has to be told again."""
        self.stance: Stance | Unjudged = Unjudged(Unknown.NO_CONTACT, "not measured yet")

    def stand(self, measured: Stance | Unjudged) -> None:
        """Take how the robot stands, as it was measured for this cycle."""
        if isinstance(measured, Stance) and isinstance(self.stance, Stance) and same(self.stance, measured):
            return
        self.stance = measured

    def check(self, before: Matrix, after: Matrix, stop: Stop, *, trial: bool = False) -> Violation | None:
        """Check the step from the last set-point to the next one, and the stop from there.

        Args:
            before: position, velocity, acceleration of the last set-point, shape (3, n).
            after: of the next one.
            stop: planned from `after`.
            trial: whether the step is on trial, so that its pose is no news for the next steps.
        """
        stance = self.stance
        if isinstance(stance, Unjudged):
            return Violation(Code.BALANCE_UNKNOWN, "balance", detail=f"{stance.reason.value} {stance.detail}".strip())
        if not isinstance(stop, StraightStop):
            return Violation(Code.BALANCE, "balance.path_stop", detail="a stop along a path is not judged")
        if self._surely(stance, before, after, stop, self._trials if trial else self._near):
            return None
        times, states = step_and_stop(before, after, self._period, stop, max(FINEST, stop.duration / SAMPLES))
        found = self._check.least_margin(stance, times, states)
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

    def _surely(self, stance: Stance, before: Matrix, after: Matrix, stop: StraightStop, near: Nearby) -> bool:
        bounds = derivative_bounds(self._times, np.stack([before, after]))[:2, 0]
        fastest, hardest = stop.liveliness()
        return near.surely_keeps(
            stance,
            after[0],
            np.maximum(bounds[0] * self._period, stop.travel),
            np.maximum(bounds[0], fastest),
            np.maximum(bounds[1], hardest),
            self._needed,
        )


def same(kept: Stance, measured: Stance) -> bool:
    """Whether a measured stance is the kept one, but for what RESERVE holds."""
    return kept.feet == measured.feet and all(
        _same_ground(one, other) for one, other in zip(kept.grounds, measured.grounds, strict=True)
    )


def _same_ground(kept: Ground, measured: Ground) -> bool:
    """Judge one sole; written so that NaN is no same one."""
    bearing = np.repeat(measured.bearing, [len(sole.corners) for sole in measured.planted.others])
    corners = measured.corners[bearing]
    moved = kept.corners[bearing] - corners
    return bool(
        np.linalg.norm(kept.up - measured.up) <= LEAN
        and (np.linalg.norm(moved, axis=1) <= SHIFT).all()
        and (np.linalg.norm(corners, axis=1) <= FARTHEST).all()
    )
