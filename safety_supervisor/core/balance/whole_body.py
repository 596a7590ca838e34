"""Where a robot with a moving base is in the world: its centre of mass, how that moves, and its soles.

With p, R, v, w the base's position, orientation, velocity and angular velocity, the latter two in the base's own frame,
and c, c', c'' the centre of mass in the base frame,

    x   = p + R c
    x'  = R (v + w x c + c')
    x'' = R (a + dw x c + w x (w x c) + 2 w x c' + c'')

where a is the acceleration of the base's origin and dw its angular acceleration, in the base frame.

Source: R. Featherstone, Rigid Body Dynamics Algorithms, 2.9 to 2.11 (rigid-body velocity, acceleration).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pinocchio as pin
from numpy.typing import NDArray

from safety_supervisor.core.balance.planted import body_of, sole_frame
from safety_supervisor.core.balance.settings import Sole
from safety_supervisor.core.geometry.mimic import RobotModelError
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.settings import ToolSettings
from safety_supervisor.core.units import Matrix, Nanoseconds, Vector

UNIT: Final = 1e-3
"""A quaternion's length may differ from 1 by so much: what drivers round. More, and it is no orientation."""


@dataclass(frozen=True)
class BaseState:
    """What is told of the base; nothing of it is trusted before `fault` is None.

    Attributes:
        position: of the base frame's origin in the world, z up and 0 on the ground, [m].
        orientation: quaternion x, y, z, w of the base frame in the world.
        linear: velocity of the origin, in the base frame, [m/s] (as in nav_msgs/Odometry).
        angular: angular velocity, in the base frame, [rad/s].
        received: when, steady clock, [ns].
    """

    position: tuple[float, float, float]
    orientation: tuple[float, float, float, float]
    linear: tuple[float, float, float]
    angular: tuple[float, float, float]
    received: Nanoseconds

    @property
    def finite(self) -> bool:
        """Whether all numbers are."""
        return all(map(math.isfinite, (*self.position, *self.orientation, *self.linear, *self.angular)))

    @property
    def oriented(self) -> bool:
        """Whether the quaternion is one of unit length."""
        return abs(math.hypot(*self.orientation) - 1.0) <= UNIT

    def rotation(self) -> Matrix:
        """Return the orientation as a rotation matrix, shape (3, 3), from the base frame to the world."""
        length = math.hypot(*self.orientation)
        x, y, z, w = (part / length for part in self.orientation)
        return np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
            ]
        )


