"""What a policy is told of a trajectory: how fast it is, and which speed zones it is not proven to stay out of.

Found when the trajectory is verified, from the very set-points that would be sent, in slices of bounded work.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from safety_supervisor.core.units import Matrix
from safety_supervisor.core.verifier import Verifier

ROWS_PER_SLICE: Final = 2048
STRIDES_PER_SLICE: Final = 3
ROWS_PER_STRIDE: Final = 32
"""Set-points that a slice gets past a zone, where it is not very near."""


class GoalFacts:
    """Facts of one trajectory.

    Attributes:
        joint_speed: top speed of a joint between two set-points, [rad/s] or [m/s].
        frame_speed: bound of the top speed of any point of a link, [m/s].
        zones: speed zones that the path is not proven to stay out of, in the configuration's order.
    """

    def __init__(self, verifier: Verifier, dt: float, zones: bool) -> None:
        """Start with nothing found.

        Args:
            verifier: for reach and zones.
            dt: time between two set-points, [s].
            zones: whether anybody asks for zones; without, there are none.
        """
        self._verifier = verifier
        self._dt = dt
        self._left = list(verifier.speed_zones) if zones else []
        self._next = 0
        self._path = None if not self._left else self._left[0].path_check()
        self._fast = True
        self.joint_speed = 0.0
        self.frame_speed = 0.0
        self.zones: tuple[str, ...] = ()

    def slices_for(self, samples: int) -> int:
        """Return the cycles within which facts of so many set-points are found, but very near to a zone."""
        return 1 + samples // ROWS_PER_SLICE + len(self._left) * (6 + samples // ROWS_PER_STRIDE)

    def advance(self, poses: Matrix) -> bool:
        """Do one slice; return whether all is found.

        Args:
            poses: set-points of all joints, the same at every call, shape (m, n), [rad].
        """
        if self._fast:
            self._find_speeds(poses)
        elif self._left:
            self._walk(poses)
        return not (self._fast or self._left)

    def _find_speeds(self, poses: Matrix) -> None:
        last = min(len(poses), self._next + ROWS_PER_SLICE + 1)
        speeds = np.abs(np.diff(poses[self._next : last], axis=0)) / self._dt
        if len(speeds):
            self.joint_speed = max(self.joint_speed, float(speeds.max()))
            self.frame_speed = max(self.frame_speed, float(self._verifier.frame_speeds(speeds).max()))
        self._next = last - 1
        if last == len(poses):
            self._fast, self._next = False, 0

    def _walk(self, poses: Matrix) -> None:
        """Go along the path until it touches the zone, or has ended outside."""
        zone, path = self._left[0], self._path
        assert path is not None
        reached, touched = 0, self._next == 0 and zone.holds(poses[0])
        if not touched:
            reached, violation = path.advance(poses[self._next :], STRIDES_PER_SLICE)
            touched = violation is not None
        self._next += reached
        if touched:
            self.zones += (zone.name,)
        if touched or self._next >= len(poses) - 1:
            self._left, self._next = self._left[1:], 0
            self._path = None if not self._left else self._left[0].path_check()
