"""Workspace boxes: where the origins of link frames may be, and how much room is left.

The clearance of a pose is 1-Lipschitz in the travel of the frames: between two poses it changes by at most
`reach @ |dq|`. So one query proves a whole stretch of motion, and no thin zone is tunnelled (REDTEAM row 29).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from safety_supervisor.core.robot import RobotModel
from safety_supervisor.core.settings import BoxKind, WorkspaceBox
from safety_supervisor.core.units import Matrix, Nanoseconds, Vector, seconds


class Clearance(NamedTuple):
    """The smallest room left.

    Attributes:
        distance: signed distance to the box's face less the box's margin, [m]; negative inside a violation, infinite
            without boxes, minus infinite when the pose is not finite: an unknown value is a violation.
        box: name of the box, empty without boxes.
        frame: name of the link frame, empty without boxes.
    """

    distance: float
    box: str
    frame: str


NO_LIMIT = Clearance(math.inf, "", "")
"""Clearance where there are no boxes."""


class WorkspaceError(ValueError):
    """A box names a frame that does not move or does not exist.

    Attributes:
        problems: everything that is wrong, one sentence each.
    """

    def __init__(self, problems: tuple[str, ...]) -> None:
        """Keep every problem."""
        super().__init__("; ".join(problems))
        self.problems = problems


class Workspace:
    """All boxes against all the link frames that they are for, evaluated at once."""

    def __init__(self, boxes: tuple[WorkspaceBox, ...], model: RobotModel) -> None:
        """Pair boxes with frames.

        Raises:
            WorkspaceError: when a box names a frame that no commanded joint moves.
        """
        self.model = model
        frame_index = {name: index for index, name in enumerate(model.frame_names)}
        problems = tuple(
            f"box {box.name!r}: {frame!r} is not a link that a commanded joint moves"
            for box in boxes
            for frame in box.frames
            if frame not in frame_index
        )
        if problems:
            raise WorkspaceError(problems)
        pairs = [(box, frame) for box in boxes for frame in box.frames or model.frame_names]
        self._names = tuple((box.name, frame) for box, frame in pairs)
        self._frames = np.array([frame_index[frame] for _, frame in pairs], dtype=np.intp)
        minimum = np.array([box.minimum for box, _ in pairs]).reshape(-1, 3).T
        maximum = np.array([box.maximum for box, _ in pairs]).reshape(-1, 3).T
        self._centre = (minimum + maximum) / 2
        self._half = (maximum - minimum) / 2
        self._sign = np.array([-1.0 if box.kind is BoxKind.KEEP_IN else 1.0 for box, _ in pairs])
        self._margin = np.array([box.margin for box, _ in pairs])
        self.pair_reach: Matrix = model.frame_reach[self._frames]
        """`RobotModel.frame_reach` of every box and frame, shape (number of pairs, n)."""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to keep clear of."""
        return not self._names

    def pair(self, index: int) -> tuple[str, str]:
        """Return the names of box and frame of a pair, in the order of `rooms`."""
        return self._names[index]

    def clearance(self, q: Vector) -> Clearance:
        """Compute the smallest clearance of any box and frame at a pose.

        Args:
            q: joint positions, shape (n,), [rad] or [m], configuration order.
        """
        return NO_LIMIT if self.empty else self.clearance_at(self.model.frame_positions(q))

    def clearance_at(self, positions: Matrix) -> Clearance:
        """Compute the smallest clearance of any box and frame.

        With d = |p - centre| - half per axis the signed distance to a box is |max(d, 0)| + min(max(d), 0):
        Euclidean outside, to the nearest face inside. A keep-in box takes it with the other sign.

        Args:
            positions: origins of the frames, shape (m, 3), [m], base frame, as `RobotModel.frame_positions` gives.

        Source: Quilez, "Distance functions", box, https://iquilezles.org/articles/distfunctions/
        """
        if self.empty:
            return NO_LIMIT
        excess = positions.T.take(self._frames, axis=1)
        excess -= self._centre
        np.abs(excess, out=excess)
        excess -= self._half
        largest = np.maximum.reduce(excess, axis=0)
        room = self._sign * largest
        room -= self._margin
        pair = int(room.argmin())
        distance = room.item(pair)
        # Outside a box max(d) is less than the distance. So when the least is a keep-in box that holds its frame with
        # its margin, every keep-in box does and no keep-out box is nearer: it is the answer.
        if not (distance >= 0.0 and self._sign[pair] < 0.0):
            np.maximum(excess, 0.0, out=excess)
            excess *= excess
            room = np.sqrt(np.add.reduce(excess, axis=0))
            room += np.minimum(largest, 0.0)
            room *= self._sign
            room -= self._margin
            pair = int(room.argmin())
            distance = room.item(pair)
        return Clearance(distance if math.isfinite(distance) else -math.inf, *self._names[pair])

    def rooms(self, q: Vector) -> Vector:
        """Compute the clearance of every box and frame at a pose, shape (number of pairs,), [m]; see `clearance_at`."""
        excess = np.abs(self.model.frame_positions(q).T.take(self._frames, axis=1) - self._centre) - self._half
        outside = np.maximum(excess, 0.0)
        signed = np.sqrt((outside * outside).sum(axis=0)) + np.minimum(excess.max(axis=0), 0.0)
        rooms: Vector = self._sign * signed - self._margin
        return rooms

    def fastest_frame(self, q0: Vector, q1: Vector, dt: Nanoseconds) -> tuple[float, str]:
        """Find the frame that moves fastest, in a straight line, between two poses.

        Args:
            q0: joint positions before, shape (n,), [rad] or [m].
            q1: joint positions after.
            dt: time between them, [ns], positive.

        Returns:
            Speed, [m/s], infinite when a pose is not finite, and the frame's name.
        """
        return self.fastest_between(self.model.frame_positions(q0), self.model.frame_positions(q1), dt)

    def fastest_between(self, before: Matrix, after: Matrix, dt: Nanoseconds) -> tuple[float, str]:
        """Do the same as `fastest_frame` for origins that are known already, shape (m, 3), [m]."""
        moved = after - before
        squares = np.einsum("ij,ij->i", moved, moved)
        frame = int(squares.argmax())
        speed = math.sqrt(float(squares[frame])) / seconds(dt)
        return (speed if math.isfinite(speed) else math.inf), self.model.frame_names[frame]
