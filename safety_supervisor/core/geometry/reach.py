"""How far a joint can carry a point, proven over all configurations.

Take a ball that holds a point of a link, or a part of its volume, and carry it from joint to joint toward the base so
that at each step it holds what it held before, whatever the joints below do. In the frame of the body that it is fixed
to it stays where it is. Turning a ball of centre c and radius r about an axis by any angle stays in the ball about c's
foot on the axis with radius r + |c - foot|; that radius also bounds the distance of any of its points from the axis, so
how far a turn of the joint by 1 rad carries them. Sliding it from `lower` to `upper` stays in the ball about the middle
with radius r + (upper - lower) / 2, and 1 m of sliding carries it 1 m.

The bound needs prismatic joints inside the URDF's limits and nothing of revolute and continuous joints.

How fast a point goes changes only as it is turned: of two joints of a chain, let `a` be the nearer to the base and J_b
the velocity of the point when the other, or the same, moves at unit speed. Turning `a` turns the vector J_b, and
sliding `a` leaves it as it is, so |d2x / dq_a dq_b| <= |J_b|, the very bound of the joint that is farther from the
base. Second derivatives are symmetric.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pinocchio as pin

from safety_supervisor.core.geometry.mimic import Follow
from safety_supervisor.core.geometry.urdf import UrdfJoint
from safety_supervisor.core.units import Matrix, Vector

_ROUNDING = 1.0 + 1e-9
"""Widens a bound that is exact in real numbers by more than its rounding error."""


class _Carried(NamedTuple):
    """What one joint of the model does to a ball: which commanded joint moves it, at which rate; how far, and how."""

    joint: int
    source: int
    rate: float
    moved: float
    turns: bool


class _Step(NamedTuple):
    """What a joint of the model takes to carry a ball over it; read once, for reading it from Pinocchio is slow."""

    source: int
    rate: float
    sliding: Vector
    axis: Vector
    turns: bool
    ends: tuple[float, float]
    rotation: Matrix
    translation: Vector
    parent: int


class Reach:
    """Carries balls along a model's joints."""

    def __init__(
        self, model: Any, joints: tuple[str, ...], follow: dict[str, Follow], described: dict[str, UrdfJoint]
    ) -> None:
        """Take a Pinocchio model of the joints that move, the commanded ones, and what moves each of the others."""
        self._parents: tuple[int, ...] = tuple(model.parents)
        self._names: tuple[str, ...] = tuple(model.names)
        self._joints, self._follow, self._described = joints, follow, described
        scratch, neutral = model.createData(), pin.neutral(model)
        self._steps: dict[int, _Step] = {}
        self._carried: dict[tuple[int, bytes, float], tuple[_Carried, ...]] = {}
        """What the joints do to each ball that was asked for: the same one is asked for in every pair of its body."""
        self._bends: dict[tuple[_Carried, ...], Matrix] = {}
        for index in range(1, model.njoints):
            jacobian = pin.computeJointJacobian(model, scratch, neutral, index)
            # Linear and angular velocity of the joint's body, in its own frame, at unit speed of the joint.
            column = np.array(jacobian.reshape(6, model.nv)[:, model.joints[index].idx_v])
            moves = follow[model.names[index]]
            assert moves.source is not None
            source, placement = described[joints[moves.source]], model.jointPlacements[index]
            self._steps[index] = _Step(
                moves.source,
                abs(moves.multiplier),
                column[:3],
                column[3:],
                bool(np.any(column[3:])),
                (moves.multiplier * source.lower + moves.offset, moves.multiplier * source.upper + moves.offset),
                np.array(placement.rotation),
                np.array(placement.translation),
                self._parents[index],
            )

    def on(self, model: Any) -> Reach:
        """Return the same for another model of joints of the same names."""
        return Reach(model, self._joints, self._follow, self._described)

    def drive(self, joint: int) -> tuple[int, float, float]:
        """Return what a joint of the model follows: commanded joint, multiplier, offset."""
        follow = self._follow[self._names[joint]]
        assert follow.source is not None
        return follow.source, follow.multiplier, follow.offset

    def axis(self, joint: int) -> Vector:
        """Return linear and angular velocity of a joint's body at unit speed, in its own frame, shape (6,)."""
        return np.concatenate((self._steps[joint].sliding, self._steps[joint].axis))

    def chain(self, joint: int) -> tuple[int, ...]:
        """Return a joint of the model and those between it and the base, nearest first; empty for 0, the base."""
        found: list[int] = []
        while joint != 0:
            found.append(joint)
            joint = self._parents[joint]
        return tuple(found)

    def of_ball(self, joint: int, centre: Vector, radius: float, until: int = 0) -> Vector:
        """Bound how far each commanded joint carries any point of a ball, against the body of joint `until`.

        Args:
            joint: the model's joint that moves the body that the ball is fixed to; 0 for the base.
            centre: in the frame of that joint, shape (3,), [m].
            radius: [m].
            until: joint nearer to the base on the same chain; what it and all below it do moves both alike.

        Returns:
            Shape (n,), [m/rad] or [m/m]: when the joints move by dq no point moves farther than the result @ |dq|.
        """
        reach: Vector = np.zeros(len(self._joints))
        for carried in self._carry(joint, centre, radius):
            if carried.joint == until:
                break
            reach[carried.source] += carried.rate * carried.moved
        return reach * _ROUNDING

    def moved_by_chain(self, joint: int, centre: Vector, radius: float) -> tuple[float, ...]:
        """Bound how far each joint of `chain(joint)` carries any point of a ball, in its order, [m/rad] or [m/m].

        The ball as in `of_ball`; here the joints of the model move, not the commanded ones.
        """
        return tuple(carried.moved * _ROUNDING for carried in self._carry(joint, centre, radius))

    def bend_of_ball(self, joint: int, centre: Vector, radius: float) -> Matrix:
        """Bound the second derivatives of all points of a ball by the commanded joints.

        Args:
            joint: the model's joint that moves the body that the ball is fixed to.
            centre: in the frame of that joint, shape (3,), [m].
            radius: [m].

        Returns:
            Shape (n, n), read-only, symmetric: a joint's velocity of a point, per unit of its own speed, changes by no
            more than its row @ |dq| when the joints move by dq. [m/rad^2]; [m/(rad m)] where one of the two slides.
        """
        chain = self._carry(joint, centre, radius)
        known = self._bends.get(chain)
        if known is not None:
            return known
        bend: Matrix = np.zeros((len(self._joints), len(self._joints)))
        farther: list[_Carried] = []
        for carried in chain:
            if carried.turns:
                bend[carried.source, carried.source] += carried.rate * carried.rate * carried.moved
                for other in farther:
                    both = carried.rate * other.rate * other.moved
                    bend[carried.source, other.source] += both
                    bend[other.source, carried.source] += both
            farther.append(carried)
        bend *= _ROUNDING
        bend.setflags(write=False)
        self._bends[chain] = bend
        return bend

    def _carry(self, joint: int, centre: Vector, radius: float) -> tuple[_Carried, ...]:
        """Carry a ball to the base; return what each joint does to it, the farthest from the base first."""
        ball = (joint, centre.tobytes(), radius)
        known = self._carried.get(ball)
        if known is not None:
            return known
        found: list[_Carried] = []
        while joint != 0:
            step = self._steps[joint]
            if step.turns:
                foot = step.axis * float(step.axis @ centre)
                beside = centre - foot
                radius += math.sqrt(float(beside @ beside))
                centre, moved = foot, radius
            else:
                centre = centre + step.sliding * (sum(step.ends) / 2)
                radius += abs(step.ends[1] - step.ends[0]) / 2
                moved = 1.0
            found.append(_Carried(joint, step.source, step.rate, moved, step.turns))
            centre = step.rotation @ centre + step.translation
            joint = step.parent
        self._carried[ball] = tuple(found)
        return self._carried[ball]
