"""Did good motion arrive unchanged? Every set-point that was sent has to lie on the output, at its time.

The output is known at cycle instants only: position, velocity and acceleration of each `Actuate`. Between two of them
it is one quintic per joint wherever no set-point lies between, so two neighbours within a segment determine the whole
segment, its ends included. A set-point s_k of n joints is found when there is one time t_k with

    max over joints |Q(t_k) - s_k| <= 1e-9 rad

for the quintic Q of a neighbouring pair; t_k - t_(k-1) has to be the source's period, which the supervisor may
stretch or shorten a little to follow the source's clock. The code here is the judge's own; it imports no segments.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

TOLERANCE: Final = 1e-9
"""[rad]"""
PERIOD_TOLERANCE: Final = 0.03
"""Relative; the play-out follows a source whose clock is up to 1 % off, and ROS stamps nothing."""
SLOW: Final = 0.05
"""A joint below this speed tells no time, [rad/s]."""
FOUND: Final = 1e-14
"""Closer than this nothing better is looked for, [rad]."""
_PAIRS: Final = 6
_NEWTON: Final = 8


@dataclass(frozen=True)
class Output:
    """Consecutive set-points of the control cycles: arrays of shape (m, n), one row a cycle; `period` in [s]."""

    positions: Array
    velocities: Array
    accelerations: Array
    period: float


@dataclass(frozen=True)
class Arrival:
    """What was found.

    Attributes:
        checked: set-points that were looked for.
        missing: those that lie nowhere on the output.
        max_error: greatest distance of a set-point from the output, [rad].
        max_time_error: greatest deviation of the time between two set-points from the period, [s].
        off_beat: set-points whose time is more than 3 % of the period off.
        doubt: why the output is not what the motors were sent; empty when it is.
    """

    checked: int
    missing: int
    max_error: float
    max_time_error: float
    off_beat: int
    doubt: str = ""

    @property
    def ok(self) -> bool:
        """Whether all arrived, in time; nothing to check is no proof."""
        return self.checked > 0 and self.missing == 0 and self.off_beat == 0 and not self.doubt


def _quintics(output: Output) -> Array:
    """Coefficients in u = t / period of the quintic between each two neighbours, shape (m - 1, 6, n)."""
    h = output.period
    q, v, a = output.positions, output.velocities * h, output.accelerations * (h * h)
    d, v0, v1, a0, a1 = q[1:] - q[:-1], v[:-1], v[1:], a[:-1], a[1:]
    return np.stack(
        [
            q[:-1],
            v0,
            0.5 * a0,
            10.0 * d - 6.0 * v0 - 4.0 * v1 - 1.5 * a0 + 0.5 * a1,
            -15.0 * d + 8.0 * v0 + 7.0 * v1 + 1.5 * a0 - a1,
            6.0 * d - 3.0 * (v0 + v1) - 0.5 * (a0 - a1),
        ],
        axis=1,
    )


def _value(coefficients: Array, u: float) -> Array:
    result = coefficients[5]
    for row in coefficients[4::-1]:
        result = result * u + row
    return result


def _rate(coefficients: Array, u: float) -> Array:
    result = 5.0 * coefficients[5]
    for order in (4, 3, 2, 1):
        result = result * u + order * coefficients[order]
    return result


def _closest(coefficients: Array, target: Array, u: float, reach: float) -> tuple[float, float]:
    """Return time and error where a quintic comes closest to a set-point near u, within `reach` around its pair."""
    for _ in range(_NEWTON):
        gap, rate = target - _value(coefficients, u), _rate(coefficients, u)
        square = float(rate @ rate)
        if square == 0.0:
            break
        u = min(1.0 + reach, max(-reach, u + float(rate @ gap) / square))
    return u, float(np.abs(target - _value(coefficients, u)).max())


def find(set_points: Array, period: float, output: Output) -> Arrival:
    """Look for every set-point on the output.

    Args:
        set_points: as they were sent, shape (k, n), [rad].
        period: time between two of them, [s]; at least two control periods, or a segment has no pair of its own.
        output: of the cycles from before the first set-point to after the last.

    Raises:
        ValueError: when the period is too short to be judged.
    """
    if period < 2.0 * output.period * (1.0 - 1e-9):
        raise ValueError(f"a period of {period} s is too short to be judged at cycles of {output.period} s")
    if len(output.positions) < 2:
        return Arrival(len(set_points), len(set_points), float("inf"), 0.0, 0)
    quintics = _quintics(output)
    beat = period / output.period
    times: list[float] = []
    worst, missing, expected = 0.0, 0, -1.0
    for target in set_points:
        time, error = _search(quintics, output, target, expected, beat)
        if expected >= 0.0 and abs(time - expected) > PERIOD_TOLERANCE * beat:
            # At rest one pose lies on the output for many cycles, and any of those times may have been found.
            on_beat = _error_at(quintics, target, expected)
            if on_beat <= TOLERANCE:
                time, error = expected, on_beat
        worst = max(worst, error)
        missing += error > TOLERANCE
        # A rest pose lies on the output for many cycles: what follows is looked for behind what was found.
        expected = time + beat if error <= TOLERANCE else expected + beat if expected >= 0.0 else -1.0
        times.append(time)
    return Arrival(len(set_points), missing, worst, *_beats(np.array(times), set_points, period, output))


def _search(quintics: Array, output: Output, target: Array, expected: float, beat: float) -> tuple[float, float]:
    """Return time in cycles, and error, of the best place for one set-point."""
    distance = np.abs(output.positions - target).max(axis=1)
    if expected >= 0.0:
        centre = round(expected)
        places = [centre, int(np.argmin(distance))]
    else:
        places = [int(np.argmin(distance))]
    reach = min(beat, float(_PAIRS))
    best = (0.0, float("inf"))
    for place in places:
        pairs = range(max(0, place - _PAIRS), min(len(quintics), place + _PAIRS))
        for pair in sorted(pairs, key=lambda pair: abs(pair + 0.5 - expected)) if expected >= 0.0 else pairs:
            # From several beginnings: a quintic may turn round within a cycle.
            guess = min(1.0 + reach, max(-reach, expected - pair)) if expected >= 0.0 else 0.5
            for begin in (guess, -0.5 * reach, 0.5, 1.0 + 0.5 * reach):
                u, error = _closest(quintics[pair], target, begin, reach)
                if error < best[1]:
                    best = (pair + u, error)
                if error <= FOUND:
                    return best
    return best


def _error_at(quintics: Array, target: Array, time: float) -> float:
    """Return the error of a set-point at a time in cycles.

    A segment may end inside the pair around that time, so that the pair before counts, too; never one that begins
    later, since what rests later may not have arrived yet.
    """
    around = range(max(0, int(time) - 1), min(len(quintics), int(time) + 1))
    return min((float(np.abs(target - _value(quintics[pair], time - pair)).max()) for pair in around), default=np.inf)


def _beats(times: Array, set_points: Array, period: float, output: Output) -> tuple[float, int]:
    """Return the greatest time error, and how many are beyond the tolerance, where motion is fast enough to tell."""
    if len(times) < 2:
        return 0.0, 0
    steps = np.diff(times) * output.period
    speed = np.abs(np.diff(set_points, axis=0)).max(axis=1) / period
    errors = np.abs(steps - period)[speed > SLOW]
    if len(errors) == 0:
        return 0.0, 0
    return float(errors.max()), int(np.count_nonzero(errors > PERIOD_TOLERANCE * period))
