"""A robot that stands on one foot: where its centre of mass and its other soles are, seen from that foot.

The foot lies on the ground and does not move, so that the joints alone say where everything else is: nothing needs to
be assumed of the base. The model is the robot's own tree, hung up at the foot instead of the base: a joint between the
foot and the base is passed from its far side, so that its motion is the inverse, M(q)^-1 = M(-q).

How fast anything moves is bounded over all configurations (`core/geometry/carried.py`).

Source: R. Featherstone, Rigid Body Dynamics Algorithms, 4.1: any body can be the root of a kinematic tree.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pinocchio as pin
from numpy.typing import NDArray

from safety_supervisor.core.balance.settings import Sole
from safety_supervisor.core.geometry.carried import Carried
from safety_supervisor.core.geometry.mimic import RobotModelError
from safety_supervisor.core.geometry.reach import Reach
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.geometry.strided import StrideError, strided_view
from safety_supervisor.core.settings import ToolSettings
from safety_supervisor.core.units import Matrix, Vector


class Seen(NamedTuple):
    """What is seen from a sole: x forward, z along its normal, the middle of its corners the origin.

    Attributes:
        centre: position, velocity, acceleration of the centre of mass, shape (m, 3, 3), [m], [m/s], [m/s^2].
        corners: of all other soles, in the order of `Planted.others`, shape (m, k, 3), [m].
    """

    centre: NDArray[np.float64]
    corners: NDArray[np.float64]


def sole_frame(sole: Sole) -> Any:
    """Return the placement of a sole in its link's frame (pinocchio.SE3): z along the normal, middle as origin."""
    normal = np.array(sole.normal, dtype=np.float64)
    normal /= np.linalg.norm(normal)
    across = np.cross(normal, np.eye(3)[int(np.abs(normal).argmin())])
    across /= np.linalg.norm(across)
    rotation = np.stack([np.cross(across, normal), across, normal], axis=1)
    return pin.SE3(rotation, np.mean(sole.corners, axis=0))


