"""An agent that streams at random at full allowed speed: after one pose, then another, without ever coming to rest."""

from __future__ import annotations

import copy
import sys
from typing import Final

import numpy as np

from safety_supervisor_sim.lab.arm import STREAM_PERIOD
from safety_supervisor_sim.lab.motions import Poses
from safety_supervisor_sim.lab.pace import Pace
from safety_supervisor_sim.oracle.world import Array

_TOUCHING: Final = 0.4  # share of its goals that touch something
_CLOSE: Final = 0.15  # from a goal at which it takes the next, [rad]
_LONGEST: Final = 150  # set-points after one goal
_HASTE: Final = 8.0  # rate at which velocity follows what is wanted, [1/s]
_ACCELERATION_SHARE: Final = 0.7
_JERK_SHARE: Final = 0.03  # differences of set-points in the stream take the rest

_JERK_KEPT: Final = 1.0  # of the 2 in a = sqrt(2 j dv): the rest is for steps of 10 ms


class Wanderer:
    """Integrates a wish within acceleration and jerk limits."""

    def __init__(
        self,
        pace: Pace,
        poses: Poses,
        random: np.random.Generator,
        share: float = 1.0,
        jerk_share: float = _JERK_SHARE,
        steady: bool = False,
    ) -> None:
        """Draw goals from poses.

        Args:
            pace: of the robot.
            poses: goals.
            random: of everything that is drawn.
            share: of the fastest pace.
            jerk_share: of the jerk limits.
            steady: never overshoot the velocity that is wished; else it does where only a joint's limit bounds it.
        """
        self._pace = pace
        self._share = share
        self._steady = steady
        self._poses = poses
        self._random = random
        self._acceleration, self._jerk = pace.shares(_ACCELERATION_SHARE, jerk_share)
        self.begin(poses.clear[0])

    def begin(self, pose: Array) -> None:
        """Begin at rest at a pose, shape (n,), [rad]."""
        self._q = pose.copy()
        self._v = np.zeros_like(pose)
        self._a = np.zeros_like(pose)
        self._choose()

    def _choose(self) -> None:
        self._goal = self._poses.pick(self._random, _TOUCHING)
        self._left = _LONGEST

    @property
    def left(self) -> int:
        """How many set-points are left: it never ends by itself."""
        return sys.maxsize

    def fork(self) -> Wanderer:
        """Return one that goes on as this one would, and changes nothing of it."""
        other = copy.copy(self)
        other._random = copy.deepcopy(self._random)
        other._a = self._a.copy()
        return other

    def next(self) -> Array:
        """Return the next set-point, one period later, shape (n,), [rad]."""
        dt = STREAM_PERIOD
        way = self._goal - self._q
        self._left -= 1
        if self._left < 0 or np.abs(way).max() < _CLOSE:
            self._choose()
            way = self._goal - self._q
        wish = self._pace.cruise(self._q, way / max(float(np.linalg.norm(way)), 1e-9), self._share)
        most = self._acceleration
        if self._steady:  # what can be taken away again until the wish is reached
            most = np.minimum(most, np.sqrt(_JERK_KEPT * self._jerk * np.abs(wish - self._v)))
        wanted = np.clip(_HASTE * (wish - self._v), -most, most)
        self._a += np.clip(wanted - self._a, -self._jerk * dt, self._jerk * dt)
        self._v = self._v + self._a * dt
        self._q = self._q + self._v * dt
        return self._q.copy()
