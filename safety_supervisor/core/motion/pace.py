"""The pace of a stream: its own, or slower along its own path.

The path is what the stream's segments describe, q(tau) with tau the stream's own play-out time. At its own pace tau
advances by one control period a cycle; a slower step advances it by less, and nothing else changes. So every set-point
lies on the path, at whatever pace. With the pace sigma = dtau/dt and its rate sigma',

    q' = q_tau sigma,   q'' = q_tautau sigma^2 + q_tau sigma'.

A pace never exceeds 1: what was lost is not made up for.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from safety_supervisor.core.motion.segments import Stream
from safety_supervisor.core.settings import JointLimits
from safety_supervisor.core.units import Matrix

_BRAKE: Final = 0.93  # share of the acceleration limit with which a pace is braked, path and all
_BUILD_UP: Final = 0.5  # share of the jerk limit that a change of the rate may use
_REGAIN: Final = 0.5  # share of the acceleration limit with which the own pace is regained
_SOFTNESS: Final = 4.0  # control periods in which the rest of the way to the own pace shrinks to its e-th part
_FULL: Final = 1e-6  # nearer than this to the own pace is the own pace


class _Step(NamedTuple):
    """A step on trial: the stream's own time there, the pace and its rate, and the time that was lost until then."""

    tau: float
    speed: float
    rate: float
    behind: float


class Pace:
    """How far and how fast one lane is on the path of its stream, cycle by cycle."""

    __slots__ = ("_dt", "_known", "_limits", "_rate", "_trial", "behind", "speed")

    def __init__(self, limits: JointLimits, dt: float) -> None:
        """Begin at the stream's own pace.

        Args:
            limits: of the lane's joints.
            dt: control period, [s].
        """
        self._limits = limits
        self._dt = dt
        self._rate = 0.0
        self._trial: _Step | None = None
        self._known: tuple[float, tuple[float, float]] | None = None
        self.behind = 0.0
        """Play-out time less the stream's own, [s]: what slower steps have lost so far."""
        self.speed = 1.0
        """sigma of the last set-point, in [0, 1]."""

    @property
    def full(self) -> bool:
        """Whether the last set-point was at the stream's own pace."""
        return self.speed == 1.0

    @property
    def open(self) -> bool:
        """Whether the path is known as far as the step that was tried last."""
        return self._trial is not None

    @property
    def tried(self) -> float:
        """Pace of the step that was tried last, in [0, 1]."""
        return 1.0 if self._trial is None else self._trial.speed

    def step(self, stream: Stream, t: float, share: float = 1.0) -> Matrix | None:
        """Try a step to play-out time t; nothing is kept of it until `take`.

        Args:
            stream: whose path it is.
            t: play-out time of the step, one control period after the last one, [s].
            share: 0 brakes as hard as the envelope lets it, 1 goes as fast as it lets it, at most at the own pace.

        Returns:
            Position, velocity, acceleration, shape (3, k); None where the path is not known.
        """
        before = t - self._dt - self.behind
        speed, rate, behind = 1.0, 0.0, self.behind
        tau = t - behind
        if share < 1.0 or not self.full:
            if self._known is None or self._known[0] != before:  # the same for all trials of a cycle
                self._known = before, self._range(stream, before)
            slowest, fastest = self._known[1]
            speed = slowest + share * (fastest - slowest) if share < 1.0 else fastest
            rate = (speed - self.speed) / self._dt
            way = 0.5 * self._dt * (self.speed + speed) + self._dt * self._dt / 12.0 * (self._rate - rate)
            tau = before + max(0.0, way)
            behind = t - tau
            rate = 0.0 if speed == 1.0 else rate
        state = stream.look(tau)
        if state is None:
            self._trial = None
            return stream.state(tau)
        self._trial = _Step(tau, speed, rate, behind)
        if speed == 1.0:
            return state
        q, dq, ddq = state
        return np.stack([q, dq * speed, ddq * (speed * speed) + dq * rate])

    def take(self, stream: Stream) -> None:
        """Keep the step that was tried last, if there is one: it was sent."""
        if self._trial is not None:
            tau, self.speed, self._rate, self.behind = self._trial
            self._known = None
            stream.leave(tau)

    def _range(self, stream: Stream, before: float) -> tuple[float, float]:
        """Least and greatest pace of the next step, as the limits let it change; curvature is left to the checks."""
        dt = self._dt
        quickest = jolt = 1.0 / dt
        state = stream.look(before)
        if state is not None:  # else it begins
            speeds = np.abs(state[1])
            spare = _BRAKE * self._limits.acceleration - self.speed * self.speed * np.abs(state[2])
            quickest = 1.0 / max(dt, float((speeds / np.maximum(spare, 0.1 * self._limits.acceleration)).max()))
            jolt = _BUILD_UP * dt / max(_BUILD_UP * dt * dt, float((speeds / self._limits.jerk).max()))
        highest = min(_REGAIN * quickest, self._rate + jolt, (1.0 - self.speed) / (_SOFTNESS * dt))
        lowest = min(highest, max(-quickest, self._rate - jolt))
        fastest = max(0.0, self.speed + highest * dt)
        if fastest > 1.0 - _FULL:
            fastest = 1.0
        return max(0.0, min(self.speed + lowest * dt, fastest)), fastest
