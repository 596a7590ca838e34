"""A robot and a cell in PyBullet: bodies, where they are, and how far apart two of them are.

PyBullet takes the convex hull of each collision mesh and reports a distance that is 1 mm too small per hull, its
collision margin, which is added again here. A hull holds its mesh, so nothing that touches is missed; where a mesh is
convex, as all of the Panda's are within 0.03 % of their volume, nothing is invented either. Bullet rounds the edges of
boxes and cylinders by their margin and then reports too large a distance: for bodies of the cell it is set to zero, and
boxes of links become hulls of their corners.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

import numpy as np
import pybullet
from numpy.typing import NDArray

from safety_supervisor_sim.oracle.inertia import name_masses
from safety_supervisor_sim.oracle.obstacles import Block, Obstacle

Array = NDArray[np.float64]

HULL_MARGIN: Final = 1e-3
"""Bullet's margin around the convex hull of a mesh, [m]; `World` checks that it is this."""

FAR: Final = 100.0
"""A query up to this distance always finds something, [m]; where it does not, Bullet has failed."""


class WorldError(RuntimeError):
    """Bullet gave no distance of two bodies, or has another margin than this code knows."""


class World:
    """One robot with a fixed base, and obstacles. Bodies are numbered: links with shapes first, then obstacles.

    Attributes:
        links: names of the links with shapes, the base first.
        moved: numbers of those that a judged joint moves.
    """

    def __init__(
        self,
        urdf: Path,
        packages: Path,
        joints: Sequence[str],
        held: Mapping[str, float],
        obstacles: Mapping[str, Obstacle],
        shown: bool = False,
    ) -> None:
        """Load the robot and the cell; arguments as of `TouchJudge`.

        Raises:
            KeyError: when the URDF has no such joint.
            WorldError: when Bullet's margin is another one.
        """
        self._client = pybullet.connect(pybullet.DIRECT)
        with tempfile.TemporaryDirectory(prefix="touch_judge_") as directory:
            self._robot = self._load(urdf, packages, Path(directory), shown)
        self._read_tree()
        self._joints = [self._numbers[joint] for joint in joints]
        for joint, value in held.items():
            pybullet.resetJointState(self._robot, self._numbers[joint], value, physicsClientId=self._client)
        self._shaped = [
            i for i in self._link_names if pybullet.getCollisionShapeData(self._robot, i, physicsClientId=self._client)
        ]
        self.links: tuple[str, ...] = tuple(self._link_names[i] for i in self._shaped)
        self._bodies = [(self._robot, i, HULL_MARGIN) for i in self._shaped]
        for index in self._shaped:
            self._check_margin(index)
        self._bodies += [(self._add(obstacle), -1, 0.0) for obstacle in obstacles.values()]
        self.moved = [k for k, i in enumerate(self._shaped) if not set(self._ancestors(i)).isdisjoint(self._joints)]
        self._boxes = np.array([self._box(body) for body in range(len(self._bodies))])

    def close(self) -> None:
        """Leave PyBullet. Safe to call twice."""
        if self._client >= 0:
            pybullet.disconnect(physicsClientId=self._client)
            self._client = -1

    # -- poses -----------------------------------------------------------------------------

    def place(self, q: Array) -> None:
        """Put the robot at a pose, shape (n,), [rad]."""
        pybullet.resetJointStatesMultiDof(
            self._robot, self._joints, [[value] for value in q.tolist()], physicsClientId=self._client
        )
        for body in self.moved:
            self._boxes[body] = self._box(body)

    def origin(self, link: str) -> Array:
        """Return where a link's frame is now, shape (3,), [m]."""
        return self._state(self._links[link])[0]

    def solve(self, link: str, position: Sequence[float], orientation: Sequence[float]) -> Array:
        """Return a pose that brings a link's frame to a place, shape (n,), [rad]; the caller checks how well.

        Args:
            link: its name.
            position: of its origin, [m].
            orientation: quaternion x, y, z, w.
        """
        found = pybullet.calculateInverseKinematics(
            self._robot,
            self._links[link],
            position,
            orientation,
            maxNumIterations=200,
            residualThreshold=1e-8,
            physicsClientId=self._client,
        )
        # One value for each movable joint, in the order of the joints' numbers.
        movable = sorted(number for number in self._numbers.values() if self._kind(number) != pybullet.JOINT_FIXED)
        return np.array([found[movable.index(number)] for number in self._joints])

    # -- distances -------------------------------------------------------------------------

    def gaps(self, first: NDArray[np.intp], second: NDArray[np.intp]) -> Array:
        """Return lower bounds of the distances of pairs of bodies, from boxes around them, shape (p,), [m]."""
        low, high = self._boxes[:, 0], self._boxes[:, 1]
        apart = np.maximum(low[first] - high[second], low[second] - high[first])
        gaps: Array = np.sqrt(np.square(np.maximum(apart, 0.0)).sum(axis=1))
        return gaps

    def distance(self, first: int, second: int, limit: float) -> float:
        """Return the distance of two bodies, negative where they penetrate; `limit` where it is beyond.

        Raises:
            WorldError: when Bullet gives none.
        """
        (a, link_a, margin_a), (b, link_b, margin_b) = self._bodies[first], self._bodies[second]
        # Of a query with a limit no answer would mean two things: beyond it, or Bullet gave up on a penetration.
        found = pybullet.getClosestPoints(a, b, FAR, link_a, link_b, physicsClientId=self._client)
        if not found:
            raise WorldError(f"no distance of bodies {first} and {second}")
        return min(limit, min(float(point[8]) for point in found) + margin_a + margin_b)

    # -- the tree of links -----------------------------------------------------------------

    def turn(self, first: int, second: int) -> bool:
        """Whether a judged joint moves two links, by number, against each other."""
        between = set(self._ancestors(self._shaped[first])) ^ set(self._ancestors(self._shaped[second]))
        return not between.isdisjoint(self._joints)

    def adjacent(self, first: int, second: int) -> bool:
        """Whether one joint, or several with only shapeless links between them, joins two links, by number."""
        for lower, upper in ((first, second), (second, first)):
            parent = self._tree.get(self._shaped[upper])
            while parent is not None and parent not in self._shaped:
                parent = self._tree.get(parent)
            if parent == self._shaped[lower]:
                return True
        return False

    def bound_reach(self) -> Array:
        """Bound how far a turn of each joint by 1 rad carries any point of each body, shape (bodies, n), [m/rad].

        A point of a link is no farther from a joint's axis than the way to it along the links' origins. The distance
        between the origins at the ends of a turning joint is the same in every pose; so is a link's farthest point.
        """
        self.place(np.zeros(len(self._joints)))
        tree = self._tree
        length = {link: float(np.linalg.norm(self._state(link)[0] - self._state(tree[link])[0])) for link in tree}
        reach = np.zeros((len(self._bodies), len(self._joints)))
        for body, link in enumerate(self._shaped):
            origin, box = self._state(link)
            way = float(np.linalg.norm(np.maximum(np.abs(box[0] - origin), np.abs(box[1] - origin))))
            for ancestor in self._ancestors(link):
                if ancestor in self._joints:
                    reach[body, self._joints.index(ancestor)] = way
                way += length[ancestor]
        return reach

    # -- inside ----------------------------------------------------------------------------

    def _load(self, urdf: Path, packages: Path, directory: Path, shown: bool) -> int:
        root = ElementTree.parse(urdf).getroot()
        name_masses(root)
        if shown:
            collide_with_what_is_shown(root)
        for number, geometry in enumerate(root.iterfind("link/collision/geometry")):
            box = geometry.find("box")
            if box is not None:
                geometry.remove(box)
                file = directory / f"box{number}.obj"
                file.write_text(_box_as_mesh(box.get("size", "")), encoding="ascii")
                ElementTree.SubElement(geometry, "mesh", filename=str(file))
        text = ElementTree.tostring(root, encoding="unicode").replace("package://", f"{packages}/")
        rewritten = directory / "robot.urdf"
        rewritten.write_text(text, encoding="utf-8")
        robot: int = pybullet.loadURDF(str(rewritten), useFixedBase=True, physicsClientId=self._client)
        return robot

    def _read_tree(self) -> None:
        """Read parent and name of each link; a joint has the number of its child, the base is -1."""
        base = pybullet.getBodyInfo(self._robot, physicsClientId=self._client)[0].decode()
        self._tree: dict[int, int] = {}
        self._link_names: dict[int, str] = {-1: base}
        self._numbers: dict[str, int] = {}
        for index in range(pybullet.getNumJoints(self._robot, physicsClientId=self._client)):
            info = pybullet.getJointInfo(self._robot, index, physicsClientId=self._client)
            self._numbers[info[1].decode()] = index
            self._link_names[index] = info[12].decode()
            self._tree[index] = info[16]
        self._links = {name: index for index, name in self._link_names.items()}

    def _ancestors(self, link: int) -> Iterator[int]:
        """The joints that move a link, its own first."""
        while link != -1:
            yield link
            link = self._tree[link]

    def _kind(self, joint: int) -> int:
        kind: int = pybullet.getJointInfo(self._robot, joint, physicsClientId=self._client)[2]
        return kind

    def _box(self, body: int) -> Any:
        robot, link, _ = self._bodies[body]
        return pybullet.getAABB(robot, link, physicsClientId=self._client)

    def _check_margin(self, link: int) -> None:
        margin = pybullet.getDynamicsInfo(self._robot, link, physicsClientId=self._client)[11]
        if abs(margin - HULL_MARGIN) > 1e-12:
            raise WorldError(f"Bullet's margin is {margin} m, not {HULL_MARGIN} m")

    def _add(self, obstacle: Obstacle) -> int:
        if isinstance(obstacle, Block):
            low, high = np.array(obstacle.low), np.array(obstacle.high)
            shape = {"shapeType": pybullet.GEOM_BOX, "halfExtents": ((high - low) / 2).tolist()}
            centre = ((high + low) / 2).tolist()
        else:
            height = obstacle.top - obstacle.bottom
            shape = {"shapeType": pybullet.GEOM_CYLINDER, "radius": obstacle.radius, "height": height}
            centre = [obstacle.x, obstacle.y, (obstacle.top + obstacle.bottom) / 2]
        collision = pybullet.createCollisionShape(**shape, physicsClientId=self._client)
        body: int = pybullet.createMultiBody(0, collision, basePosition=centre, physicsClientId=self._client)
        pybullet.changeDynamics(body, -1, collisionMargin=0.0, physicsClientId=self._client)
        return body

    def _state(self, link: int) -> tuple[Array, Array]:
        """Origin, shape (3,), and box around the shapes, shape (2, 3), of a link where it is now."""
        if link == -1:
            middle = pybullet.getBasePositionAndOrientation(self._robot, physicsClientId=self._client)
            info = pybullet.getDynamicsInfo(self._robot, -1, physicsClientId=self._client)
            place, _ = pybullet.multiplyTransforms(*middle, *pybullet.invertTransform(info[3], info[4]))
        else:
            place = pybullet.getLinkState(self._robot, link, computeForwardKinematics=1, physicsClientId=self._client)[
                4
            ]
        return np.array(place), np.array(pybullet.getAABB(self._robot, link, physicsClientId=self._client))


def collide_with_what_is_shown(robot: ElementTree.Element) -> None:
    """Give each link its visual geometry for a collision geometry, which may be less, or missing."""
    for link in robot.findall("link"):
        visuals = link.findall("visual/geometry/..")
        if not visuals:
            continue
        for collision in link.findall("collision"):
            link.remove(collision)
        for visual in visuals:
            collision = ElementTree.SubElement(link, "collision")
            collision.extend(part for part in visual if part.tag in ("origin", "geometry"))


def _box_as_mesh(size: str) -> str:
    """An OBJ file of a box with these edges."""
    x, y, z = (float(edge) / 2 for edge in size.split())
    corners = [f"v {a * x:.17g} {b * y:.17g} {c * z:.17g}" for a, b, c in product((-1, 1), repeat=3)]
    quads = ("1 2 4 3", "5 7 8 6", "1 5 6 2", "3 4 8 7", "1 3 7 5", "2 6 8 4")
    return "\n".join([*corners, *(f"f {quad}" for quad in quads), ""])
