"""The way out for a robot that is nearer to something than it may be: placed there, or stopped there.

It may move where that brings no pair nearer that is too near, and no other pair too near. Distances are asked at poses
so near each other that between them they are smaller by _DIP at most; where a way ended in such a dip, the next one may
begin there. Together that is STEP, by which rooms are smaller than what is left beyond the margin: so a pair that keeps
its margin where the way out begins keeps it all the way. Requirement: SR-045.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from safety_supervisor.core.checks.clearance import STEP, Clearance, halve, way_along
from safety_supervisor.core.errors import Violation
from safety_supervisor.core.units import Matrix, Vector

LEAVING_LIMIT: Final = 40
"""Poses of one way that are asked."""

_DIP: Final = STEP / 2

_ROUNDED: Final = 1.0 - 1e-9  # more than what rounding makes of a travel

_NOISE: Final = 2e-6  # [m], of a distance that does not change: Coal's tolerance for depths of penetration


class Leaving:
    """Judges ways out.

    The rooms of the poses that were allowed are a floor that only rises, so that tolerances never add up.
    """

    def __init__(self, clearance: Clearance) -> None:
        """Start without a floor."""
        self._clearance = clearance
        self._farthest: Vector = clearance.scene.reach.max(axis=0, initial=0.0)
        self._floor: Vector | None = None

    @property
    def active(self) -> bool:
        """Whether the way that was allowed last is one out."""
        return self._floor is not None

    def forget(self) -> None:
        """Drop the floor: the robot is clear, or was placed elsewhere."""
        self._floor = None

    def follow(self, start: Vector, pieces: tuple[Matrix, ...], recovery: bool) -> Violation | None:
        """Judge a way.

        Args:
            start: rooms where it begins, shape (P,), [m], the least of them below STEP; exact below it, else bounds.
            pieces: of the way, as Bezier control points.
            recovery: it may begin in a penetration.
        """
        clearance = self._clearance
        floor: Vector = np.minimum(start, STEP) if self._floor is None else self._floor
        if not recovery and not (start + clearance.taken >= STEP).all():
            return clearance.violation(start, pieces[0][0], "it touches already; RECOVERY leads out")
        (near,) = (~(start - clearance.approach(way_along(pieces)) >= STEP)).nonzero()  # the others keep it all along
        poses = self._cut(pieces)
        if poses is None:
            return clearance.limit(LEAVING_LIMIT, int(start.argmin()), "too fast where it is too near")
        held = floor[near]
        least = np.maximum(np.minimum(held, start[near]), held - _DIP + 2 * _NOISE) - _NOISE
        lowest = np.full(len(near), STEP)
        for pose in poses:
            rooms = clearance.up_to(pose, near, STEP)
            worse = ~(rooms >= least)  # so that NaN is worse
            if worse.any():
                return clearance.too_near(rooms[worse], pose, "it is too near and would go nearer", near[worse])
            lowest = np.minimum(lowest, rooms)
        rises = np.maximum(floor, STEP)
        rises[near] = np.maximum(held, lowest)
        self._floor = rises
        return None

    def _cut(self, pieces: tuple[Matrix, ...]) -> list[Vector] | None:
        """Poses along a way between which nothing travels farther than 2 _DIP; None when they are too many."""
        poses: list[Vector] = []
        left = list(reversed(pieces))
        while left:
            piece = left.pop()
            way = way_along((piece,))
            # No pair travels farther than all joints together can make one: mostly that says it.
            if (
                self._farthest.dot(way) <= 2.0 * _DIP * _ROUNDED
                or (self._clearance.scene.reach.dot(way) <= 2.0 * _DIP).all()
            ):
                poses.append(piece[-1])
            else:
                first, second = halve(piece)
                left += [second, first]
            if len(poses) + len(left) > LEAVING_LIMIT:
                return None
        return poses
