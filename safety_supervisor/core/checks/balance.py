"""Whether balance is kept along a planned motion and its stop, with nothing missed between samples.

The formulas and the proof: `core/balance/model.py`. Requirements: SR-034, SR-036.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.balance.model import (
    Judgement,
    Margin,
    Unjudged,
    Unknown,
    bends,
    capture_point,
    zero_moment_point,
)
from safety_supervisor.core.balance.on_feet import Foothold, OnFeet
from safety_supervisor.core.balance.settings import BalanceSettings
from safety_supervisor.core.balance.standing import ROUNDING, Stance, Standing
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.geometry.spline_bounds import ORDERS, derivative_bounds
from safety_supervisor.core.motion.stopping import StraightStop
from safety_supervisor.core.settings import ToolSettings
from safety_supervisor.core.units import Matrix, Vector

KNOTS_APART: Final = 1e-7
"""[s]; knots of a stop that are nearer to each other are one."""
_POINTS: Final = ("zero-moment point", "capture point")


class Course(NamedTuple):
    """What is sure all along a motion.

    Attributes:
        margin: the least one.
        left: how far each other sole that bears may still come, in the order of `OnFeet.pairs`, shape (k,), [m].
        lowest: least height of the centre of mass, by each foot, shape (F,), [m].
        highest: greatest.
        pace: bounds of its speed [m/s] and acceleration [m/s^2], shape (2, F).
        joints: bounds of the joints' speeds and accelerations, shape (2, n).
        lever: 3 |c| + 2 |k| for the centre of mass c and corners k, seen from a sole (`checks.balance_step`), [m].
    """

    margin: Margin
    left: Vector
    lowest: Vector
    highest: Vector
    pace: Matrix
    joints: Matrix
    lever: float


class BalanceCheck:
    """Judges motions of a robot that stands.

    Attributes:
        standing: works out on what.
    """

    def __init__(self, robot: RobotModel, settings: BalanceSettings, tool: ToolSettings | None = None) -> None:
        """Prepare; arguments and errors as of `Standing`."""
        self._settings = settings
        self.standing = Standing(robot, settings, tool)
        self._on_feet: dict[tuple[str, ...], OnFeet] = {}
        self._held: tuple[Stance, Foothold] | None = None

    def least_margin(
        self,
        stance: Stance,
        times: Vector,
        states: NDArray[np.float64],
        derivatives: NDArray[np.float64] | None = None,
    ) -> Judgement:
        """Bound the margin along a planned motion; arguments as of `follow`."""
        found = self.follow(stance, times, states, derivatives)
        return found if isinstance(found, Unjudged) else found.margin

    def follow(
        self,
        stance: Stance,
        times: Vector,
        states: NDArray[np.float64],
        derivatives: NDArray[np.float64] | None = None,
    ) -> Course | Unjudged:
        """Bound margins, feet and the centre of mass along a planned motion, from its first sample to its last.

        Between samples the motion is what `derivative_bounds` says. Where it ends at rest, the stop is part of it.

        Args:
            stance: how the robot stands.
            times: increasing, shape (m,), [s], m at least 1.
            states: position, velocity, acceleration of the commanded joints, shape (m, 3, n).
            derivatives: bounds of the first four between two samples, shape (4, m - 1, n), where the motion is not the
                polynomial that its samples name; finite.
        """
        steps = times[1:] - times[:-1]
        if not len(times) or len(times) != len(states) or not (steps > 0.0).all():
            return Unjudged(Unknown.SAMPLES)
        if not (np.isfinite(states).all() and np.isfinite(times).all()):
            return Unjudged(Unknown.NOT_FINITE, "a sample")
        if not stance.grounds:
            return Unjudged(Unknown.NO_CONTACT)
        if len(times) > 1:
            joints = derivative_bounds(times, states) if derivatives is None else derivatives
        else:
            joints = np.zeros((ORDERS, 1, states.shape[2]))
            joints[:2, 0] = np.abs(states[0, 1:])
        return self._judge(stance, times, steps, states, joints)

    def on_feet(self, stance: Stance, joints: int) -> OnFeet:
        """Return the robot of so many commanded joints on the feet of a stance, which has some."""
        on = self._on_feet.get(stance.feet)
        if on is None:
            on = self._on_feet[stance.feet] = OnFeet(stance.grounds, joints)
        return on

    def _judge(
        self, stance: Stance, times: Vector, steps: Vector, states: NDArray[np.float64], joints: NDArray[np.float64]
    ) -> Course | Unjudged:
        """Judge a motion whose derivatives are bounded, shape (4, m - 1, n), or (4, 1, n) of a single sample."""
        on, gravity = self.on_feet(stance, states.shape[2]), self._settings.gravity
        if self._held is None or self._held[0] is not stance:
            self._held = stance, on.stand(stance.grounds)
        hold = self._held[1]
        centre, apart = on.see(stance.grounds, hold, states)
        seen = centre[:, :, 0] - hold.origin
        away = np.sqrt((seen * seen).sum(axis=2))
        height = centre[:, :, 0, 2]
        if not height.min() > 0.0:
            return Unjudged(Unknown.CENTRE_HEIGHT, f"{height.min():.3f} m")
        flat = centre[..., :2]
        points = np.array(
            [
                zero_moment_point(flat[:, :, 0], flat[:, :, 2], height, gravity),
                capture_point(flat[:, :, 0], flat[:, :, 1], height, gravity),
            ]
        )
        margins = hold.polygon.signed_distances(points.reshape(-1, 2)).reshape(points.shape[:3])
        grown = on.bounds(joints)
        feet = len(on.feet)
        derivatives = grown[:, :, :feet]
        lowest = highest = height
        if len(steps):
            eighths = (steps * steps / 8.0)[:, None]
            sag = eighths * derivatives[1]
            lowest = np.minimum(height[:-1], height[1:]) - sag
            highest = np.maximum(height[:-1], height[1:]) + sag
            if not lowest.min() > 0.0:
                return Unjudged(Unknown.CENTRE_HEIGHT, "between two samples")
            margins = np.minimum(margins[:, :-1], margins[:, 1:])
            margins -= eighths * np.array(bends(derivatives, lowest, highest, gravity))
            apart = np.maximum(apart[:-1], apart[1:]) + eighths * grown[1, :, feet:]
            away = np.maximum(away[:-1], away[1:]) + sag
        left = self._settings.slip - apart.max(axis=0)
        if not (left >= 0.0).all():
            worst = int((~(left >= 0.0)).argmax())
            index, other = on.pairs[worst]
            detail = f"{other} by up to {self._settings.slip - left[worst]:.4f} m, seen from {on.feet[index]}"
            return Unjudged(Unknown.FEET_MOVE, detail)
        if not np.isfinite(margins).all():
            return Unjudged(Unknown.NOT_FINITE, "a margin")
        which, where, foot = np.unravel_index(int(margins.argmin()), margins.shape)
        value = float(margins[which, where, foot]) - ROUNDING
        return Course(
            Margin(value, float(times[where]), _POINTS[which], on.feet[foot]),
            left,
            lowest.min(axis=0),
            highest.max(axis=0),
            derivatives[:2].max(axis=1),
            joints[:2].max(axis=1),
            3.0 * float(away.max()) + 2.0 * hold.farthest,
        )


def step_and_stop(
    before: Matrix, after: Matrix, period: float, stop: StraightStop, longest: float
) -> tuple[Vector, NDArray[np.float64]]:
    """Return samples of a step and of the full stop after it, as `BalanceCheck.least_margin` takes them.

    The stop is sampled at its knots, and between them. Knots that are nearer than `KNOTS_APART` are one: in the time
    between them the greatest acceleration of the largest robot here changes the margin by some 10 um, which RESERVE
    holds.

    Args:
        before: position, velocity, acceleration of the last set-point, shape (3, n).
        after: of the next one.
        period: time between the two, [s].
        stop: planned from `after`.
        longest: greatest time between two samples of the stop, [s].

    Returns:
        Times from the last set-point on, shape (m,), [s], and states, shape (m, 3, n).
    """
    times, last = [], 0.0
    for knot in stop.knots(KNOTS_APART):
        parts = max(1, math.ceil((knot - last) / longest))
        times += [last + (knot - last) * (part + 1) / parts for part in range(parts)]
        last = knot
    states = np.empty((len(times) + 2, *after.shape))
    states[0], states[1] = before, after
    if times:
        states[2:] = stop.states(times)
    return np.array([0.0, period, *(period + t for t in times)]), states
