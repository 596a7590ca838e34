"""What a jog makes of the core's kinematics: where a tool is, how joints carry it, how fast they carry points. Pure.

The speed of a jog is that of the fastest point of any link, counted by the core's own check (`FrameSpeed`): the tool
may stand still while an elbow swings.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import pinocchio as pin
from numpy.typing import NDArray

from safety_supervisor.core.checks.frame_speed import FrameSpeed
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.geometry.urdf import read_joints
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import Matrix, Vector, seconds

LENGTH: Final = 0.2
"""A turn of 1 rad weighs as much as a way of so many metres."""
NEAR: Final = 0.03
"""Where the weighed Jacobian's smallest singular value is less, joint speeds are damped, [m/rad]."""
DAMPING: Final = 0.02
"""At a singular pose, [m/rad]."""
ASTRAY: Final = 0.03
"""A damped motion that misses its twist by more than this share of it leads elsewhere."""
_LEAST: Final = 6
"""Joints of a chain whose tool can be moved along and about each axis."""


class Arm(NamedTuple):
    """A joint group.

    Attributes:
        name: of the group.
        joints: indices into the robot's joints, ascending, shape (k,).
        tip: the link that is its tool; empty where its tool can not be jogged.
        frame: Pinocchio's number of that link; -1 without.
    """

    name: str
    joints: NDArray[np.intp]
    tip: str
    frame: int


class JogRobot:
    """A robot with its tool.

    Args:
        configuration: with the tool that it carries (`Configuration.with_tool`).
        groups: that may be jogged.
    """

    def __init__(self, configuration: Configuration, groups: tuple[str, ...]) -> None:
        """Build the core's model of it.

        Raises:
            RobotModelError: when the URDF does not have the configured joints and links.
        """
        robot = configuration.robot
        self.joints, self.limits = robot.joints, configuration.envelope.joints
        self._model = RobotModel(robot, configuration.geometry.bodies)
        self._speed = FrameSpeed(self._model, configuration.timing.period, observed=configuration.observed)
        self._dt = seconds(configuration.timing.period)
        self._pin: Any = self._model.kinematics
        self._data: Any = self._pin.createData()
        self._base: Any = self._model.base.inverse()
        self._map = self._velocities()
        described = read_joints(robot.urdf)
        self.sliding = frozenset(index for index, name in enumerate(self.joints) if described[name].kind == "prismatic")
        """Indices of joints that slide: [m]."""
        tool = configuration.geometry.tool
        self._carrier = "" if tool is None else tool.link
        self._movable = frozenset(described)
        self.arms = tuple(self._arm(name, np.array(robot.groups[name], dtype=np.intp)) for name in groups)

    @property
    def carried(self) -> float:
        """How fast joints that nobody commands carry points that the jog moves, too, [m/s]."""
        return self._speed.carried

    def placement(self, arm: Arm, q: Vector) -> Any:
        """Return where an arm's tool is (pinocchio.SE3, base frame) at a pose, shape (n,), [rad] or [m]."""
        pin.framesForwardKinematics(self._pin, self._data, self._model.configure(q))
        return self._base * self._data.oMf[arm.frame]

    def jacobian(self, arm: Arm, q: Vector) -> Matrix:
        """Return how the group's joints move its tool.

        Args:
            arm: whose.
            q: pose, shape (n,), [rad] or [m].

        Returns:
            Shape (6, k): linear velocity of the tool's origin, angular velocity, in directions of the base frame.
        """
        full = pin.computeFrameJacobian(
            self._pin, self._data, np.array(self._model.configure(q)), arm.frame, pin.ReferenceFrame.LOCAL_WORLD_ALIGNED
        )
        turn = np.array(self._base.rotation)
        world: Matrix = full @ self._map[:, arm.joints]
        return np.vstack((turn @ world[:3], turn @ world[3:]))

    def follow(self, arm: Arm, q: Vector, twist: Vector) -> tuple[Vector, float]:
        """Return joint velocities that give a tool a twist, by damped least squares.

        Args:
            arm: whose tool.
            q: pose, shape (n,).
            twist: [m/s] and [rad/s], directions of the base frame, shape (6,).

        Returns:
            Velocities of the group's joints, shape (k,); and by which share of the twist they miss it.
        """
        weights = np.array([1.0] * 3 + [LENGTH] * 3)
        jacobian, wanted = weights[:, None] * self.jacobian(arm, q), weights * twist
        left, sizes, right = np.linalg.svd(jacobian, full_matrices=False)
        damp = DAMPING**2 * max(0.0, 1.0 - (sizes[-1] / NEAR) ** 2)
        found: Vector = right.T @ (sizes / (sizes**2 + damp) * (left.T @ wanted))
        size = float(np.linalg.norm(wanted))
        return found, float(np.linalg.norm(jacobian @ found - wanted)) / size if size > 0.0 else 0.0

    def frame_speed(self, q: Vector, velocities: Vector) -> float:
        """Bound the speed of the fastest point of any link, [m/s], as the verifier counts it.

        Args:
            q: pose, shape (n,), [rad] or [m].
            velocities: of all joints, shape (n,), [rad/s] or [m/s].
        """
        return self._speed.fastest(q, q + self._dt * velocities)

    def _velocities(self) -> Matrix:
        """Return the matrix from velocities of commanded joints to Pinocchio's, which followers have a part in."""
        here = np.array(self._model.configure(np.zeros(len(self.joints))))
        step, columns = 0.1, []
        for unit in np.eye(len(self.joints)):
            there = np.array(self._model.configure(step * unit))
            columns.append(np.array(pin.difference(self._pin, here, there)) / step)
        return np.array(columns).T

    def _arm(self, name: str, joints: NDArray[np.intp]) -> Arm:
        numbers = [self._pin.getJointId(self.joints[index]) for index in joints.tolist()]
        last = max(numbers, key=lambda number: len(self._pin.supports[number]))
        if len(numbers) < _LEAST or not set(numbers) <= set(self._pin.supports[last]):
            return Arm(name, joints, "", -1)
        links = {
            index: frame
            for index, frame in enumerate(self._pin.frames)
            if frame.type == pin.FrameType.BODY and frame.parentJoint == last
        }
        held = [index for index, frame in links.items() if frame.name == self._carrier]
        tip = held[0] if held else self._farthest(links)
        return Arm(name, joints, links[tip].name, tip)

    def _farthest(self, links: dict[int, Any]) -> int:
        """Return the last link behind the last joint, along the URDF's fixed joints; not a finger that is locked."""
        depth: dict[int, int] = {}
        for index, frame in links.items():
            joint = self._pin.frames[frame.parentFrame]
            own = joint.name in self.joints
            parent = joint.parentFrame
            if own:
                depth[index] = 0
            elif joint.name not in self._movable and parent in depth:
                depth[index] = depth[parent] + 1
        return max(depth, key=lambda index: (depth[index], -index))