class Planted:
    """The robot on one foot.

    Attributes:
        foot: link of that foot.
        corners: of its sole, in the sole's frame, shape (k, 3), [m].
        others: the other soles.
        mass: of all that the joints move and of the foot, [kg].
        centre: bounds of the centre of mass.
        soles: bounds of any point of each other sole, in the order of `others`.
    """

    def __init__(
        self, robot: RobotModel, sole: Sole, others: tuple[Sole, ...] = (), tool: ToolSettings | None = None
    ) -> None:
        """Hang the robot's tree up at a sole.

        Args:
            robot: kinematics; links fixed to the base belong to the robot.
            sole: that it stands on.
            others: soles to look at.
            tool: what it carries, as a mass at its centre.

        Raises:
            RobotModelError: when a link is missing, or the robot has no mass.
        """
        self.foot, self.others = sole.foot, others
        own = sole_frame(sole)
        self.corners: Matrix = np.array([own.actInv(np.array(corner)) for corner in sole.corners])
        self._source = robot.kinematics
        foot, at = body_of(robot, sole.foot)
        self._model: Any = pin.Model()
        self._model.name = sole.foot
        placed = self._hang(robot.carrier, foot, (at * own).inverse())
        inertias = list(self._source.inertias)
        if tool is not None:
            joint, link = body_of(robot, tool.link)
            load = pin.Inertia(tool.mass, link.act(np.array(tool.centre)), np.zeros((3, 3)))
            inertias[joint] = inertias[joint] + load
        for old, (new, place) in placed.items():
            if new:
                self._model.appendBodyToJoint(new, inertias[old], place)
        root = placed[foot][1].act(inertias[foot])
        self.mass = float(sum(inertia.mass for inertia in inertias))
        moved = self.mass - float(root.mass)
        if not moved > 0.0:
            raise RobotModelError(("the robot has no mass: its balance is unknown",))
        self._share = moved / self.mass
        self._still: Vector = np.array(root.lever) * (root.mass / self.mass)
        self._others: list[tuple[int, Matrix]] = []
        balls = []
        for other in others:
            joint, link = body_of(robot, other.foot)
            new, place = placed[joint]
            corners = np.array([(place * link).act(np.array(corner)) for corner in other.corners])
            self._others.append((new, corners))
            middle = corners.mean(axis=0)
            balls.append((new, middle, float(np.linalg.norm(corners - middle, axis=1).max())))
        self._bound(robot.carrier.on(self._model), balls)
        self._data: Any = self._model.createData()
        self._centre = [vector[0] for vector in (self._data.com, self._data.vcom, self._data.acom)]
        seen = self._view_results()
        self._looked = [(number, seen[joint]) for number, (joint, _) in enumerate(self._others)]

    def _hang(self, carrier: Reach, foot: int, root: Any) -> dict[int, tuple[int, Any]]:
        """Add the joints, outward from the foot; return each body's joint and the place of its old frame there."""
        old = self._source
        self._signs: list[float] = []
        beyond = [
            [index for index in range(1, old.njoints) if old.parents[index] == body] for body in range(old.njoints)
        ]
        placed = {foot: (0, root)}
        ways = [(foot, False, index) for index in beyond[foot]] + ([(foot, True, foot)] if foot else [])
        while ways:
            body, inward, index = ways.pop(0)
            joint, place = placed[body]
            reached = int(old.parents[index]) if inward else index
            kind, sign = _joint(-carrier.axis(index) if inward else carrier.axis(index))
            start = place if inward else place * old.jointPlacements[index]
            new = self._model.addJoint(joint, kind, start, old.names[index])
            self._signs.append(sign)
            placed[reached] = new, old.jointPlacements[index].inverse() if inward else pin.SE3.Identity()
            ways += [(reached, False, child) for child in beyond[reached] if child not in (index, body)]
            if inward and reached:
                ways.append((reached, True, reached))
        return placed

    def _bound(self, carrier: Reach, soles: list[tuple[int, Vector, float]]) -> None:
        """Prepare the bounds, and how commanded joints become the model's."""
        count = self._model.njoints - 1
        drives = [carrier.drive(joint) for joint in range(1, count + 1)]
        self._sources = np.array([source for source, _, _ in drives], dtype=np.intp)
        signs = np.array(self._signs)
        self._rates: Vector = signs * [rate for _, rate, _ in drives]
        self._offsets: Vector = signs * [offset for _, _, offset in drives]
        chains = np.zeros((count, count))
        for joint in range(1, count + 1):
            chains[[nearer - 1 for nearer in carrier.chain(joint)], joint - 1] = 1.0
        bodies = [
            (inertia.mass / self.mass, joint, np.array(inertia.lever), 0.0)
            for joint, inertia in enumerate(self._model.inertias)
            if joint and inertia.mass
        ]
        self._chains = chains
        self.centre = Carried(carrier, chains, bodies)
        self.soles = tuple(Carried(carrier, chains, [(1.0, *ball)]) for ball in soles)

    def _view_results(self) -> Matrix:
        """View where the joints are: columns of rotations, translations, shape (N + 1, 12); check that views are live.

        Reading results one Python object at a time costs more than computing them.
        """
        data, pose = self._data, np.linspace(0.1, 0.9, len(self._sources))
        try:
            places = strided_view([place.rotation for place in data.oMi], run=12)
        except StrideError as error:
            raise RobotModelError((f"this build of Pinocchio keeps joint placements {error}",)) from error
        pin.centerOfMass(self._model, data, pose, pose, pose, False)
        fresh = (data.com[0], data.vcom[0], data.acom[0])
        slow = [[*np.array(place.rotation).T.ravel(), *place.translation] for place in data.oMi]
        live = all(np.array_equal(view, vector) for view, vector in zip(self._centre, fresh, strict=True))
        if not (live and np.array_equal(places[1:], slow[1:])):
            raise RobotModelError(("this build of Pinocchio does not keep its results in place",))
        return places

    def of_joints(self, bounds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return bounds, or ways, of the model's joints for those of commanded ones, shapes (..., n) and (..., N)."""
        turned: NDArray[np.float64] = bounds[..., self._sources] * np.abs(self._rates)
        return turned

    def commanded(self, carried: Carried, count: int) -> tuple[Vector, Matrix]:
        """Return `Carried.reach` and `bend` for the commanded joints, of which there are n, shapes (n,) and (n, n)."""
        turn = self._turn(count)
        return carried.reach @ turn, turn.T @ carried.bend @ turn

    def sums(self, count: int) -> tuple[Matrix, Matrix]:
        """Return what makes S and S - b of `geometry.carried` of bounds of n commanded joints, both shape (n, N)."""
        turn = self._turn(count).T
        own = np.eye(len(self._chains))
        return turn @ self._chains, turn @ (self._chains - own)

    def _turn(self, count: int) -> Matrix:
        turn = np.zeros((len(self._sources), count))
        turn[np.arange(len(turn)), self._sources] = np.abs(self._rates)
        return turn

    def see(self, states: NDArray[np.float64]) -> Seen:
        """Compute where the centre of mass and the other soles are.

        Args:
            states: position, velocity, acceleration of the commanded joints, shape (m, 3, n).
        """
        rows = states.take(self._sources, axis=2)  # contiguous, as Pinocchio reads it without a copy
        rows *= self._rates
        rows[:, 0] += self._offsets
        centre = np.empty((len(rows), 3, 3))
        places = np.empty((len(rows), len(self._others), 12))
        model, data, (position, velocity, acceleration) = self._model, self._data, self._centre
        for row, (q, dq, ddq) in enumerate(rows):
            pin.centerOfMass(model, data, q, dq, ddq, False)
            into = centre[row]
            into[0], into[1], into[2] = position, velocity, acceleration
            for number, place in self._looked:
                places[row, number] = place
        centre *= self._share
        centre[:, 0] += self._still
        turns, shifts = places[:, :, :9].reshape(len(rows), -1, 3, 3), places[:, :, None, 9:]
        corners = [points @ turns[:, index] + shifts[:, index] for index, (_, points) in enumerate(self._others)]
        return Seen(centre, np.concatenate(corners, axis=1) if corners else np.empty((len(rows), 0, 3)))

    def look(self, pose: Vector) -> tuple[Matrix, Matrix]:
        """Compute of one pose, shape (n,), what `see` does of a state at rest, to the bit, in half the time.

        Returns:
            Where the centre of mass is, shape (1, 3), and the corners of all other soles, shape (k, 3), [m].
        """
        q = pose.take(self._sources)
        q *= self._rates
        q += self._offsets
        pin.centerOfMass(self._model, self._data, q, False)
        centre: Matrix = (self._centre[0] * self._share + self._still)[None]
        corners = [
            points @ place[:9].reshape(3, 3) + place[9:]
            for (_, place), (_, points) in zip(self._looked, self._others, strict=True)
        ]
        return centre, np.concatenate(corners) if corners else np.empty((0, 3))


def body_of(robot: RobotModel, link: str) -> tuple[int, Any]:
    """Return the joint that moves a link, 0 for the base, and the link's placement there (pinocchio.SE3).

    Raises:
        RobotModelError: when the URDF has no such link.
    """
    model = robot.kinematics
    index = model.getFrameId(link, pin.FrameType.BODY)
    if index >= len(model.frames):
        raise RobotModelError((f"{link!r} is not a link of the URDF",))
    return int(model.frames[index].parentJoint), model.frames[index].placement


def _joint(column: Vector) -> tuple[Any, float]:
    """Return Pinocchio's joint for a velocity at unit speed, shape (6,), and the sign of its position.

    Joints about a coordinate axis are computed faster. A sliding joint keeps its sign: `Reach` tells its ends apart.
    """
    linear, angular = column[:3], column[3:]
    if not np.any(angular):
        return pin.JointModelPrismaticUnaligned(linear / np.linalg.norm(linear)), 1.0
    kinds = (pin.JointModelRX, pin.JointModelRY, pin.JointModelRZ)
    for kind, unit in zip(kinds, np.eye(3), strict=True):
        for sign in (1.0, -1.0):
            if np.array_equal(angular, sign * unit):
                return kind(), sign
    return pin.JointModelRevoluteUnaligned(angular / np.linalg.norm(angular)), 1.0
