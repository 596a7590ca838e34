"""Figures of one stop, from the measured joint states.

Where several joints move, their common progress is s(t) = (q(t) - q(request)) . v / |v|^2, [s]: at cruise it grows by
one second a second, whatever the joints' speeds, and its slope is the share of the speed that is left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from safety_supervisor.commission.model import BEGUN, Expected
from safety_supervisor.commission.recording import Recording
from safety_supervisor.core.units import Matrix, Vector

REST: Final = 0.15
"""End of a recording over which the robot rests, [s]."""
NOISE: Final = 5.0
"""Standard deviations of the resting robot's noise that a measurement may be off."""
_SLOPE: Final = 0.024
"""Over which a speed is taken, [s]: noise of 1e-4 rad is then 2 % of 0.3 rad/s."""
LONGEST_DELAY: Final = 1.0
"""Delays beyond this are none: the robot does something else than it is told, [s]."""
_RESOLUTION: Final = 5e-4


class UnfitRecordingError(ValueError):
    """A recording from which no figures can be taken, with the reason."""


@dataclass(frozen=True)
class Figures:
    """What was measured of one stop; arrays shape (n,), in the configuration's joint order.

    Attributes:
        noise: standard deviation of the resting robot, [rad].
        speed: measured just before the request, [rad/s].
        reaction: from the request to the first set-point of the stop, [s]; NaN where set-points could not be heard.
        latency: from the request until the measured robot decelerates, [s].
        time: from the request to rest, [s].
        travel: from the pose at the request to the farthest one, [rad].
        braking: measured deceleration, speed^2 over twice the way from its beginning to rest, [rad/s^2].
        error: greatest tracking error beyond what was commanded during `tracking.delay`, [rad].
        delay: least delay with which the robot is everywhere within `tracking.path_error` of what was commanded, [s];
            infinite where there is none.
        beyond: how far it went beyond the pose at which the commanded stop ends, [rad].
    """

    noise: Vector
    speed: Vector
    reaction: float
    latency: float
    time: float
    travel: Vector
    braking: Vector
    error: Vector
    delay: float
    beyond: Vector


def measure(recording: Recording, expected: Expected, rest: float, period: float) -> Figures:
    """Take the figures of one stop.

    Args:
        recording: from the motion before the request to at least `REST` behind the standstill.
        expected: what the model says of it.
        rest: movement that still counts as rest, [rad]: `tracking.rest`.
        period: of control, [s].

    Raises:
        UnfitRecordingError: too few measurements, or the robot did not rest at the end.
    """
    measured, asked, moving = recording.measured, recording.requested, recording.moving
    if not moving:
        raise UnfitRecordingError("no joint was in motion")
    before, after = measured.between(asked - 0.1, asked), measured.between(asked, math.inf)
    if len(before.times) < 5 or len(after.times) < 10:
        raise UnfitRecordingError("too few measurements around the request: are joint_states published?")
    last = measured.between(measured.times[-1] - REST, math.inf)
    final, noise = last.positions.mean(axis=0), last.positions.std(axis=0)
    if (np.ptp(last.positions, axis=0) > rest).any():
        raise UnfitRecordingError("the robot did not rest at the end of the recording")
    at_request = measured.at(asked)
    shares = _shares(recording, at_request)
    begun = _last(after.times, shares >= BEGUN, asked)
    tolerance = np.clip(np.maximum(expected.path_error, NOISE * noise), 0.0, rest)
    away = (np.abs(after.positions - final) > tolerance)[:, moving].any(axis=1)
    speed = np.array([np.polyfit(before.times - asked, column, 1)[0] for column in before.positions.T])
    if (np.abs(speed - recording.cruise) > 0.1 * np.abs(recording.cruise).max()).any():
        raise UnfitRecordingError("the motion before the request was not steady: set-points came late")
    # From where BEGUN of the speed is left it goes on for BEGUN^2 of the way that braking takes.
    ways = np.abs(final - measured.at(begun))
    margin = NOISE * noise
    return Figures(
        noise=noise,
        speed=speed,
        reaction=_reaction(recording, period),
        latency=max(0.0, begun - asked - expected.begun),
        time=_last(after.times, away, asked) - asked,
        travel=np.abs(after.positions - at_request).max(axis=0),
        braking=np.divide((BEGUN * speed) ** 2, 2.0 * ways, out=np.full_like(ways, math.inf), where=ways > tolerance),
        error=_excess(recording, expected.delay, period).max(axis=0, initial=0.0),
        delay=_needed_delay(recording, expected.path_error + margin, period),
        beyond=_beyond(recording, after.positions, margin),
    )


