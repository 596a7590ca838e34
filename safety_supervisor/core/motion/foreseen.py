"""A step and its stop that are foreseen, and how far those that come are from them.

After a cycle the next step is foreseen by the last jerk, and its stop planned. The step that comes begins at the same
set-point; it and its stop are compared with the foreseen ones phase by phase: step, fade of the acceleration, and the
three phases of the brake, each by its own share of time u. What depends on position q, velocity v and acceleration a of
the joints alone, not on time, and was proven of every foreseen state, is then known of every state that comes.

With e0, e1, e2 how far q0, v0, a0 at the end of the step are from the foreseen, e3 how far v1 is, the velocity
at the end of the fade, and ^ for what was foreseen, joint by joint:

    step    the polynomial of degree 5 of both ends; of its Bezier points only the last three differ, by e0,
            e0 + h e1 / 5, e0 + 2 h e1 / 5 + h^2 e2 / 20; velocity and acceleration by their differences
            times 5 / h and then 4 / h
    fade    a = a0 (1 - u),  v = v0 + k (v1 - v0),  k = 2 u - u^2 in [0, 1],
            q = q0 + (u - K) f v0 + K f v1,  K = u^2 - u^3 / 3 in [0, 2/3],  u - K in [0, 1/3],  f the fade's time
    brake   a = s'' v1,  v = s' v1,  q = q1 + s v1, with the profile s of `BrakeProfile`: ramp r, peak p, s = S at the
            end; s'', s' and s are mixed, by u alone, from values of theirs: 0 and -p; 0, p r / 2, 1 - p r / 2 and 1;
            0, r / 3, 2 r / 3, r - c, S - c, S and r - c + g, with c = p r^2 / 6, g = (S - r) (1 - p r / 2)

so all along both motions, as a sum of what each phase needs,

    |q - q^| <= e0 + 2/5 h e1 + h^2/20 e2 + f (e1 + 2 e3) / 3 + |f - f^| (|v0^| + 2 |v1^|) / 3 + S e3 + ds |v1^|
    |v - v^| <= 5/h e0 + 2 e1 + h/4 e2 + e3 + dr |v1^|
    |a - a^| <= 20/h^2 e0 + 12/h e1 + 2 e2 + p e3 + dp |v1^|

dp, dr the changes of p and of p r / 2, ds the sum of those of r, c, S and g.

Requirements: SR-026.
"""

from __future__ import annotations

import numpy as np

from safety_supervisor.core.motion.stopping import StopLimits, StraightStop
from safety_supervisor.core.units import Matrix, Vector


def next_state(before: Matrix, after: Matrix, period: float) -> Matrix:
    """Foresee the state after the next one, by the jerk between these two; all of shape (3, n)."""
    bend = after[2] - before[2]
    state: Matrix = np.empty_like(after)
    half = 0.5 * period
    state[0] = after[0] + period * (after[1] + half * (after[2] + bend / 3.0))
    state[1] = after[1] + period * (after[2] + 0.5 * bend)
    state[2] = after[2] + bend
    return state


class Foreseen:
    """A step and its stop before they come.

    Attributes:
        before: state where the step begins, shape (3, n).
        after: where it ends.
        stop: planned from there.
    """

    def __init__(self, before: Matrix, after: Matrix, stop: StraightStop, period: float) -> None:
        """Keep them; `period` is that of the step, [s]."""
        self.before, self.after, self.stop = before, after, stop
        self._shape = _shape(stop)
        self._top: Vector = np.array(stop.top_velocity)
        self._parts: Matrix = np.empty((6, len(self._top)))
        self._parts[4] = np.abs(self._top)
        self._parts[5] = np.abs(after[1])
        h = period
        self._step = (0.4 * h, h * h / 20.0), (5.0 / h, 0.25 * h), (20.0 / (h * h), 12.0 / h)

    @classmethod
    def of(cls, before: Matrix, after: Matrix, limits: StopLimits, period: float) -> Foreseen:
        """Foresee what follows a step from `before` to `after`, both of shape (3, n), at its jerk."""
        state = next_state(before, after, period)
        return cls(after, state, StraightStop(state, limits), period)

    def same(self, other: Foreseen) -> bool:
        """Whether it is the same motion as another one."""
        return np.array_equal(self.before, other.before) and np.array_equal(self.after, other.after)

    def differs(self, after: Matrix, stop: StraightStop) -> Matrix:
        """Bound by how much positions, velocities and accelerations that come differ from the foreseen ones.

        Args:
            after: where a step from `before` ends, shape (3, n).
            stop: planned from there.

        Returns:
            Shape (3, n), of each joint all along.
        """
        parts = self._parts
        np.subtract(after, self.after, out=parts[:3])
        np.subtract(stop.top_velocity, self._top, out=parts[3])
        np.abs(parts[:4], out=parts[:4])
        fade, peak, half, ramp, knee, way, cruise = _shape(stop)
        other = self._shape
        later = abs(fade - other[0]) / 3.0
        slower = abs(ramp - other[3]) + abs(knee - other[4]) + abs(way - other[5]) + abs(cruise - other[6])
        (q1, q2), (v0, v2), (a0, a1) = self._step
        weights = np.array(
            (
                (1.0, q1 + fade / 3.0, q2, 2.0 * fade / 3.0 + way, 2.0 * later + slower, later),
                (v0, 2.0, v2, 1.0, abs(half - other[2]), 0.0),
                (a0, a1, 2.0, peak, abs(peak - other[1]), 0.0),
            )
        )
        differs: Matrix = weights @ parts
        return differs


class Met:
    """A step that comes beside what was foreseen; compared when that is asked for."""

    __slots__ = ("_differs", "_step", "foreseen")

    def __init__(self, foreseen: Foreseen, before: Matrix, after: Matrix, stop: StraightStop) -> None:
        """Take a step from `before` to `after`, both of shape (3, n), and its stop."""
        self.foreseen = foreseen
        self._step = before, after, stop
        self._differs: Matrix | None = None

    def differs(self) -> Matrix | None:
        """Return `Foreseen.differs`; None where the step begins elsewhere."""
        before, after, stop = self._step
        if self._differs is None and np.array_equal(self.foreseen.before, before):
            self._differs = self.foreseen.differs(after, stop)
        return self._differs


def _shape(stop: StraightStop) -> tuple[float, ...]:
    """Return f, p, p r / 2, r, c, S, g as above."""
    ramp, peak = stop.profile.ramp, stop.profile.peak
    half, way = 0.5 * peak * ramp, 0.5 * stop.profile.duration
    return stop.fade, peak, half, ramp, half * ramp / 3.0, way, (way - ramp) * (1.0 - half)