class WholeBody:
    """Centre of mass and soles of a robot whose base moves.

    Attributes:
        mass: of the whole robot, [kg].
    """

    def __init__(self, robot: RobotModel, soles: tuple[Sole, ...], tool: ToolSettings | None = None) -> None:
        """Prepare.

        Args:
            robot: kinematics.
            soles: of all feet.
            tool: what it carries, as a mass at its centre.

        Raises:
            RobotModelError: when a link is missing, or the robot has no mass.
        """
        self._robot = robot
        self._model: Any = robot.kinematics.copy()
        self._soles = [
            (joint, link * sole_frame(sole)) for sole in soles for joint, link in [body_of(robot, sole.foot)]
        ]
        if tool is not None:
            joint, link = body_of(robot, tool.link)
            load = pin.Inertia(tool.mass, link.act(np.array(tool.centre)), np.zeros((3, 3)))
            self._model.appendBodyToJoint(joint, load, pin.SE3.Identity())
        root = self._model.inertias[0]  # what is fixed to the base, which Pinocchio counts as the world
        self.mass = float(sum(inertia.mass for inertia in self._model.inertias))
        moved = self.mass - float(root.mass)
        if not moved > 0.0:
            raise RobotModelError(("the robot has no mass: its balance is unknown",))
        self._share = moved / self.mass
        self._still: Vector = np.array(root.lever) * (float(root.mass) / self.mass)
        self._to_base = robot.base.inverse()
        drives = [robot.carrier.drive(joint) for joint in range(1, self._model.njoints)]  # one speed each, in order
        self._sources = np.array([source for source, _, _ in drives], dtype=np.intp)
        self._rates: Vector = np.array([rate for _, rate, _ in drives])
        self._none: Vector = np.zeros(len(drives))
        self._data: Any = self._model.createData()

    def centre(
        self, base: BaseState, q: Vector, dq: Vector, ddq: Vector | None = None, base_acceleration: Vector | None = None
    ) -> NDArray[np.float64]:
        """Compute position, velocity and acceleration of the centre of mass.

        Args:
            base: finite, and oriented.
            q: joint positions, shape (n,), [rad] or [m], configuration order.
            dq: their velocities.
            ddq: their accelerations; None: 0.
            base_acceleration: a and dw, in the base frame, shape (6,), [m/s^2] and [rad/s^2]; None: 0.

        Returns:
            Shape (3, 3), in the world, [m], [m/s], [m/s^2]; also leaves the soles of this pose for `soles`.
        """
        acceleration = self._none if ddq is None else ddq.take(self._sources) * self._rates
        speeds = dq.take(self._sources) * self._rates
        pin.centerOfMass(self._model, self._data, self._robot.configure(q), speeds, acceleration, False)
        turn = self._to_base.rotation
        c = turn @ (self._share * self._data.com[0] + self._still) + self._to_base.translation
        speed, rate = turn @ (self._share * self._data.vcom[0]), turn @ (self._share * self._data.acom[0])
        linear, angular = np.array(base.linear), np.array(base.angular)
        a, dw = (np.zeros(3), np.zeros(3)) if base_acceleration is None else np.split(base_acceleration, 2)
        spin = _cross(angular)
        whirl = spin @ c
        rows = np.empty((3, 3))
        rows[0], rows[1] = c, linear + whirl + speed
        rows[2] = a + _cross(dw) @ c + spin @ (whirl + 2.0 * speed) + rate
        centre: Matrix = rows @ base.rotation().T
        centre[0] += base.position
        return centre

    def on_soles(
        self,
        soles: Sequence[int],
        orientation: tuple[float, float, float, float],
        angular: tuple[float, float, float],
        q: Vector,
        dq: Vector,
        received: Nanoseconds,
    ) -> tuple[BaseState, list[tuple[float, float, float]]]:
        """Return the base of a robot that turns as told about a sole's middle, which rests at the world's origin.

        With s the middle in the base frame and s' its velocity by the joints, p = -R s and v = -(w x s + s').

        Args:
            soles: numbers of them, one or more.
            orientation: of the base, as of `BaseState`, of unit length.
            angular: as of `BaseState`.
            q: joint positions, shape (n,), [rad] or [m], configuration order.
            dq: their velocities.
            received: when, steady clock, [ns].

        Returns:
            The base if it turns about the first one, and its linear velocity if about each of the others.
        """
        speeds = dq.take(self._sources) * self._rates
        pin.forwardKinematics(self._model, self._data, self._robot.configure(q), speeds)
        spin = _cross(np.array(angular))
        middles, linear = [], []
        for sole in soles:
            joint, place = self._soles[sole]
            moved, at, speed = self._data.oMi[joint], place.translation, self._data.v[joint]
            velocity = moved.rotation @ (speed.linear + _cross(speed.angular) @ at)  # told in the joint's frame
            middle = self._to_base.act(moved.act(at))
            middles.append(middle)
            x, y, z = (-(spin @ middle + self._to_base.rotation @ velocity)).tolist()
            linear.append((x, y, z))
        base = BaseState((0.0, 0.0, 0.0), orientation, linear[0], angular, received)
        x, y, z = (-(base.rotation() @ middles[0])).tolist()
        return replace(base, position=(x, y, z)), linear[1:]

    def soles(self, base: BaseState) -> list[Any]:
        """Return where the soles are in the world (pinocchio.SE3) at the pose that `centre` was asked about last."""
        placed = pin.SE3(base.rotation(), np.array(base.position)) * self._to_base
        return [placed * self._data.oMi[joint] * sole for joint, sole in self._soles]


def _cross(vector: Vector) -> Matrix:
    """Return the matrix that multiplies as the cross product with a vector does, shape (3, 3)."""
    x, y, z = vector.tolist()
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