def _last(times: Vector, holds: np.ndarray, otherwise: float) -> float:
    """Return the time behind the last sample at which something holds."""
    found = np.flatnonzero(holds)
    return otherwise if len(found) == 0 else float(times[min(found[-1] + 1, len(times) - 1)])


def _shares(recording: Recording, at_request: Vector) -> Vector:
    """Share of the speed that is left at each measurement from the request on, shape (T,)."""
    measured, asked, v = recording.measured, recording.requested, recording.cruise
    progress = (measured.positions - at_request) @ v / float(v @ v)
    times, half = measured.times, 0.5 * _SLOPE
    indices = np.flatnonzero(times >= asked)
    shares = np.zeros(len(indices))
    for row, index in enumerate(indices):
        near = slice(np.searchsorted(times, times[index] - half), np.searchsorted(times, times[index] + half, "right"))
        t = times[near] - times[index]
        spread = float(((t - t.mean()) ** 2).sum())
        shares[row] = ((t - t.mean()) * progress[near]).sum() / spread if spread > 0.0 else 0.0
    return shares


def _reaction(recording: Recording, period: float) -> float:
    """From the request to the beginning of the commanded stop: where set-points leave the steady motion, [s]."""
    commanded, asked, v = recording.commanded, recording.requested, recording.cruise
    if len(commanded.times) < 2:
        return math.nan
    progress = commanded.positions @ v / float(v @ v)
    slopes = np.diff(progress) / np.maximum(np.diff(commanded.times), 0.25 * period)
    steady = (slopes > 1.0 - 1e-3) & (commanded.times[1:] > asked - 0.1)
    # A set-point is sent a period before the time at which it is to be reached.
    return max(0.0, _last(commanded.times[1:], steady, asked) - period - asked)


def _excess(recording: Recording, delay: float, period: float) -> Matrix:
    """How far each measurement is outside of all that was commanded during a delay before it, shape (T, m), [rad]."""
    commanded, moving = recording.commanded, recording.moving
    n = recording.measured.positions.shape[1]
    if len(commanded.times) < 2:
        return np.zeros((0, n))
    inside = recording.measured.between(commanded.times[0] + delay, math.inf)
    found = np.zeros((len(inside.times), n))
    first = np.searchsorted(commanded.times, inside.times - delay, "right") - 1
    last = np.searchsorted(commanded.times, inside.times + period, "right")
    for row, (low, high) in enumerate(zip(first, last, strict=True)):
        window = commanded.positions[max(low, 0) : max(high, low + 1)][:, moving]
        here = inside.positions[row, moving]
        found[row, moving] = np.maximum(here - window.max(axis=0), window.min(axis=0) - here)
    return np.maximum(found, 0.0)


def _needed_delay(recording: Recording, allowed: Vector, period: float) -> float:
    """Least delay that explains every measurement, [s]. A longer window holds a shorter one, so it is bisected."""
    if len(recording.commanded.times) < 2:
        return math.nan

    def explains(delay: float) -> bool:
        return bool((_excess(recording, delay, period) <= allowed).all())

    if not explains(LONGEST_DELAY):
        return math.inf
    low, high = 0.0, LONGEST_DELAY
    while high - low > _RESOLUTION:
        middle = 0.5 * (low + high)
        low, high = (low, middle) if explains(middle) else (middle, high)
    return high


def _beyond(recording: Recording, after: Matrix, margin: Vector) -> Vector:
    if len(recording.commanded.times) == 0:
        return np.zeros(after.shape[1])
    end, way = recording.commanded.positions[-1], np.sign(recording.cruise)
    farthest: Vector = ((after - end) * way).max(axis=0) - margin
    return np.where(way == 0.0, 0.0, np.maximum(farthest, 0.0))
