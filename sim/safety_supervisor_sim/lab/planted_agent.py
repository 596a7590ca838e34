"""An agent that moves all joints of a robot at once while its feet stay where they stand, as a whole-body controller.

From rest to rest: the base goes straight from where it is to where it shall be, legs bend as the feet need it, all
other joints go straight, and all begin and end together. How fast is drawn: a share of the joints' limits, the same of
velocity, acceleration and jerk, from slow to full.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Final

import numpy as np

from safety_supervisor_sim.lab.arm import STREAM_PERIOD
from safety_supervisor_sim.lab.motions import Poses
from safety_supervisor_sim.lab.pace import Pace, blend
from safety_supervisor_sim.lab.stances import FootedBench, Stances
from safety_supervisor_sim.oracle.touch import TouchJudge
from safety_supervisor_sim.oracle.world import Array

SLOWEST: Final = 0.15
"""Least share of the limits."""
_POOL: Final = 24
_NEAR: Final = 0.008  # of a mesh, [m]: some parts of a G1 are always within 0.015
_FREE: Final = 0.005  # of a mesh, on the way to a clear goal, [m]
_EDGE: Final = 0.03  # what counts as no tipping, of the soles' edge, [m]
_LEAN: Final = 0.25
"""How far the base goes aside where it tips, at most, [m]."""
_SQUAT: Final = 0.1
"""How far it goes down then, so that the legs reach, [m]."""
_UNSAFE: Final = 0.4  # of goals
_TOUCHING: Final = 0.5  # of unsafe ones; the others tip, and touch nothing
_CLOSE: Final = 0.05  # a goal so near is none, [rad]
_TRIES: Final = 12
_LOOKS: Final = 10  # on a way, where it shall be free
_SAMPLES: Final = 65  # of a motion, of which the pace is found


class PlantedAgent:
    """Streams from rest to rest, one goal after the other.

    Attributes:
        share: of the limits that the present motion takes.
        unsafe: whether its goal touches or tips.
    """

    def __init__(
        self,
        stances: Stances,
        pace: Pace,
        poses: Poses,
        tipping: list[Array],
        free: Callable[[Array], bool],
        random: np.random.Generator,
    ) -> None:
        """Draw goals from poses.

        Args:
            stances: how the robot stands.
            pace: of the robot.
            poses: goals, feet as at home.
            tipping: goals that tip, and touch nothing.
            free: whether a pose on the way to a clear goal is, so that most such motions may go through.
            random: of everything that is drawn.
        """
        self._stances, self._pace, self._poses, self._tipping = stances, pace, poses, tipping
        self._free, self._random = free, random
        self.begin(poses.clear[0])

    def begin(self, pose: Array) -> None:
        """Begin at rest at a pose, shape (n,), [rad]; feet that are a little out of their places come back there."""
        self._pose = pose
        self._choose()

    @property
    def left(self) -> int:
        """How many set-points of the present motion are left."""
        return len(self._rows) - self._next

    def fork(self) -> PlantedAgent:
        """Return one that goes on as this one would, and changes nothing of it."""
        other = copy.copy(self)
        other._random = copy.deepcopy(self._random)
        return other

    def next(self) -> Array:
        """Return the next set-point, one period later, shape (n,), [rad]."""
        if not self.left:
            self._choose()
        self._pose = self._rows[self._next]
        self._next += 1
        return self._pose.copy()

    def _choose(self) -> None:
        """Draw goal and pace; without a way to any goal it stays where it is for two set-points."""
        self.share = float(self._random.uniform(SLOWEST, 1.0))
        self._rows, self._next = np.repeat(self._pose[None], 2, axis=0), 0
        self.unsafe = unsafe = self._random.random() < _UNSAFE
        for _ in range(_TRIES):
            if unsafe and self._random.random() >= _TOUCHING:
                goal = self._tipping[self._random.integers(len(self._tipping))]
            else:
                goal = self._poses.pick(self._random, float(unsafe))
            if np.abs(goal - self._pose).max() < _CLOSE:
                continue
            way = self._stances.way(self._pose, goal)
            if way is None or not (unsafe or all(self._free(way.at(part)) for part in np.linspace(0.1, 1.0, _LOOKS))):
                continue
            dense = np.array([way.at(part) for part in blend(np.linspace(0.0, 1.0, _SAMPLES)).tolist()])
            # An even number, so that the slower agent sends the last one, too.
            count = 2 * math.ceil(self._pace.lasting(dense, self.share) / (2 * STREAM_PERIOD))
            self._rows = np.array([way.at(part) for part in blend(np.arange(1, count + 1) / count).tolist()])
            return


def planted_agent(bench: FootedBench, pace: Pace, touch: TouchJudge, random: np.random.Generator) -> PlantedAgent:
    """Return an agent whose goals are squats, leans and turns, arms anywhere; of some the judges say they are unsafe.

    Args:
        bench: of the robot.
        pace: of the robot.
        touch: stays open as long as the agent is used.
        random: of everything that is drawn.
    """
    stances, tip, poses, tipping = bench.stances, bench.tip_judge(), Poses([], [], []), list[Array]()
    try:
        while min(len(poses.touching), len(poses.near), len(poses.clear), len(tipping)) < _POOL:
            drawn = stances.draw(random, float(random.uniform()))
            drawn[6:] = bench.home + random.uniform(0.1, 1.0) * (drawn[6:] - bench.home)
            if len(tipping) < _POOL and random.random() < 0.5:
                drawn[:6] *= 0.3
                drawn[:2] += random.uniform(-_LEAN, _LEAN, 2)
                drawn[2] -= _SQUAT
            pose = stances.pose(drawn, bench.feet)
            if pose is None:
                continue
            near, tips = touch.look(pose, _NEAR).own, tip.stands(pose, bench.feet)
            if near.touches:
                kind = poses.touching
            elif tips.tips:
                kind = tipping
            else:
                kind = poses.near if near.distance < _NEAR or tips.inside < _EDGE else poses.clear
            if len(kind) < 2 * _POOL:
                kind.append(pose)
    finally:
        tip.close()
    return PlantedAgent(stances, pace, poses, tipping, lambda pose: not touch.look(pose, _FREE).own.touches, random)
