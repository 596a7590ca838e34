"""Where every link frame of the robot is, and how far a joint can carry it.

Pinocchio does the kinematics, on a model reduced to the commanded joints. What the reduction means is worked out
here, joint by joint: every movable joint of the URDF is a line `multiplier * q[source] + offset` of a commanded
joint, or a constant.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pinocchio as pin
from numpy.lib.stride_tricks import as_strided

from safety_supervisor.core.mimic import RobotModelError, follow_joints
from safety_supervisor.core.settings import RobotSettings
from safety_supervisor.core.units import Matrix, Vector
from safety_supervisor.core.urdf import UrdfError, read_joints

_ROUNDING = 1.0 + 1e-9
"""Widens a bound that is exact in real numbers by more than its rounding error."""

_FARTHEST = 1e3
"""Largest offset between two links, [m]."""


class RobotModel:
    """Kinematics of the commanded joints.

    Attributes:
        joints: names of the commanded joints, configuration order, n of them.
        frame_names: links that a commanded joint moves, m of them, those attached by fixed or locked joints included.
        frame_reach: shape (m, n), [m/rad] or [m/m]; see `reach`.
        reach: shape (n,), the largest of each column of `frame_reach`.

    The bound: when the joints move by `dq` along a straight line between two configurations, the origin of frame f
    moves by at most `frame_reach[f] @ |dq|`, hence any origin by at most `reach @ |dq|`.

    Proof. Along the line q(s) = q + s dq the origin's velocity is the sum over joints of J_j dq_j. A revolute joint
    adds axis x (origin - point on axis), whose length is the origin's distance from the axis; a prismatic joint adds
    a unit vector. A joint that follows another with a multiplier adds its own part times |multiplier|. So it is
    enough to bound the distance of the origin from each revolute axis over all configurations, and to integrate
    over s. For that a ball that holds the origin at all configurations is carried from the frame to the base: in the
    frame of the body that the origin is fixed to it is a point. Turning a ball of centre c and radius r about an
    axis by any angle stays in the ball about c's foot on the axis with radius r + |c - foot|, and that radius is also
    the bound of the distance from the axis. Sliding it from `lower` to `upper` stays in the ball about the middle
    with radius r + (upper - lower) / 2.

    The bound needs prismatic joints inside the URDF's limits and nothing of revolute and continuous joints.
    """

    def __init__(self, settings: RobotSettings) -> None:
        """Build the model.

        Args:
            settings: names a URDF, the commanded joints and the positions of all others.

        Raises:
            RobotModelError: with all problems found; a joint is missing, contradictory or of an unsupported type.
        """
        self.joints = settings.joints
        try:
            self._described = read_joints(settings.urdf)
            self._follow = follow_joints(settings, self._described)
            full = pin.buildModelFromXML(settings.urdf)
        except (UrdfError, ValueError, RuntimeError) as error:
            if isinstance(error, RobotModelError):
                raise
            raise RobotModelError((f"the URDF can not be read: {str(error).strip()}",)) from error
        _refuse_far_offsets(full)
        self._model: Any = self._reduce(full)
        self._data: Any = self._model.createData()
        self._configuration = np.array(pin.neutral(self._model), dtype=np.float64)
        self._fill = self._plan_fill()
        self._base_rotation, self._base_translation = self._locate_base(settings.base_frame)
        frames = [
            index
            for index, frame in enumerate(self._model.frames)
            if frame.type == pin.FrameType.BODY and frame.parentJoint != 0
        ]
        self.frame_names: tuple[str, ...] = tuple(self._model.frames[index].name for index in frames)
        self._frames = np.array(frames, dtype=np.intp)
        self._translations = self._view_translations()
        self.frame_reach: Matrix = self._bound_reach() * _ROUNDING
        self.frame_reach.setflags(write=False)
        self.reach: Vector = self.frame_reach.max(axis=0, initial=0.0)
        self.reach.setflags(write=False)
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

    def frame_positions(self, q: Vector) -> Matrix:
        """Compute the origins of the moving link frames.

        Args:
            q: joint positions, shape (n,), [rad] or [m], configuration order.

        Returns:
            Shape (m, 3), [m], base frame, in the order of `frame_names`; a new array. Not finite where q is not.
        """
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
        pin.framesForwardKinematics(self._model, self._data, configuration if self._fill else q)
        positions: Matrix = self._translations[self._frames]
        if self._base_rotation is not None:
            positions = (positions - self._base_translation) @ self._base_rotation
        return positions

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

    def _view_translations(self) -> Matrix:
        """Return the translations of all frame placements as one view, so that one copy reads them all.

        Reading them one by one costs twenty times the kinematics. Pinocchio keeps them in one array and hands out
        views; both are checked here. The view lives as long as `_data`, which is never resized.
        """
        views = [placement.translation for placement in self._data.oMf]
        addresses = [view.__array_interface__["data"][0] for view in views]
        strides = {second - first for first, second in itertools.pairwise(addresses)}
        if len(strides) == 1:
            whole: Matrix = as_strided(views[0], shape=(len(views), 3), strides=(strides.pop(), views[0].strides[0]))
            pin.framesForwardKinematics(self._model, self._data, pin.neutral(self._model))
            if np.array_equal(whole, [np.array(placement.translation) for placement in self._data.oMf]):
                return whole
        raise RobotModelError(("this build of Pinocchio does not keep frame placements in one array",))

    def _bound_reach(self) -> Matrix:
        """Compute `frame_reach` by carrying a ball from each frame to the base; see the class."""
        reach = np.zeros((len(self._frames), len(self.joints)))
        model = self._model
        scratch = model.createData()
        for row, frame in enumerate(self._frames.tolist()):
            index = model.frames[frame].parentJoint
            centre, radius = np.array(model.frames[frame].placement.translation), 0.0
            while index != 0:
                follow = self._follow[model.names[index]]
                assert follow.source is not None
                jacobian = pin.computeJointJacobian(model, scratch, pin.neutral(model), index)
                column = jacobian.reshape(6, model.nv)[:, model.joints[index].idx_v]
                sliding, axis = column[:3], column[3:]
                if np.any(axis):
                    foot = axis * float(axis @ centre)
                    radius += float(np.linalg.norm(centre - foot))
                    centre, moved = foot, radius
                else:
                    source = self._described[self.joints[follow.source]]
                    ends = [follow.multiplier * end + follow.offset for end in (source.lower, source.upper)]
                    centre = centre + sliding * (sum(ends) / 2)
                    radius += abs(ends[1] - ends[0]) / 2
                    moved = 1.0
                reach[row, follow.source] += abs(follow.multiplier) * moved
                placement = model.jointPlacements[index]
                centre = placement.rotation @ centre + placement.translation
                index = model.parents[index]
        return reach


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
