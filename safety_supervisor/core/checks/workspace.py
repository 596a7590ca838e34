"""Workspace boxes along a step and its stop.

A frame origin moves at most `reach . |dq|` when the joints move by dq (`RobotModel.reach`, a proven bound), so a pose
with clearance c proves every pose nearer than c in that metric. One remembered pose therefore answers most cycles
without any kinematics; near a boundary the stop is halved until each stretch is proven.

Requirements: SR-026, SR-027.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.stopping import StraightStop
from safety_supervisor.core.units import Matrix, Vector
from safety_supervisor.core.zones import Clearance, Workspace

RESERVE: Final = 5e-4
"""Clearance that is never used up, [m]: covers rounding and gives the walk a step to take at the boundary."""

_ROUNDING: Final = 1e-9  # [m], of a clearance that does not change

_POSES: Final = 48
"""Poses of a stop between which its travel is summed."""

QUERY_LIMIT: Final = 24
"""Clearance computations that one decision may use."""

LEAVING_WAY: Final = 0.01
"""Longest way of a stop out of the reserve, [m]: its poses are then too near each other for anything in between."""


class WorkspaceCheck:
    """Proves that a step and its stop stay inside the workspace."""

    def __init__(self, workspace: Workspace) -> None:
        """Start without a remembered pose."""
        self._workspace = workspace
        self._reach = workspace.model.reach
        self._anchor: Vector | None = None
        self._room = 0.0

    def forget(self) -> None:
        """Drop the remembered pose."""
        self._anchor = None

    def check(self, before: Vector, q: Vector, stop: StraightStop, recovery: bool = False) -> Violation | None:
        """Check the pose q, reached from `before`, and the stop from it.

        Args:
            before: last commanded positions, shape (n,), [rad].
            q: next commanded positions, shape (n,), [rad].
            stop: planned from q.
            recovery: outside the workspace a pose is allowed when it is not farther outside than `before`.
        """
        if self._workspace.empty:
            return None
        way = float(self._reach.dot(stop.travel))
        if self._anchor is not None and self._reach.dot(np.abs(q - self._anchor)) + way < self._room - RESERVE:
            return None
        here = self._workspace.clearance(q)
        if here.distance < RESERVE:
            return self._check_outside(before, here, stop, recovery)
        self._anchor, self._room = q, here.distance
        if way < here.distance - RESERVE:
            return None
        return self._walk(stop, q)

    @staticmethod
    def _poses(stop: StraightStop) -> Matrix:
        step = stop.duration / _POSES
        return stop.positions(tuple(step * (i + 1) for i in range(_POSES)))

    def _walk(self, stop: StraightStop, q: Vector) -> Violation | None:
        """Prove the stop by halves: a stretch is proven when its travel is less than the rooms at its ends together.

        On the way a frame is nearer by travel than its room to one of the two ends; each box and frame counts by
        itself, so that a link beside a wall does not hold up a wrist that turns.
        """
        reach = self._workspace.pair_reach.T
        whole = stop.travel.dot(reach)
        first = self._workspace.rooms(q) - RESERVE
        if (whole < first).all():
            return None
        last = self._workspace.rooms(stop.end) - RESERVE
        if not last.min() >= 0.0:
            return self._near(Code.WORKSPACE, last, "during the stop")
        if (whole < first + last).all():
            return None
        return self._halve(stop, q, {0: first, _POSES: last})

    def _halve(self, stop: StraightStop, q: Vector, rooms: dict[int, Vector]) -> Violation | None:
        """Prove the poses of a stop by halves; `rooms` at the first and the last are known."""
        reach = self._workspace.pair_reach.T
        poses = np.concatenate((q[None, :], self._poses(stop)))
        steps = np.abs(np.diff(poses, axis=0))
        travel = np.concatenate((np.zeros((1, reach.shape[1])), np.cumsum(steps @ reach, axis=0)))
        hidden = np.maximum(stop.travel - steps.sum(axis=0), 0.0) @ reach  # of joints that turn between two poses
        stretches = [(0, _POSES)]
        while stretches:
            first, last = stretches.pop()
            if last not in rooms:
                if len(rooms) == QUERY_LIMIT:
                    return self._near(Code.QUERY_LIMIT, rooms[first], "so many clearances did not prove the stop")
                rooms[last] = self._workspace.rooms(poses[last]) - RESERVE
            if not rooms[last].min() >= 0.0:
                return self._near(Code.WORKSPACE, rooms[last], "during the stop")
            if (travel[last] - travel[first] + hidden < rooms[first] + rooms[last]).all():
                continue
            if last - first == 1:
                return self._near(Code.WORKSPACE, np.minimum(rooms[first], rooms[last]), "during the stop")
            middle = (first + last) // 2
            stretches += [(middle, last), (first, middle)]
        return None

    def _near(self, code: Code, rooms: Vector, detail: str) -> Violation:
        """Name the box and frame with the least room."""
        pair = int(np.argmin(rooms))
        box, frame = self._workspace.pair(pair)
        if code is Code.QUERY_LIMIT:
            return Violation(code, f"zones.{box}", float(QUERY_LIMIT), float(QUERY_LIMIT), frame, detail)
        return Violation(code, f"zones.{box}", float(rooms[pair]) + RESERVE, RESERVE, frame, detail)

    def _check_outside(self, before: Vector, here: Clearance, stop: StraightStop, recovery: bool) -> Violation | None:
        """Allow what worsens no clearance of any box and frame, at the pose and along the stop.

        In RECOVERY, which is slow, and for a robot that was placed within the reserve: it must be able to leave.
        """
        least = np.minimum(RESERVE, self._workspace.rooms(before)) - _ROUNDING
        may_leave = recovery or (least.min() >= -_ROUNDING and self._reach @ stop.travel <= LEAVING_WAY)
        poses = np.concatenate((stop.positions((0.0,)), self._poses(stop)[2::3]))  # the last one is the stop's end
        if may_leave and all((self._workspace.rooms(q) >= least).all() for q in poses):
            return None
        return Violation(Code.WORKSPACE, f"zones.{here.box}", here.distance, RESERVE, here.frame)

    def check_path(self, poses: Matrix, room: float, budget: int) -> tuple[int, float, Violation | None]:
        """Walk along consecutive poses of a path, as far as `budget` clearance computations reach.

        Args:
            poses: consecutive set-points, the first already proven with clearance `room`, shape (m, n), [rad].
            room: clearance at the first pose, [m]; negative when not known.
            budget: clearance computations allowed.

        Returns:
            Index of the last pose proven, the clearance there, and the violation when there is one.
        """
        if self._workspace.empty:
            return len(poses) - 1, np.inf, None
        steps = np.abs(np.diff(poses, axis=0)) @ self._reach
        index = 0
        for _ in range(budget):
            here = self._workspace.clearance(poses[index])
            room = here.distance
            if room < RESERVE:
                return index, room, Violation(Code.WORKSPACE, f"zones.{here.box}", room, RESERVE, here.frame)
            reached = index + int(np.searchsorted(np.cumsum(steps[index:]), room - RESERVE, side="right"))
            if reached >= len(steps):
                return len(poses) - 1, room, None
            if reached == index:
                detail = "the clearance is smaller than one control period's travel"
                return (
                    index,
                    room,
                    Violation(Code.WORKSPACE, f"zones.{here.box}", room, float(steps[index]), here.frame, detail),
                )
            index = reached
        return index, room, None
