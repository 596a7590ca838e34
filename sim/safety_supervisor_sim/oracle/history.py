"""The recorded true motion: a bounded ring of samples, and measurements on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from safety_supervisor_sim.oracle.limits import Array

HUGE = 1e12  # stands for a value that is not finite: JSON knows none


def bounded_list(values: Array) -> list[float]:
    """Values as a list of finite numbers."""
    bounded = np.where(np.isfinite(values), values, HUGE)
    listed: list[float] = bounded.tolist()
    return listed


def is_moving(v: Array, standstill_speed: float) -> NDArray[np.bool_]:
    """Which samples of v (k, n) are not at standstill, shape (k,); NaN is no standstill."""
    moving: NDArray[np.bool_] = ~np.all(np.abs(v) <= standstill_speed, axis=1)
    return moving


class History:
    """The last `capacity` samples, oldest first when read."""

    def __init__(self, capacity: int, joints: int, links: int) -> None:
        self._capacity = max(2, capacity)
        # np.empty touches no page before it is written, so a short run stays small.
        self._time = np.empty(self._capacity, dtype=np.int64)
        self._position = np.empty((self._capacity, joints))
        self._velocity = np.empty((self._capacity, joints))
        self._links = np.empty((self._capacity, links, 3), dtype=np.float32)
        self._judged = np.empty(self._capacity, dtype=np.bool_)
        self._count = 0

    def extend(self, time: NDArray[np.int64], q: Array, v: Array, links: Array, judged: bool = True) -> None:
        """Append samples: times (k,) [ns], q and v (k, n), links (k, m, 3), and whether their motion is judged."""
        where = (self._count + np.arange(len(time))) % self._capacity
        self._time[where] = time
        self._position[where] = q
        self._velocity[where] = v
        self._links[where] = links
        self._judged[where] = judged
        self._count += len(time)

    def _order(self) -> NDArray[np.int64]:
        if self._count <= self._capacity:
            return np.arange(self._count)
        return (self._count + np.arange(self._capacity)) % self._capacity

    def motion(self) -> tuple[NDArray[np.int64], Array, Array]:
        """Times (k,) [ns], positions and velocities (k, n), oldest first."""
        order = self._order()
        return self._time[order], self._position[order], self._velocity[order]

    def save(self, path: Path, joints: tuple[str, ...], links: tuple[str, ...]) -> None:
        """Write time_ns, position, velocity, link_position, judged and names as .npz."""
        order = self._order()
        with path.open("wb") as file:
            np.savez(
                file,
                time_ns=self._time[order],
                position=self._position[order],
                velocity=self._velocity[order],
                link_position=self._links[order],
                judged=self._judged[order],
                joints=np.array(joints),
                links=np.array(links),
            )


@dataclass(frozen=True)
class MotionAfter:
    """What the robot did after an instant, shapes (n,), SI units.

    Attributes:
        since_ns: the sample the measurement starts from, steady clock.
        speed: speed of each joint at that sample.
        travelled: length of the way of each joint from there to the end.
        farthest: greatest distance of each joint from its position at that sample.
        standstill_after: seconds until every joint stayed at standstill; None when it still moves.
        peak_deceleration: of each joint, slope of the speed over the acceleration window.
        end: the last position.
        end_deviation: greatest distance of a joint from the given end pose; None without one.
    """

    since_ns: int
    speed: Array
    travelled: Array
    farthest: Array
    standstill_after: float | None
    peak_deceleration: Array
    end: Array
    end_deviation: float | None

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "since_ns": self.since_ns,
            "speed": bounded_list(self.speed),
            "travelled": bounded_list(self.travelled),
            "farthest": bounded_list(self.farthest),
            "standstill_after": self.standstill_after,
            "peak_deceleration": bounded_list(self.peak_deceleration),
            "end": bounded_list(self.end),
            "end_deviation": self.end_deviation,
        }


def peak_deceleration(v: Array, window: int, period: float) -> Array:
    """Greatest loss of speed over `window` samples, shape (n,), [rad/s^2], 0 or more.

    A reversal counts only up to standstill: what follows is acceleration again.
    """
    if len(v) <= window:
        return np.zeros(v.shape[1])
    before, after = v[:-window], v[window:]
    left = np.maximum(after * np.sign(before), 0.0)
    loss = (np.abs(before) - left) / (window * period)
    peak: Array = np.maximum(loss.max(axis=0), 0.0)
    return peak


def measure_after(
    history: History,
    time_ns: int,
    *,
    standstill_speed: float,
    window: int,
    period: float,
    end_pose: Array | None = None,
) -> MotionAfter | None:
    """Measure the motion after `time_ns`; None when no sample at or after it is known."""
    time, q, v = history.motion()
    first = int(np.searchsorted(time, time_ns, side="left"))
    if first >= len(time):
        return None
    q, v, time = q[first:], v[first:], time[first:]
    moving = np.flatnonzero(is_moving(v, standstill_speed))
    if len(moving) == 0:
        standstill_after: float | None = 0.0
    elif moving[-1] == len(v) - 1:
        standstill_after = None
    else:
        standstill_after = float(time[moving[-1] + 1] - time[0]) * 1e-9
    deviation: float | None = None
    if end_pose is not None:
        deviation = max(bounded_list(np.abs(q[-1] - end_pose)))
    return MotionAfter(
        since_ns=int(time[0]),
        speed=v[0].copy(),
        travelled=np.abs(np.diff(q, axis=0)).sum(axis=0),
        farthest=np.abs(q - q[0]).max(axis=0),
        standstill_after=standstill_after,
        peak_deceleration=peak_deceleration(v, window, period),
        end=q[-1].copy(),
        end_deviation=deviation,
    )
