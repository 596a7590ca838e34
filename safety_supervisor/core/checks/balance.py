"""Whether balance is kept along a planned motion and its stop, with nothing missed between samples.

The formulas and the proof: `core/balance/model.py`. Requirements: SR-034, SR-036.
"""

from __future__ import annotations

import math
from typing import Final

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
from safety_supervisor.core.balance.planted import Seen
from safety_supervisor.core.balance.settings import BalanceSettings
from safety_supervisor.core.balance.standing import ROUNDING, Ground, Stance, Standing
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.geometry.spline_bounds import derivative_bounds
from safety_supervisor.core.motion.stopping import Stop
from safety_supervisor.core.settings import ToolSettings
from safety_supervisor.core.units import Matrix, Vector, seconds

_POINTS: Final = ("zero-moment point", "capture point")


class BalanceCheck:
    """Judges motions of a robot that stands.

    Attributes:
        standing: works out on what.
    """

    def __init__(self, robot: RobotModel, settings: BalanceSettings, tool: ToolSettings | None = None) -> None:
        """Prepare; arguments and errors as of `Standing`."""
        self._settings = settings
        self.standing = Standing(robot, settings, tool)

    def least_margin(self, stance: Stance, times: Vector, states: NDArray[np.float64]) -> Judgement:
        """Bound the margin along a planned motion, from its first sample to its last.

        Between samples the motion is what `derivative_bounds` says. Where it ends at rest, the stop is part of it.

        Args:
            stance: how the robot stands.
            times: increasing, shape (m,), [s], m at least 1.
            states: position, velocity, acceleration of the commanded joints, shape (m, 3, n).
        """
        if not len(times) or len(times) != len(states) or not (np.diff(times) > 0.0).all():
            return Unjudged(Unknown.SAMPLES)
        if not (np.isfinite(states).all() and np.isfinite(times).all()):
            return Unjudged(Unknown.NOT_FINITE, "a sample")
        joints = derivative_bounds(times, states) if len(times) > 1 else None
        least: Margin | None = None
        for ground in stance.grounds:
            found = self._along(ground, times, states, joints)
            if isinstance(found, Unjudged):
                return found
            if least is None or found.value < least.value:
                least = found
        return Unjudged(Unknown.NO_CONTACT) if least is None else least

    def _along(
        self, ground: Ground, times: Vector, states: NDArray[np.float64], joints: NDArray[np.float64] | None
    ) -> Judgement:
        """Judge a motion of the robot on one foot; `joints` bounds its derivatives."""
        planted, gravity = ground.planted, self._settings.gravity
        seen = planted.see(states)
        height = seen.centre[:, 0] @ ground.up - ground.level
        if not height.min() > 0.0:
            return Unjudged(Unknown.CENTRE_HEIGHT, f"{height.min():.3f} m")
        flat = seen.centre @ ground.flat
        flat[:, 0] += ground.place
        margins = np.stack(
            [
                ground.polygon.signed_distances(zero_moment_point(flat[:, 0], flat[:, 2], height, gravity)),
                ground.polygon.signed_distances(capture_point(flat[:, 0], flat[:, 1], height, gravity)),
            ]
        )
        if joints is not None:
            margins = np.minimum(margins[:, :-1], margins[:, 1:])
            lost = self._lost(ground, np.diff(times), height, joints)
            if isinstance(lost, Unjudged):
                return lost
            margins -= lost
        moved = self._feet_move(ground, times, seen, joints)
        if moved is not None:
            return moved
        if not np.isfinite(margins).all():
            return Unjudged(Unknown.NOT_FINITE, "a margin")
        which, where = divmod(int(margins.argmin()), margins.shape[1])
        value = float(margins[which, where]) - ROUNDING
        return Margin(value, float(times[where]), _POINTS[which], planted.foot)

    def _lost(
        self, ground: Ground, steps: Vector, height: Vector, joints: NDArray[np.float64]
    ) -> NDArray[np.float64] | Unjudged:
        """Bound how much less than at its ends a margin is inside each interval, shape (2, m - 1), [m]."""
        derivatives = ground.planted.centre.bounds(ground.planted.of_joints(joints))
        eighths = steps * steps / 8.0
        sag = eighths * derivatives[1]
        lowest = np.minimum(height[:-1], height[1:]) - sag
        if not lowest.min() > 0.0:
            return Unjudged(Unknown.CENTRE_HEIGHT, "between two samples")
        highest = np.maximum(height[:-1], height[1:]) + sag
        lost: NDArray[np.float64] = eighths * np.array(bends(derivatives, lowest, highest, self._settings.gravity))
        return lost

    def _feet_move(
        self, ground: Ground, times: Vector, seen: Seen, joints: NDArray[np.float64] | None
    ) -> Unjudged | None:
        """Return that a bearing foot comes farther from where it stands than `slip`, or may between two samples."""
        planted, first = ground.planted, 0
        apart = np.sqrt(((seen.corners - ground.corners) ** 2).sum(axis=2))
        for other, bears, carried in zip(planted.others, ground.bearing, planted.soles, strict=True):
            last = first + len(other.corners)
            if bears:
                farthest = float(apart[:, first:last].max())
                if joints is not None:
                    step = float(np.diff(times).max())
                    fastest = carried.bounds(planted.of_joints(joints[:2].max(axis=1)))
                    farthest += step * step / 8.0 * float(fastest[1])
                if not farthest <= self._settings.slip:
                    return Unjudged(
                        Unknown.FEET_MOVE, f"{other.foot} by up to {farthest:.4f} m, seen from {planted.foot}"
                    )
            first = last
        return None


def step_and_stop(
    before: Matrix, after: Matrix, period: float, stop: Stop, longest: float
) -> tuple[Vector, NDArray[np.float64]]:
    """Return samples of a step and of the full stop after it, as `BalanceCheck.least_margin` takes them.

    The stop is sampled at the points that the controller is sent, which hold its knots, and between them.

    Args:
        before: position, velocity, acceleration of the last set-point, shape (3, n).
        after: of the next one.
        period: time between the two, [s].
        stop: planned from `after`.
        longest: greatest time between two samples of the stop, [s].

    Returns:
        Times from the last set-point on, shape (m,), [s], and states, shape (m, 3, n).
    """
    times, last = [0.0], 0.0
    for point in stop.horizon():
        knot = seconds(point.time)
        parts = math.ceil((knot - last) / longest)
        times += [last + (knot - last) * (part + 1) / parts for part in range(parts)]
        last = knot
    states = np.array([before, after, *(stop.state(t) for t in times[1:])])
    return np.array([0.0, *(period + t for t in times)]), states
