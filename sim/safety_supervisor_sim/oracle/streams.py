"""Judgement of the command stream that reached the motors, message by message."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from safety_supervisor_sim.oracle.ledger import Worst
from safety_supervisor_sim.oracle.limits import Array, Limits

Note = Callable[[str, Worst], None]


class StreamJudge:
    """Differences consecutive commands by the nominal period, whenever they arrived.

    A stream that is lawful by its own clock stays lawful when the machine delays a message;
    a stream that makes a step is caught even when the message came late. Source: the rate
    checks of Franka's control interface, which difference commands by the nominal 1 ms.
    """

    def __init__(self, limits: Limits, joints: Sequence[str], period: float, note: Note) -> None:
        self._limits = limits
        self._joints = tuple(joints)
        self._period = period
        self._note = note
        self._last_time: int | None = None
        self._position: Array | None = None
        self._velocity: Array | None = None
        self._acceleration: Array | None = None

    def _each(self, kind: str, time_ns: int, values: Array, limit: Array) -> None:
        self._tell(kind, time_ns, values, limit, limit - np.abs(values))

    def _tell(self, kind: str, time_ns: int, values: Array, limit: Array, margin: Array) -> None:
        """Note the worst joint, and every other one beyond its limit."""
        worst = int(margin.argmin())
        others = np.flatnonzero(margin < 0.0) if margin[worst] < 0.0 else ()
        for index in {worst, *(int(other) for other in others)}:
            value, bound = float(values[index]), float(limit[index])
            found = Worst(float(margin[index]), time_ns, self._joints[index], value, bound)
            self._note(kind, found)

    def malformed(self, time_ns: int, reason: str) -> None:
        """A message that the controller refused or that has no meaning."""
        self._note("command_malformed", Worst(-1.0, time_ns, reason, 1.0, 0.0))

    def _admit(self, time_ns: int, values: Array) -> bool:
        self.again(time_ns)
        if values.shape != (len(self._joints),):
            self.malformed(time_ns, f"{values.size} values")
            return False
        return self._finite(time_ns, values)

    def _finite(self, time_ns: int, values: Array) -> bool:
        if np.isfinite(values).all():
            return True
        bad = np.flatnonzero(~np.isfinite(values))
        for index in bad:
            joint = self._joints[int(index) % len(self._joints)]
            self._note("command_not_finite", Worst(-1.0, time_ns, joint, 1.0, 0.0))
        return False

    def again(self, time_ns: int) -> None:
        """Judge the time of a command, of which all else may be known already."""
        if self._last_time is not None and time_ns < self._last_time:
            behind = (self._last_time - time_ns) * 1e-9
            self._note("command_times", Worst(-behind, time_ns, "receipt", behind, 0.0))
        self._last_time = time_ns

    def positions(self, time_ns: int, values: Array, reference: Array) -> None:
        """Judge a streamed position, shape (n,); `reference` is where the drive stood before."""
        if not self._admit(time_ns, values):
            return
        self.position_limits(time_ns, values)
        before = reference if self._position is None else self._position
        known = self._position is not None
        with np.errstate(over="ignore", invalid="ignore"):  # huge finite commands
            velocity = (values - before) / self._period
        self._each("command_velocity", time_ns, velocity, self._limits.velocity)
        # The first step starts from a measured pose; its derivatives would be measurement noise.
        self._derivatives(time_ns, velocity if known else None)
        self._position = values.copy()

    def velocities(self, time_ns: int, values: Array) -> None:
        """Judge a streamed velocity, shape (n,), [rad/s]."""
        if not self._admit(time_ns, values):
            return
        self._each("command_velocity", time_ns, values, self._limits.velocity)
        if self._velocity is None:
            self._velocity = np.zeros_like(values)
        self._derivatives(time_ns, values.copy())

    def _derivatives(self, time_ns: int, velocity: Array | None) -> None:
        acceleration = jerk = None
        if velocity is not None and self._velocity is not None:
            with np.errstate(over="ignore", invalid="ignore"):
                acceleration = (velocity - self._velocity) / self._period
            self._each("command_acceleration", time_ns, acceleration, self._limits.acceleration)
            if self._acceleration is not None:
                with np.errstate(over="ignore", invalid="ignore"):
                    jerk = (acceleration - self._acceleration) / self._period
                self._each("command_jerk", time_ns, jerk, self._limits.jerk)
        self._velocity = velocity
        self._acceleration = acceleration

    def position_limits(self, time_ns: int, values: Array) -> None:
        """Judge positions that reach the motors, shape (n,), against the position limits."""
        low = values - self._limits.position_lower
        high = self._limits.position_upper - values
        near = np.where(low < high, self._limits.position_lower, self._limits.position_upper)
        self._tell("command_position", time_ns, values, near, np.minimum(low, high))

    def waypoints(
        self,
        time_ns: int,
        times: Array,
        positions: Array,
        velocities: Array | None,
        accelerations: Array | None,
    ) -> None:
        """Judge the points of an accepted trajectory: times (p,) [s], the rest (p, n)."""
        self.again(time_ns)
        fields = [positions]
        fields += [field for field in (velocities, accelerations) if field is not None]
        bad = [field for field in fields if not self._finite(time_ns, field.ravel())]
        if bad:
            return
        steps = np.diff(times)
        if np.any(steps <= 0.0):
            shortest = float(steps.min())
            nanosecond = 1e-9  # equal times are a breach too
            found = Worst(shortest - nanosecond, time_ns, "time_from_start", shortest, nanosecond)
            self._note("command_times", found)
            return
        lowest, highest = positions.min(axis=0), positions.max(axis=0)
        self.position_limits(time_ns, lowest)
        self.position_limits(time_ns, highest)
        if len(steps):
            means = np.abs(np.diff(positions, axis=0) / steps[:, None]).max(axis=0)
            self._each("command_velocity", time_ns, means, self._limits.velocity)
        if velocities is not None:
            peak = np.abs(velocities).max(axis=0)
            self._each("command_velocity", time_ns, peak, self._limits.velocity)
        if accelerations is not None:
            peak = np.abs(accelerations).max(axis=0)
            self._each("command_acceleration", time_ns, peak, self._limits.acceleration)
