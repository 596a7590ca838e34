"""One jog, from press to rest, as the velocities that are streamed, one for each period of the source. Pure.

The core plays each set-point as a cubic ramp of velocity (`core.motion.segments`), so where the joints are commanded
is known here exactly: `Jog.pose` is the same sum. Rates go up and down along a smooth step, as many periods long as
acceleration and jerk allow; before a joint's limit they fade. So nothing here gives the verifier a reason to refuse,
but for what lies in the way: that is its own to see.

Requirement: SR-021.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np
import pinocchio as pin

from safety_supervisor.core.units import Vector
from safety_supervisor.panel.jog_kinematics import ASTRAY, Arm, JogRobot

SLOWEST, FASTEST, FIRST = 0.01, 0.25, 0.05
"""Speeds that can be asked for, and the one that is asked for first, [m/s]."""
_SPARE: Final = 0.96
"""A ramp that ends overshoots by up to 0.15 of its last step: so much of the speed is used."""
_SHARE: Final = 0.35
"""Of acceleration and jerk, for a ramp; both may come together, and the path bends."""
_VELOCITY_SHARE: Final = 0.5
_CHANGE: Final = 0.7
"""Of acceleration and jerk, at most; between set-points the core's ramp of velocity peaks at 4/3 of a change of
acceleration, and at 4 times that change over the period, in jerk."""
_NOTHING: Final = 1e-12
_SINGULAR: Final = "stretched, folded or lined up, the arm can hardly take its tool there: jog joints first"
_SHORTEST: Final = 5
"""A ramp has at least so many periods."""
_ROOM: Final = 0.005
"""So far before a limit a joint ends, [rad] or [m]: where it is commanded is not known better before the first step."""
_BACK: Final = 8.0
"""What the tool is beside its line is taken back within about so many periods."""
_ENOUGH: Final = 0.01
"""A limit that leaves a smaller share of the rate ends the motion."""
_RESTS: Final = 2
"""Set-points of rest that end a stream cleanly: no velocity, then no acceleration either."""
_AWAY: Final = 0.1
"""A joint that is measured farther from where the jog is, plus what it goes in `_LAG`, is somewhere else, [rad]."""
_LAG: Final = 0.4


class JogRefusedError(Exception):
    """Nothing can be jogged so; the text says why."""


class Way(NamedTuple):
    """What moves, whither, how far, how fast.

    Attributes:
        arm: index into `JogRobot.arms`.
        joint: index into the robot's joints; None: the arm's tool.
        axis: of the tool: 0 to 2 along x, y, z; 3 to 5 about them.
        sign: 1 or -1.
        in_tool: whether the axes are the tool's as it is when it begins, else those of the base.
        distance: of a step, [m] or [rad]; None: as long as it is held.
        speed: of the fastest point of any link, [m/s].
    """

    arm: int
    joint: int | None
    axis: int
    sign: int
    in_tool: bool
    distance: float | None
    speed: float


class Jog:
    """One jog.

    Args:
        robot: its kinematics.
        way: what is asked for.
        start: pose of all joints, shape (n,), [rad] or [m].
        period: of the source, [s].

    Attributes:
        arm: whose joints are streamed.
        pose: where all joints are commanded, shape (n,).
        velocities: the set-point that was given last, shape (n,), [rad/s] or [m/s].
        note: why it has ended before it was let go; empty while it goes on.
    """

    def __init__(self, robot: JogRobot, way: Way, start: Vector, period: float) -> None:
        """Plan it.

        Raises:
            JogRefusedError: it can not begin.
        """
        if not np.isfinite(start).all():
            raise JogRefusedError("it is not known where the robot is")
        self.arm: Arm = robot.arms[way.arm]
        self.pose, self.velocities, self.note = start.copy(), np.zeros(len(start)), ""
        self._robot, self._way, self._period = robot, way, period
        self._before = np.zeros(len(start))  # acceleration at the last set-point
        self._gone, self._rate, self._rate_before, self._slope = 0.0, 0.0, 0.0, 0.0
        self._up, self._down = 0, list[float]()
        self._braking = False
        self._rests = _RESTS
        self._begin: Any = None
        self._twist = np.zeros(6)
        if way.joint is None:
            if not self.arm.tip:
                raise JogRefusedError(f"{self.arm.name} has no tool that can be moved along axes")
            self._begin = robot.placement(self.arm, start)
            turn = np.array(self._begin.rotation) if way.in_tool else np.eye(3)
            part = slice(3 * (way.axis // 3), 3 * (way.axis // 3) + 3)
            self._twist[part] = way.sign * turn[:, way.axis % 3]
        unit = self._unit()
        if self.note:
            raise JogRefusedError(self.note)
        self._goal = top = self._top(unit)
        limits, speeds = robot.limits, top * np.abs(unit)
        smooth = math.sqrt(float((24.0 * speeds / (_SHARE * limits.jerk)).max()))
        hard = 1.5 * float((speeds / (_SHARE * limits.acceleration)).max())
        self._ramp = max(_SHORTEST, math.ceil(max(smooth, hard) / period))
        self._most = math.inf if way.distance is None else way.distance / (period * self._ramp)
        if self._held_back(unit) < _ENOUGH * top:
            raise JogRefusedError(f"{self._near(unit)} is at its limit in this direction")

    def step(self, held: bool) -> Vector | None:
        """Return the next set-point: velocities of the arm's joints, shape (k,), [rad/s] or [m/s].

        Args:
            held: whether the button is.

        Returns:
            None when it has come to rest, and its stream has ended cleanly.
        """
        if not self._braking and (not held or self.note):
            self._brake(self._rate, max(_SHORTEST, math.ceil(self._ramp * min(1.0, self._rate / self._goal))))
        unit = self._unit()
        rate = self._next(unit)
        if rate <= 0.0 and self._braking and not self._down:
            if self._rests == 0:
                return None
            unit = np.zeros(len(self.pose))
        velocities = self._within(rate * unit + self._back(rate))
        self._rests = self._rests if velocities.any() else self._rests - 1
        self._advance(velocities)
        return self.velocities[self.arm.joints]

    def beside(self, measured: Vector) -> bool:
        """Whether the robot is not where the jog takes it to be; measured positions, shape (n,), NaN: not known."""
        joints = self.arm.joints
        apart = np.abs(measured - self.pose)[joints]
        return not (apart <= _AWAY + _LAG * np.abs(self.velocities[joints])).all()

    # --- rates: [m/s] or [rad/s] of the joint or the tool, never negative

    def _next(self, unit: Vector) -> float:
        top = min(self._top(unit), self._most)
        if not self._braking:
            self._goal = top
            rate = top * _smooth((self._up + 1) / self._ramp)
            allowed = self._held_back(unit)
            if allowed < _ENOUGH * top:
                self.note = f"{self._near(unit)} has come to its limit"
            elif self._leaves_room(min(rate, allowed)):
                self._up = min(self._up + 1, self._ramp)
                return self._take(min(rate, allowed))
            if self.note:
                self._brake(self._rate, _SHORTEST)
        rate = self._down.pop(0) if self._down else 0.0
        return self._take(min(rate, self._top(unit), self._held_back(unit)))

    def _take(self, rate: float) -> float:
        self._rate_before, self._rate = self._rate, rate
        return rate

    def _leaves_room(self, rate: float) -> bool:
        """Whether a step goes on at a rate; where it does not, the way that is left becomes the ramp down."""
        if self._way.distance is None:
            return True
        # What the core plays of the present rate and its slope besides the rates to come (`core.motion.segments`).
        under_way = self._rate / 2.0 + (self._rate - self._rate_before) / 12.0
        left = self._way.distance - self._gone - self._period * under_way
        if rate * self._period + rate * self._period * (self._ramp - 1) / 2.0 <= left:
            return True
        if self._rate <= 0.0:
            raise AssertionError("a step is longer than its first period")
        count = max(self._ramp, 1 + math.ceil(2.0 * left / (self._period * self._rate)))
        self._brake(2.0 * left / (self._period * (count - 1)), count)
        return False

    def _brake(self, rate: float, count: int) -> None:
        """Plan the ramp down; it covers rate * period * (count - 1) / 2."""
        self._braking = True
        self._down = [rate * (1.0 - _smooth(k / count)) for k in range(1, count + 1)] if rate > 0.0 else []

    def _top(self, unit: Vector) -> float:
        """Return the rate at which the fastest point, and each joint, is as fast as it may be."""
        robot = self._robot
        allowed = _SPARE * self._way.speed - robot.carried
        if allowed <= 0.0:
            raise JogRefusedError("other joints may be that fast already: ask for more speed")
        tiny = 1e-3 / max(1e-9, float(np.abs(unit).max()))
        fastest = robot.frame_speed(self._ahead, tiny * unit) / tiny
        joint = float((np.abs(unit) / (_VELOCITY_SHARE * robot.limits.velocity)).max())
        return min(allowed / max(fastest, 1e-9), 1.0 / max(joint, 1e-9))

    def _rooms(self, unit: Vector) -> Vector:
        """Return how far each joint may go as it does, shape (n,); infinite for those that rest."""
        limits = self._robot.limits
        rooms = np.where(unit > 0.0, limits.upper - self.pose, self.pose - limits.lower) - _ROOM
        rooms[np.abs(unit) < 1e-9 * np.abs(unit).max()] = np.inf
        return rooms

    def _held_back(self, unit: Vector) -> float:
        """Return the rate at which every joint still has a ramp's time before its limit."""
        ways = np.abs(unit) * self._ramp * self._period
        with np.errstate(divide="ignore", invalid="ignore"):
            times = np.where(np.isinf(self._rooms(unit)), np.inf, self._rooms(unit) / ways)
        return max(0.0, float(times.min()))

    def _near(self, unit: Vector) -> str:
        """Name the joint with the least time to its limit."""
        with np.errstate(divide="ignore", invalid="ignore"):
            times = self._rooms(unit) / np.abs(unit)
        return self._robot.joints[int(np.nanargmin(times))]

    # --- joints

    @property
    def _ahead(self) -> Vector:
        """Where it will be in a period, as nearly as that is known before the set-point is, shape (n,)."""
        return self.pose + self._period * self.velocities

    def _unit(self) -> Vector:
        """Return the joint velocities of rate 1 where the next set-point is reached, shape (n,)."""
        unit = np.zeros(len(self.pose))
        if self._way.joint is not None:
            unit[self._way.joint] = self._way.sign
            return unit
        found, astray = self._robot.follow(self.arm, self._ahead, self._twist)
        unit[self.arm.joints] = found
        if not astray <= ASTRAY and not self.note:
            self.note = _SINGULAR
        return unit

    def _back(self, rate: float) -> Vector:
        """Return the joint velocities that bring the tool back to its line, shape (n,)."""
        back = np.zeros(len(self.pose))
        if self._begin is None or rate <= 0.0:
            return back
        here = self._robot.placement(self.arm, self.pose)
        shift = np.array(self._begin.translation) + self._gone * self._twist[:3] - here.translation
        turn = pin.log3(pin.exp3(self._gone * self._twist[3:]) @ self._begin.rotation @ here.rotation.T)
        error = np.concatenate((shift, np.array(turn)))
        # As much slower as the way is, so that it rests when that does.
        share = min(1.0, rate / self._goal) / (_BACK * self._period)
        back[self.arm.joints] = self._robot.follow(self.arm, self.pose, share * error)[0]
        return back

    def _within(self, velocities: Vector) -> Vector:
        """Return the velocities, or what the envelope lets them change to: where a pose bends the way."""
        limits, period = self._robot.limits, self._period
        bend = (velocities - self.velocities) / period - self._before
        bend /= max(1.0, float((np.abs(bend) / (_CHANGE * limits.jerk * period / 4.0)).max()))
        change = self._before + bend
        change /= max(1.0, float((np.abs(change) / (_CHANGE * limits.acceleration)).max()))
        velocities = self.velocities + period * change
        velocities[np.abs(velocities) < _NOTHING] = 0.0
        fastest = self._robot.frame_speed(self._ahead, velocities)
        allowed = 0.99 * self._way.speed - self._robot.carried
        return velocities * min(1.0, allowed / max(fastest, 1e-12))

    def _advance(self, velocities: Vector) -> None:
        """Take note of a set-point as the core plays it."""
        after = (velocities - self.velocities) / self._period
        half, twelfth = 0.5 * self._period, self._period**2 / 12.0
        self.pose += half * (self.velocities + velocities) + twelfth * (self._before - after)
        slope = (self._rate - self._rate_before) / self._period
        self._gone += half * (self._rate + self._rate_before) + twelfth * (self._slope - slope)
        self._slope = slope
        self.velocities, self._before = velocities, after


def _smooth(share: float) -> float:
    """Go from 0 to 1, and begin and end with no slope."""
    share = min(1.0, max(0.0, share))
    return share * share * (3.0 - 2.0 * share)
