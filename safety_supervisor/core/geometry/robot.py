"""Where every link frame of the robot is, and how far a joint can carry it.

Pinocchio does the kinematics, on a model reduced to the commanded joints. What the reduction means is worked out
here, joint by joint: every movable joint of the URDF is a line `multiplier * q[source] + offset` of a commanded
joint, or a constant.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pinocchio as pin
from numpy.typing import NDArray

from safety_supervisor.core.geometry.bodies import few_balls
from safety_supervisor.core.geometry.mimic import RobotModelError, follow_joints
from safety_supervisor.core.geometry.reach import Reach
from safety_supervisor.core.geometry.shapes import BoundedShape
from safety_supervisor.core.geometry.strided import StrideError, strided_view
from safety_supervisor.core.geometry.urdf import UrdfError, read_joints, read_neighbours
from safety_supervisor.core.settings import RobotSettings
from safety_supervisor.core.units import Matrix, Vector

_FARTHEST = 1e3
"""Largest offset between two links, [m]."""


class RobotModel:
    """Kinematics of the commanded joints.

    A point is the origin of a link that a commanded joint moves, links attached by fixed or locked joints included, or
    the centre of one of the balls that span a volume of such a link.

    Attributes:
        joints: names of the commanded joints, configuration order, n of them.
        frame_names: link of each point, m of them, the origins first.
        frame_radius: radius of the ball around each point, 0 for an origin, shape (m,), [m].
        frame_reach: how far a joint can carry each ball, shape (m, n), [m/rad] or [m/m].
        frame_bend: how that changes as joints move (`Reach.bend_of_ball`), shape (m, n, n).
        commanded: indices of the joints that no other controller commands.
        carrier: proves such bounds (`Reach`).
        neighbours: pairs of links that one joint joins.

    The bound: when the joints move by `dq` along a straight line between two configurations, no part of ball f moves by
    more than `frame_reach[f] @ |dq|`.

    Proof. Along the line q(s) = q + s dq the velocity of a point of the ball is the sum over joints of J_j dq_j. A
    revolute joint adds axis x (point - point on axis), whose length is the point's distance from the axis; a prismatic
    joint adds a unit vector. A joint that follows another with a multiplier adds its own part times |multiplier|. So it
    is enough to bound the distance of the ball's points from each revolute axis over all configurations, as `Reach`
    does, and to integrate over s.
    """

    def __init__(self, settings: RobotSettings, volumes: Mapping[str, tuple[BoundedShape, ...]] | None = None) -> None:
        """Build the model.

        Args:
            settings: names a URDF, the commanded joints and the positions of all others.
            volumes: link to the shapes that hold it, in the link's frame.

        Raises:
            RobotModelError: with all problems found; a joint is missing, contradictory or of an unsupported type.
        """
        self.joints = settings.joints
        self.commanded = np.setdiff1d(np.arange(len(settings.joints)), settings.observed)
        try:
            self._described = read_joints(settings.urdf)
            self.neighbours = read_neighbours(settings.urdf)
            self._follow = follow_joints(settings, self._described)
            full = pin.buildModelFromXML(settings.urdf)
        except (UrdfError, ValueError, RuntimeError) as error:
            if isinstance(error, RobotModelError):
                raise
            raise RobotModelError((f"the URDF can not be read: {str(error).strip()}",)) from error
        _refuse_far_offsets(full)
        self._model: Any = self._reduce(full)
        points = self._add_points(volumes or {})
        self._data: Any = self._model.createData()
        self._configuration = np.array(pin.neutral(self._model), dtype=np.float64)
        self._fill = self._plan_fill()
        self._base_rotation, self._base_translation = self._locate_base(settings.base_frame)
        bodies = [
            index
            for index, frame in enumerate(self._model.frames)
            if frame.type == pin.FrameType.BODY and frame.parentJoint != 0
        ]
        named = [(self._model.frames[index].name, 0.0) for index in bodies] + list(points.values())
        frames = bodies + list(points)
        self.frame_names: tuple[str, ...] = tuple(link for link, _ in named)
        self.frame_radius: Vector = np.array([radius for _, radius in named])
        self._frames = np.array(frames, dtype=np.intp)
        self._frames.setflags(write=False)
        self._translations, self._rotations, self._placements = self._view_placements()
        self.carrier = Reach(self._model, self.joints, self._follow, self._described)
        balls = [
            (frame.parentJoint, np.array(frame.placement.translation), float(radius))
            for frame, radius in zip([self._model.frames[index] for index in frames], self.frame_radius, strict=True)
        ]
        reach = [self.carrier.of_ball(*ball) for ball in balls]
        self.frame_reach: Matrix = np.array(reach).reshape(-1, len(self.joints))
        self.frame_reach.setflags(write=False)
        self.frame_bend: NDArray[np.float64] = np.array([self.carrier.bend_of_ball(*ball) for ball in balls])
        self.frame_bend.setflags(write=False)
        if not (np.all(np.isfinite(self.frame_reach)) and np.all(np.isfinite(self.frame_positions(self.middle())))):
            raise RobotModelError(("the URDF gives link positions that are not finite",))

    def middle(self) -> Vector:
        """Return the middle of every joint's URDF limits, 0 for continuous joints, shape (n,), [rad] or [m]."""
        lower, upper, _, _ = self.urdf_limits()
        bounded = np.isfinite(lower) & np.isfinite(upper)
        return np.where(bounded, (np.where(bounded, lower, 0.0) + np.where(bounded, upper, 0.0)) / 2, 0.0)

    def urdf_limits(self) -> tuple[Vector, Vector, Vector, Vector]:
        """Return the URDF's lower and upper position, velocity and effort limits.

        Returns:
            Four arrays of shape (n,), configuration order, [rad] or [m], [rad/s] or [m/s], [N m] or [N]; infinite
            where the URDF sets none (continuous joints).
        """
        rows = [self._described[name] for name in self.joints]
        return (
            np.array([row.lower for row in rows]),
            np.array([row.upper for row in rows]),
            np.array([row.velocity for row in rows]),
            np.array([row.effort for row in rows]),
        )

    def whole_range(self) -> tuple[Vector, Vector]:
        """Return positions between which every configuration of the URDF's limits lies, twice shape (n,), [rad] or [m].

        A continuous joint goes once round; infinite where another joint follows it by a fraction and so does not.
        """
        lower, upper, _, _ = self.urdf_limits()
        for index in np.flatnonzero(np.isinf(lower) & np.isinf(upper)).tolist():
            followers = [follow.multiplier for follow in self._follow.values() if follow.source == index]
            if all(multiplier.is_integer() for multiplier in followers):
                lower[index], upper[index] = -math.pi, math.pi
        return lower, upper

    def configure(self, q: Vector) -> Vector:
        """Return Pinocchio's configuration for commanded positions, shape (n,), [rad] or [m]; not to be kept."""
        if not self._fill:
            return q
        configuration = self._configuration
        for target, source, multiplier, offset, sine in self._fill:
            value = multiplier * float(q[source]) + offset
            if sine is None:
                configuration[target] = value
            elif math.isfinite(value):
                configuration[target] = math.cos(value)
                configuration[sine] = math.sin(value)
            else:
                configuration[target] = configuration[sine] = math.nan
        return configuration

    def frame_positions(self, q: Vector) -> Matrix:
        """Compute where the points are.

        Args:
            q: joint positions, shape (n,), [rad] or [m], configuration order.

        Returns:
            Shape (m, 3), [m], base frame, in the order of `frame_names`; a new array. Not finite where q is not.
        """
        pin.framesForwardKinematics(self._model, self._data, self.configure(q))
        positions: Matrix = self._translations[self._frames]
        if self._base_rotation is not None:
            positions = (positions - self._base_translation) @ self._base_rotation
        return positions

    def frame_rotations(self) -> NDArray[np.float64]:
        """Return how the points' links were turned at the last `frame_positions`, shape (m, 3, 3), in the world."""
        rotations: NDArray[np.float64] = self._rotations[self._frames]
        return rotations

    @property
    def frame_numbers(self) -> NDArray[np.intp]:
        """Pinocchio's number of each point's frame, shape (m,)."""
        return self._frames

    def placements(self, q: Vector, numbers: NDArray[np.intp]) -> Matrix:
        """Compute how frames lie in the world: one copy instead of those of `frame_positions` and `frame_rotations`.

        Args:
            q: joint positions, shape (n,), [rad] or [m], configuration order.
            numbers: some of `frame_numbers`, shape (k,).

        Returns:
            Shape (k, 12): the columns of the rotation, the translation [m]; a new array. Not finite where q is not.
        """
        pin.framesForwardKinematics(self._model, self._data, self.configure(q))
        placed: Matrix = self._placements[numbers]
        return placed

    @property
    def kinematics(self) -> Any:
        """Pinocchio's model of the joints that move; not to be changed."""
        return self._model

    @property
    def base(self) -> Any:
        """Placement of the base frame in Pinocchio's world (pinocchio.SE3)."""
        return (
            pin.SE3.Identity() if self._base_rotation is None else pin.SE3(self._base_rotation, self._base_translation)
        )

    def _add_points(self, volumes: Mapping[str, tuple[BoundedShape, ...]]) -> dict[int, tuple[str, float]]:
        """Add a frame for every ball that spans a volume of a moving link; return its link and radius."""
        points: dict[int, tuple[str, float]] = {}
        for link, shapes in volumes.items():
            index = self._body(link)
            joint = self._model.frames[index].parentJoint
            place = self._model.frames[index].placement.copy()  # adding frames moves all of them in memory
            if joint == 0:
                continue
            for number, ball in enumerate(ball for shape in shapes for ball in few_balls(shape)):
                placement = place * pin.SE3(np.eye(3), np.array(ball.centre))
                point = pin.Frame(f"{link}#{number}", joint, index, placement, pin.FrameType.OP_FRAME)
                points[self._model.addFrame(point)] = link, ball.radius
        return points

    def _body(self, link: str) -> int:
        """Return the frame of a link."""
        index: int = self._model.getFrameId(link, pin.FrameType.BODY)
        if index >= len(self._model.frames):
            raise RobotModelError((f"{link!r} is not a link of the URDF",))
        return index

    def _reduce(self, full: Any) -> Any:
        """Return the model of the joints that move, the others fixed at their positions."""
        reference = np.array(pin.neutral(full), dtype=np.float64)
        locked = []
        for index in range(1, full.njoints):
            follow = self._follow[full.names[index]]
            if follow.source is not None:
                continue
            locked.append(index)
            start = full.joints[index].idx_q
            if full.joints[index].nq == 2:
                reference[start : start + 2] = math.cos(follow.offset), math.sin(follow.offset)
            else:
                reference[start] = follow.offset
        return pin.buildReducedModel(full, locked, reference)

    def _plan_fill(self) -> tuple[tuple[int, int, float, float, int | None], ...]:
        """Plan how commanded positions become Pinocchio's configuration; empty when they are the same."""
        rows: list[tuple[int, int, float, float, int | None]] = []
        for index in range(1, self._model.njoints):
            joint = self._model.joints[index]
            follow = self._follow[self._model.names[index]]
            assert follow.source is not None
            sine = joint.idx_q + 1 if joint.nq == 2 else None
            rows.append((joint.idx_q, follow.source, follow.multiplier, follow.offset, sine))
        same = all(row == (position, position, 1.0, 0.0, None) for position, row in enumerate(rows))
        return () if same and len(rows) == len(self.joints) else tuple(rows)

    def _locate_base(self, name: str) -> tuple[Matrix | None, Vector]:
        """Return rotation and origin of the base frame in Pinocchio's world; no rotation when they are the same."""
        bodies = [frame for frame in self._model.frames if frame.type == pin.FrameType.BODY and frame.name == name]
        if not bodies:
            raise RobotModelError((f"base frame {name!r} is not a link of the URDF",))
        frame = bodies[0]
        if frame.parentJoint != 0:
            raise RobotModelError((f"base frame {name!r} is moved by a commanded joint",))
        if frame.placement.isIdentity(0.0):
            return None, np.zeros(3)
        return np.array(frame.placement.rotation), np.array(frame.placement.translation)

    def _view_placements(self) -> tuple[Matrix, NDArray[np.float64], Matrix]:
        """Return translations, rotations and both of all frame placements as views, so that one copy reads them all.

        Reading them one by one costs twenty times the kinematics. The views live as long as `_data`, which is never
        resized.
        """
        placements = list(self._data.oMf)
        try:
            translations = strided_view([placement.translation for placement in placements])
            rotations = strided_view([placement.rotation for placement in placements])
            both = strided_view([placement.rotation for placement in placements], run=12)
        except StrideError as error:
            raise RobotModelError((f"this build of Pinocchio keeps frame placements {error}",)) from error
        pin.framesForwardKinematics(self._model, self._data, pin.neutral(self._model))
        if not all(
            np.array_equal(view, [np.array(getattr(placement, name)) for placement in self._data.oMf])
            for name, view in (("translation", translations), ("rotation", rotations))
        ):
            raise RobotModelError(("this build of Pinocchio does not keep frame placements in one array",))
        slow = [[*np.array(placement.rotation).T.ravel(), *placement.translation] for placement in self._data.oMf]
        if not np.array_equal(both, slow):
            raise RobotModelError(("this build of Pinocchio does not keep translations just after rotations",))
        return translations, rotations, both


def _refuse_far_offsets(model: Any) -> None:
    """Refuse a model whose numbers are no robot's: sums and products of them would overflow."""
    problems = [
        f"{what} {name!r} lies farther than {_FARTHEST:g} m from what it is attached to"
        for what, names, placements in (
            ("joint", model.names, model.jointPlacements),
            ("frame", [frame.name for frame in model.frames], [frame.placement for frame in model.frames]),
        )
        for name, placement in zip(names, placements, strict=True)
        if not np.all(np.abs(placement.translation) <= _FARTHEST)
    ]
    if problems:
        raise RobotModelError(tuple(problems))
