"""Segments: the smooth motion between set-points.

A segment is a quintic per joint that joins two states (position, velocity, acceleration), so that a chain of them is
continuous in all three. Streamed set-points become segments by `Stream`: a set-point is the end of a segment, reached
one declared period after the one before, with one or two periods of play-out delay.

The velocity and acceleration at a set-point come from it and the three before by backward differences that are exact
for cubic motion. Nothing is fed back from the interpolation, so no error can grow; one set-point of look-ahead is
enough, and the rest of the play-out delay absorbs jitter.
"""

from __future__ import annotations

import math
from collections import deque
from functools import lru_cache
from typing import Final

import msgspec
import numpy as np

from safety_supervisor.core.settings import CommandKind
from safety_supervisor.core.units import Matrix, Vector

# Coefficients in u = t / duration from (q0, v0 T, a0 T^2, q1, v1 T, a1 T^2).
HERMITE: Final = np.array(
    [
        [1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        [0.0, 1.0, 0.0, 0.0, 0.0, 0.0],
        [0.0, 0.0, 0.5, 0.0, 0.0, 0.0],
        [-10.0, -6.0, -1.5, 10.0, -4.0, 0.5],
        [15.0, 8.0, 1.5, -15.0, 7.0, -1.0],
        [-6.0, -3.0, -0.5, 6.0, -3.0, 0.5],
    ]
)

# Rows: position, velocity * P, acceleration * P^2 at the newest of four positions, newest first.
_FROM_POSITIONS: Final = np.array([[1.0, 0.0, 0.0, 0.0], [11.0 / 6.0, -3.0, 1.5, -1.0 / 3.0], [2.0, -5.0, 4.0, -1.0]])

_RATE_GAIN: Final = 0.05  # relative change of the segment length per play-out delay of mean lateness beyond the slack
_RATE_SLACK: Final = 0.1  # mean lateness, in play-out delays, that needs no change
_RATE_LIMIT: Final = 0.01  # a source may be this much faster or slower than it declares
_RATE_STEP: Final = _RATE_LIMIT / 64  # so that the matrices of a segment's length are computed once, not for each
_ERROR_SMOOTHING: Final = 0.02  # weight of one arrival in the mean, so that jitter does not reach the motion
_QUEUE_PERIODS: Final = 4  # set-points that may wait beyond the play-out delay


def derivative_rows(u: float, duration: float) -> Matrix:
    """Return the matrix, shape (3, 6), that maps quintic coefficients to position, velocity, acceleration at u."""
    u2 = u * u
    u3 = u2 * u
    i, i2 = 1.0 / duration, 1.0 / (duration * duration)
    return np.array(
        (
            (1.0, u, u2, u3, u3 * u, u3 * u2),
            (0.0, i, 2.0 * u * i, 3.0 * u2 * i, 4.0 * u3 * i, 5.0 * u3 * u * i),
            (0.0, 0.0, 2.0 * i2, 6.0 * u * i2, 12.0 * u2 * i2, 20.0 * u3 * i2),
        )
    )


@lru_cache(maxsize=1024)
def _blend(duration: float) -> Matrix:
    """Return the matrix, shape (6, 6), from two states in SI units to coefficients in u = t / duration."""
    scale = np.array([1.0, duration, duration * duration] * 2)
    result: Matrix = HERMITE * scale
    return result


@lru_cache(maxsize=1024)
def _chain(duration: float) -> Matrix:
    """Return the matrix, shape (9, 7), that makes a segment of a state and the four set-points up to its end.

    From three rows of state and four of set-points, newest first, to six rows of coefficients and three of the state
    at the end: one product instead of one for the state and one for the coefficients.
    """
    end = np.zeros((3, 7))
    end[:, 3:] = _FROM_POSITIONS / np.array([[1.0], [duration], [duration * duration]])
    result: Matrix = np.vstack((_blend(duration) @ np.vstack((np.eye(3, 7), end)), end))
    return result


class Segment(msgspec.Struct, frozen=True):
    """A quintic from play-out time `start` to `start + duration`, [s]."""

    start: float
    duration: float
    coefficients: Matrix
    """In u = (t - start) / duration, shape (6, n)."""
    end_state: Matrix
    history: Matrix
    """Set-points at its end and at the two before, newest first, shape (3, n)."""

    @property
    def end(self) -> float:
        """Play-out time of the end, [s]."""
        return self.start + self.duration

    def state(self, t: float) -> Matrix:
        """Position, velocity, acceleration at play-out time t, shape (3, n)."""
        result: Matrix = derivative_rows((t - self.start) / self.duration, self.duration).dot(self.coefficients)
        return result


class Stream:
    """The set-points of one source for one set of joints, as a chain of segments in play-out time."""

    def __init__(self, kind: CommandKind, period: float, playout_periods: int) -> None:
        """Start with nothing queued.

        Args:
            kind: POSITION or VELOCITY.
            period: declared period of the source, [s].
            playout_periods: 1 or 2.
        """
        self.kind = kind
        self._period = period
        self.delay = playout_periods * period
        """Play-out delay, [s]."""
        self._segments: deque[Segment] = deque()
        self._last: Segment | None = None
        self._lateness = 0.0

    @property
    def active(self) -> bool:
        """Whether a first set-point was taken."""
        return self._last is not None

    def start_time(self, received: float) -> float:
        """Return the play-out time at which a stream that begins now leaves its starting state, [s]."""
        return received + self.delay - self._period

    def plan(self, received: float, values: Vector, begin: Matrix | None) -> Segment | None:
        """Return the segment that ends in the new set-point, without taking it yet.

        Args:
            received: receipt in play-out time, [s].
            values: positions [rad] or velocities [rad/s], shape (k,).
            begin: state at `start_time(received)` when the stream is not active, shape (3, k).

        Returns:
            None when more set-points wait already than the delay explains: the source is too fast.
        """
        if self._last is None:
            if begin is None:
                raise ValueError("a stream begins from a state")
            start, period, first = self.start_time(received), self._period, begin
            history = self._history_of(begin)
        else:
            start, first, history = self._last.end, self._last.end_state, self._last.history
            ahead = start + self._period - received - self.delay
            if ahead > _QUEUE_PERIODS * self._period:
                return None
            period = self._period * (1.0 + self._rate())
        if self.kind is CommandKind.POSITION:
            known = np.concatenate((first, values[None, :], history))
            found: Matrix = _chain(period).dot(known)
            return Segment(start, period, found[:6], found[6:], known[3:6])
        # First order: a ramp in velocity must not overshoot in acceleration, and position is free here.
        acceleration = (values - history[0]) / period
        travel = 0.5 * period * (first[1] + values) + period * period / 12.0 * (first[2] - acceleration)
        last = np.stack([first[0] + travel, values, acceleration])
        coefficients = _blend(period) @ np.concatenate((first, last))
        return Segment(start, period, coefficients, last, np.concatenate((values[None, :], history[:2])))

    def take(self, segment: Segment, received: float) -> None:
        """Queue a planned segment."""
        if self._last is not None:
            # Later than planned (a slow source) lengthens the segments that follow, earlier shortens them.
            late = received + self.delay - segment.end
            self._lateness += _ERROR_SMOOTHING * (late - self._lateness)
        self._last = segment
        self._segments.append(segment)

    def state(self, t: float) -> Matrix | None:
        """Position, velocity, acceleration at play-out time t, shape (3, k); None when nothing is known for t."""
        self.leave(t)
        if not self._segments or self._segments[0].start > t:
            return None
        return self._segments[0].state(t)

    def leave(self, t: float) -> None:
        """Forget the segments that end before play-out time t."""
        while self._segments and self._segments[0].end < t:
            self._segments.popleft()

    def look(self, t: float) -> Matrix | None:
        """Return what `state` does, and forget nothing: for a step that is only tried."""
        segment = next((one for one in self._segments if one.end >= t), None)
        return None if segment is None or segment.start > t else segment.state(t)

    @property
    def end_time(self) -> float:
        """Play-out time of the newest set-point, [s]; minus infinity before the first."""
        return -math.inf if self._last is None else self._last.end

    @property
    def pending(self) -> bool:
        """Whether a segment still lies ahead or is being played."""
        return bool(self._segments)

    @property
    def end_state(self) -> Matrix | None:
        """State at the newest set-point, shape (3, k)."""
        return None if self._last is None else self._last.end_state

    def _rate(self) -> float:
        """Relative change of the next segment's length that follows a source whose clock differs from ours."""
        lateness = self._lateness / self.delay
        beyond = max(0.0, abs(lateness) - _RATE_SLACK)
        change = min(_RATE_LIMIT, _RATE_GAIN * beyond) * (1.0 if lateness > 0.0 else -1.0)
        return round(change / _RATE_STEP) * _RATE_STEP

    def _history_of(self, begin: Matrix) -> Matrix:
        """Extrapolate the three set-points before a beginning backwards from its state, newest first."""
        q, v, a = begin
        p = self._period
        if self.kind is CommandKind.VELOCITY:
            return np.array((v, v - a * p, v - a * (2.0 * p)))
        return np.array((q, q - v * p + a * (p * p / 2.0), q - v * (2.0 * p) + a * (2.0 * p * p)))
