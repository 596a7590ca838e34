"""A step and the stop along a path behind it, as pieces that balance can be judged on with nothing missed between.

In the stop the path's time runs slower, q(t) = P(tau + s(t)) with sigma = s' and |s'''| = 0 between the knots of the
profile, where s is a cubic. So with P1 .. P4 bounds of the path's own derivatives,

    |q'|    <= P1 sigma
    |q''|   <= P2 sigma^2 + P1 |sigma'|
    |q'''|  <= P3 sigma^3 + 3 P2 sigma |sigma'| + P1 |sigma''|
    |q''''| <= P4 sigma^4 + 6 P3 sigma^2 |sigma'| + P2 (3 sigma'^2 + 4 sigma |sigma''|)

by the chain rule. Samples are all knots of the path and of the profile, and places between them. From one to the next
the path is one polynomial of degree 5, which its states at both ends name: `derivative_bounds` encloses it. sigma
falls, |sigma'| is greatest at an end and |sigma''| one number. Where the path's acceleration jumps, at a knot of a
cubic, one piece ends and the next begins, each with its own side of the jump. A path whose velocity jumps has none.

If the supervisor dies, the controller plays the points that it was handed as a spline of its own: that is a piece, too.

Requirements: SR-026, SR-034, SR-048.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.checks.balance import KNOTS_APART
from safety_supervisor.core.geometry.spline_bounds import derivative_bounds
from safety_supervisor.core.motion.path_stop import PathStop
from safety_supervisor.core.motion.segments import HERMITE, derivative_rows
from safety_supervisor.core.units import Matrix, Vector, seconds

_HALVINGS: Final = 60


class Piece(NamedTuple):
    """A smooth piece of a motion.

    Attributes:
        times: of the samples, increasing, shape (m,), [s] from the last set-point on.
        states: position, velocity, acceleration there, from inside the piece, shape (m, 3, n).
        derivatives: bounds of the first four between two samples, shape (4, m - 1, n).
    """

    times: Vector
    states: NDArray[np.float64]
    derivatives: NDArray[np.float64]


class Liveliness(NamedTuple):
    """Bounds over a whole step and its stop, each shape (n,): way from the step's end, speed, acceleration."""

    way: Vector
    fastest: Vector
    hardest: Vector


def path_liveliness(before: Matrix, after: Matrix, period: float, stop: PathStop) -> Liveliness:
    """Bound a step, a stop along a smooth path and the controller's spline of it; arguments as of `path_pieces`."""
    times, states = _points(after, stop)
    times, states = np.concatenate(([-period], times)), np.concatenate((before[None], states))
    spline = derivative_bounds(times, states)
    fastest, hardest = stop.liveliness()
    step, behind = np.diff(times)[:, None] * spline[0], stop.travel
    return Liveliness(
        np.maximum(step[0], np.maximum(step[1:].sum(axis=0), behind)),
        np.maximum(spline[0].max(axis=0), fastest),
        np.maximum(spline[1].max(axis=0), hardest),
    )


def path_pieces(before: Matrix, after: Matrix, period: float, stop: PathStop, longest: float) -> Iterator[Piece]:
    """Yield the step, the stop along its path, and the controller's spline of that stop.

    Args:
        before: position, velocity, acceleration of the last set-point, shape (3, n).
        after: of the next one.
        period: time between the two, [s].
        stop: planned from `after`; its path is smooth (`Path.smooth`).
        longest: greatest time between two samples, [s].
    """
    yield _spline(np.array([0.0, period]), np.stack([before, after]), longest)
    for times, taus, first, last in _runs(stop, longest):
        states = stop.path.states_at(taus)
        states[-1] = stop.path.states_before(taus[-1:])[0]
        yield _slowed(stop, period, times, taus, states, first, last)
    points = _points(after, stop)
    yield _spline(period + points[0], points[1], longest)


def _runs(stop: PathStop, longest: float) -> Iterator[tuple[Vector, Vector, float, float]]:
    """Yield the stretches between knots of the path and of the profile: times, path times, and sigma'' at both ends."""
    profile, start = stop.profile, stop.start
    breaks = {0.0: start}
    for t in (profile.ramp, profile.duration - profile.ramp, profile.duration):
        breaks[t] = start + profile.used(t)
    for knot in stop.path.knots_within(start, start + 0.5 * profile.duration).tolist():
        breaks[_time_of(stop, knot - start)] = knot
    order = sorted(breaks)
    for first, last in pairwise(order):
        if last - first <= KNOTS_APART:
            continue  # its ends are those of its neighbours; a difference of rounding has no derivatives
        parts = math.ceil((last - first) / longest)
        times = np.linspace(first, last, parts + 1)
        taus = np.array([start + profile.used(t) for t in times])
        taus[0], taus[-1] = breaks[first], breaks[last]
        yield times, taus, first, last


def _time_of(stop: PathStop, used: float) -> float:
    """Return when so much of the path's time is used up, [s]."""
    low, high = 0.0, stop.profile.duration
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if stop.profile.used(middle) < used else (low, middle)
    return high


def _slowed(
    stop: PathStop, period: float, times: Vector, taus: Vector, path: NDArray[np.float64], first: float, last: float
) -> Piece:
    """Make a piece of a stretch of the path, whose own states are given."""
    profile = stop.profile
    paces = np.array([profile.at(t)[1:] for t in times])
    sigma, rate = paces[:, 0][:, None], paces[:, 1][:, None]
    states = path.copy()
    states[:, 2] = path[:, 2] * sigma * sigma + path[:, 1] * rate
    states[:, 1] *= sigma
    one, two, three, four = derivative_bounds(taus, path)
    # Between knots of the profile: what sigma'' is in the middle, it is everywhere.
    middle, slope = 0.5 * (first + last), profile.peak / profile.ramp if profile.ramp else 0.0
    bend = slope if middle < profile.ramp or middle > profile.duration - profile.ramp else 0.0
    most, turn = sigma[:-1], np.maximum(np.abs(rate[:-1]), np.abs(rate[1:]))
    derivatives = np.stack(
        [
            one * most,
            two * most**2 + one * turn,
            three * most**3 + 3.0 * two * most * turn + one * bend,
            four * most**4 + 6.0 * three * most**2 * turn + two * (3.0 * turn**2 + 4.0 * most * bend),
        ]
    )
    return Piece(period + times, states, derivatives)


def _points(after: Matrix, stop: PathStop) -> tuple[Vector, NDArray[np.float64]]:
    """Return the points that the controller is handed, the state before them first; times from that on, [s]."""
    points = stop.horizon()
    times = np.array([0.0, *(seconds(point.time) for point in points)])
    rows = [np.array([point.positions, point.velocities, point.accelerations]) for point in points]
    return times, np.stack([after, *rows])


def _spline(times: Vector, states: NDArray[np.float64], longest: float) -> Piece:
    """Sample the quintic spline through states more finely."""
    fine, rows = [float(times[0])], [states[0]]
    for index, (first, last) in enumerate(zip(times.tolist(), times[1:].tolist(), strict=False)):
        span = last - first
        scale = np.array([[1.0], [span], [span * span]])
        ends = np.concatenate((states[index] * scale, states[index + 1] * scale))
        coefficients = HERMITE @ ends
        parts = math.ceil(span / longest)
        for part in range(1, parts):
            fine.append(first + span * part / parts)
            rows.append(derivative_rows(part / parts, span) @ coefficients)
        fine.append(last)
        rows.append(states[index + 1])
    made, sampled = np.array(fine), np.array(rows)
    return Piece(made, sampled, derivative_bounds(made, sampled))
