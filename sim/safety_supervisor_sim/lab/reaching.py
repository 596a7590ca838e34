"""Poses of the arm with the hand somewhere, pointing down."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import pybullet

from safety_supervisor_sim.lab.bench import Bench
from safety_supervisor_sim.oracle.touch import TouchJudge
from safety_supervisor_sim.oracle.world import Array

HAND: Final = "panda_hand"
"""Its frame lies in the wrist's flange; the fingers' tips are `TIP` along its z axis."""
TIP: Final = 0.1034
_MISS: Final = 1e-3  # [m]
_TRIES: Final = 6


def reach(bench: Bench, judge: TouchJudge, place: Array, yaw: float, near: Array) -> Array | None:
    """Return a pose with the hand's frame at a place, pointing down; None where none is found inside the limits.

    Args:
        bench: with the position limits.
        judge: whose inverse kinematics is asked.
        place: of the hand's frame, shape (3,), base frame, [m].
        yaw: of the hand about the vertical, [rad].
        near: pose to begin from, shape (n,), [rad].
    """
    down = pybullet.getQuaternionFromEuler([math.pi, 0.0, yaw])
    pose = near
    for _ in range(_TRIES):
        pose = judge.solve(HAND, place.tolist(), down, pose)
        if not (pose >= bench.lower).all() or not (pose <= bench.upper).all():
            return None
        if float(np.abs(judge.origin(pose, HAND) - place).max()) < _MISS:
            return pose
    return None
