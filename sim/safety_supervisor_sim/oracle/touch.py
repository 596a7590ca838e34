"""Judges whether a pose touches anything: PyBullet's engine, the URDF's own collision shapes, no code of the judged.

PyBullet takes the convex hull of each collision mesh and reports a distance that is 1 mm too small per hull, its
collision margin, which is added again here. A hull holds its mesh, so nothing that touches is missed; where a mesh is
convex, as all of the Panda's are within 0.03 % of their volume, nothing is invented either. Bullet rounds the edges of
boxes and cylinders by their margin and then reports too large a distance: for bodies of the cell it is set to zero, and
boxes of links become hulls of their corners.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

import numpy as np
import pybullet
from numpy.typing import NDArray

from safety_supervisor_sim.oracle.obstacles import Block, Obstacle

Array = NDArray[np.float64]

HULL_MARGIN: Final = 1e-3
"""Bullet's margin around the convex hull of a mesh, [m]; `TouchJudge` checks that it is this."""

TOUCH: Final = 1e-4
"""Bodies this near count as touching, [m]: by less than this Bullet's distances come out too large."""

FAR: Final = 100.0
"""A query up to this distance always finds something, [m]; where it does not, Bullet has failed."""

BESIDE: Final = "cell"
"""Name before that of an obstacle."""


@dataclass(frozen=True)
class Near:
    """Two bodies and their distance, [m], negative where they penetrate; an obstacle is `cell.NAME`."""

    distance: float
    first: str
    second: str

    @property
    def pair(self) -> str:
        """Both names; nothing where nothing is near."""
        return f"{self.first} and {self.second}" if self.first else ""

    @property
    def touches(self) -> bool:
        """Whether they touch."""
        return self.distance <= TOUCH


@dataclass(frozen=True)
class Look:
    """What is nearest at a pose: of the robot to itself, and to the cell."""

    own: Near
    cell: Near

    @property
    def nearest(self) -> Near:
        """The nearer of the two."""
        return self.own if self.own.distance <= self.cell.distance else self.cell


class TouchError(RuntimeError):
    """Bullet gave no distance of two bodies, or has another margin than this code knows."""


class TouchJudge:
    """A robot with its collision shapes in a cell of obstacles.

    Judged are all pairs of links that a judged joint moves against each other, but not those that one joint joins (a link
    without a shape joins its two neighbours), and every obstacle against every link that a judged joint moves.

    Attributes:
        links: links with shapes, the base first.
        obstacles: names, without the `cell.` before them.
    """

    def __init__(
        self,
        urdf: Path,
        packages: Path,
        joints: Sequence[str],
        held: Mapping[str, float],
        obstacles: Mapping[str, Obstacle],
        apart: Iterable[frozenset[str]] = (),
    ) -> None:
        """Load the robot and the cell.

        Args:
            urdf: the file.
            packages: directory that `package://` stands for.
            joints: judged joints, the order of every pose.
            held: all other movable joints and their positions, [rad] or [m].
            obstacles: name to body.
            apart: pairs of links that `nearest` leaves to `touched_apart`.

        Raises:
            ValueError: when the URDF has no such joint.
            TouchError: when Bullet's margin is another one.
        """
        self._client = pybullet.connect(pybullet.DIRECT)
        with tempfile.TemporaryDirectory(prefix="touch_judge_") as directory:
            self._robot = self._load(urdf, packages, Path(directory))
        tree, names = self._read_tree()
        self._joints = [self._numbers[joint] for joint in joints]
        for joint, value in held.items():
            pybullet.resetJointState(self._robot, self._numbers[joint], value, physicsClientId=self._client)
        shaped = [i for i in names if pybullet.getCollisionShapeData(self._robot, i, physicsClientId=self._client)]
        self.links: tuple[str, ...] = tuple(names[i] for i in shaped)
        self._bodies: list[tuple[int, int, float]] = [(self._robot, i, HULL_MARGIN) for i in shaped]
        for index in shaped:
            self._check_margin(index)
        moved = [k for k, i in enumerate(shaped) if self._is_moved(tree, i)]
        own = [
            (a, b)
            for b in range(len(shaped))
            for a in range(b)
            if self._turn(tree, shaped[a], shaped[b]) and not self._adjacent(tree, shaped, a, b)
        ]
        left = {frozenset(pair) for pair in apart}
        self.obstacles: tuple[str, ...] = tuple(obstacles)
        self._names = [*self.links]
        for name, obstacle in obstacles.items():
            self._bodies.append((self._add(obstacle), -1, 0.0))
            self._names.append(f"{BESIDE}.{name}")
        cell = [(a, b) for b in range(len(shaped), len(self._bodies)) for a in moved]
        self._apart = [p for p in own if frozenset(self._names[i] for i in p) in left]
        own = [p for p in own if p not in self._apart]
        self._pairs, self._own = own + cell, len(own)
        self._first, self._second = np.array(self._pairs, dtype=np.intp).T
        self._boxes = np.array([self._box(body) for body in range(len(self._bodies))])
        self._moved = moved
        self.asked = 0
        """Poses that were asked."""
        self.reach: Array = self._bound_reach(tree, shaped)
        self.reach.setflags(write=False)

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Names of the bodies of all judged pairs."""
        return tuple((self._names[a], self._names[b]) for a, b in self._pairs)

    # -- what is told ----------------------------------------------------------------------

    def look(self, q: Array, limit: float) -> Look:
        """Return what is nearest at a pose; `limit` and no names where nothing is nearer.

        Args:
            q: joint positions, shape (n,), [rad].
            limit: distance beyond which nothing is looked for, [m].

        Raises:
            TouchError: when Bullet gives no distance.
        """
        self.place(q)
        gaps = self._gaps()
        own = self._search(gaps[: self._own], 0, limit)
        return Look(own, self._search(gaps[self._own :], self._own, limit))

    def nearest(self, q: Array, limit: float) -> Near:
        """Return the nearest pair of all at a pose, as `look` does."""
        self.place(q)
        return self._search(self._gaps(), 0, limit)

    def touched(self, q: Array) -> tuple[Near, ...]:
        """Return every judged pair that touches at a pose."""
        self.place(q)
        return self._touching(self._pairs)

    def touched_apart(self, q: Array) -> tuple[Near, ...]:
        """Return every pair set apart that touches at a pose."""
        if not self._apart:
            return ()
        self.place(q)
        return self._touching(self._apart)

    def between(self, first: str, second: str) -> float:
        """Return the distance of two bodies, a link and a link or an obstacle, where the robot is now, [m]."""
        names = [name if name in self.links else f"{BESIDE}.{name}" for name in (first, second)]
        return self._distance(self._names.index(names[0]), self._names.index(names[1]), FAR)

    def distances(self, q: Array) -> Array:
        """Return the distance of every pair of `pairs`, shape (p,), [m]; slow."""
        self.place(q)
        return np.array([self._distance(a, b, FAR) for a, b in self._pairs])

    def place(self, q: Array) -> None:
        """Put the robot at a pose, shape (n,), [rad]."""
        self.asked += 1
        pybullet.resetJointStatesMultiDof(
            self._robot, self._joints, [[value] for value in q.tolist()], physicsClientId=self._client
        )
        for body in self._moved:
            self._boxes[body] = self._box(body)

    def origins(self, q: Array, links: Sequence[str]) -> Array:
        """Return where link frames are at a pose, shape (len(links), 3), [m]."""
        self.place(q)
        return np.array([self._state(self._links[link])[0] for link in links])

    def solve(self, link: str, position: Sequence[float], orientation: Sequence[float], near: Array) -> Array:
        """Return a pose that brings a link frame to a place, shape (n,), [rad]; the caller checks how well.

        Args:
            link: its name.
            position: of its origin, [m].
            orientation: quaternion x, y, z, w.
            near: pose to begin from.
        """
        self.place(near)
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

    def close(self) -> None:
        """Leave PyBullet. Safe to call twice."""
        if self._client >= 0:
            pybullet.disconnect(physicsClientId=self._client)
            self._client = -1

    # -- distances -------------------------------------------------------------------------

    def _box(self, body: int) -> Any:
        robot, link, _ = self._bodies[body]
        return pybullet.getAABB(robot, link, physicsClientId=self._client)

    def _gaps(self) -> Array:
        """Lower bounds of all distances, from boxes around the bodies, shape (p,), [m]."""
        low, high = self._boxes[:, 0], self._boxes[:, 1]
        apart = np.maximum(low[self._first] - high[self._second], low[self._second] - high[self._first])
        gaps: Array = np.sqrt(np.square(np.maximum(apart, 0.0)).sum(axis=1))
        return gaps

    def _search(self, gaps: Array, offset: int, limit: float) -> Near:
        """Return the nearest of the pairs from number `offset` on, whose lower bounds are given."""
        best = Near(limit, "", "")
        candidates = np.flatnonzero(gaps < limit)
        for index in candidates[np.argsort(gaps[candidates])].tolist():
            if gaps[index] >= best.distance or best.distance <= 0.0:
                break
            first, second = self._pairs[offset + index]
            distance = self._distance(first, second, best.distance)
            if distance < best.distance:
                best = Near(distance, self._names[first], self._names[second])
        return best

    def _distance(self, first: int, second: int, limit: float) -> float:
        """Distance of two bodies; `limit` where it is beyond."""
        (a, link_a, margin_a), (b, link_b, margin_b) = self._bodies[first], self._bodies[second]
        margin = margin_a + margin_b
        found = pybullet.getClosestPoints(a, b, limit - margin, link_a, link_b, physicsClientId=self._client)
        if not found:
            # Beyond the limit, or Bullet gave up on a penetration: only a query without a limit tells.
            found = pybullet.getClosestPoints(a, b, FAR, link_a, link_b, physicsClientId=self._client)
            if not found:
                raise TouchError(f"no distance of {self._names[first]} and {self._names[second]}")
        return min(limit, min(float(point[8]) for point in found) + margin)

    def _touching(self, pairs: Sequence[tuple[int, int]]) -> tuple[Near, ...]:
        found = []
        for first, second in pairs:
            near = Near(self._distance(first, second, 2 * TOUCH), self._names[first], self._names[second])
            if near.touches:
                found.append(near)
        return tuple(found)

    # -- the robot and the cell ------------------------------------------------------------

    def _load(self, urdf: Path, packages: Path, directory: Path) -> int:
        root = ElementTree.parse(urdf).getroot()
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

    def _read_tree(self) -> tuple[dict[int, int], dict[int, str]]:
        """Parent of each link and name of each link, by PyBullet's numbers; -1 is the base."""
        base = pybullet.getBodyInfo(self._robot, physicsClientId=self._client)[0].decode()
        tree, names = {}, {-1: base}
        self._numbers: dict[str, int] = {}
        for index in range(pybullet.getNumJoints(self._robot, physicsClientId=self._client)):
            info = pybullet.getJointInfo(self._robot, index, physicsClientId=self._client)
            self._numbers[info[1].decode()] = index
            names[index] = info[12].decode()
            tree[index] = info[16]
        self._links = {name: index for index, name in names.items()}
        return tree, names

    def _kind(self, joint: int) -> int:
        kind: int = pybullet.getJointInfo(self._robot, joint, physicsClientId=self._client)[2]
        return kind

    def _is_moved(self, tree: Mapping[int, int], link: int) -> bool:
        return any(ancestor in self._joints for ancestor in _ancestors(tree, link))

    def _turn(self, tree: Mapping[int, int], first: int, second: int) -> bool:
        """Whether a judged joint moves two links against each other."""
        between = set(_ancestors(tree, first)) ^ set(_ancestors(tree, second))
        return not between.isdisjoint(self._joints)

    def _adjacent(self, tree: Mapping[int, int], shaped: Sequence[int], a: int, b: int) -> bool:
        """Whether one joint, or several with only shapeless links between them, joins two links."""
        for lower, upper in ((shaped[a], shaped[b]), (shaped[b], shaped[a])):
            parent = tree.get(upper)
            while parent is not None and parent not in shaped:
                parent = tree.get(parent)
            if parent == lower:
                return True
        return False

    def _check_margin(self, link: int) -> None:
        margin = pybullet.getDynamicsInfo(self._robot, link, physicsClientId=self._client)[11]
        if abs(margin - HULL_MARGIN) > 1e-12:
            raise TouchError(f"Bullet's margin is {margin} m, not {HULL_MARGIN} m")

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

    # -- how far a joint carries anything --------------------------------------------------

    def _state(self, link: int) -> tuple[Array, Array]:
        """Origin, shape (3,), and box around the shapes, shape (2, 3), of a link where it is now."""
        if link == -1:
            place, _ = pybullet.getBasePositionAndOrientation(self._robot, physicsClientId=self._client)
        else:
            place = pybullet.getLinkState(
                self._robot, link, computeForwardKinematics=1, physicsClientId=self._client
            )[4]
        return np.array(place), np.array(pybullet.getAABB(self._robot, link, physicsClientId=self._client))

    def _bound_reach(self, tree: Mapping[int, int], shaped: Sequence[int]) -> Array:
        """Bound how far a turn of each joint by 1 rad carries any point of any link, shape (n,), [m/rad].

        A point of a link is no farther from a joint's axis than the way to it along the links' origins. The distance
        between the origins at the ends of a turning joint is the same in every pose; so is a link's farthest point.
        """
        self.place(np.zeros(len(self._joints)))
        length = {link: float(np.linalg.norm(self._state(link)[0] - self._state(tree[link])[0])) for link in tree}
        reach = np.zeros(len(self._joints))
        for link in shaped:
            origin, box = self._state(link)
            way = float(np.linalg.norm(np.maximum(np.abs(box[0] - origin), np.abs(box[1] - origin))))
            for ancestor in _ancestors(tree, link):
                if ancestor in self._joints:
                    index = self._joints.index(ancestor)
                    reach[index] = max(reach[index], way)
                way += length[ancestor]
        return reach


def _ancestors(tree: Mapping[int, int], link: int) -> Iterable[int]:
    """The joints that move a link, its own first; a joint has the number of its child."""
    while link != -1:
        yield link
        link = tree[link]


def _box_as_mesh(size: str) -> str:
    """An OBJ file of a box with these edges."""
    x, y, z = (float(edge) / 2 for edge in size.split())
    corners = [f"v {a * x:.17g} {b * y:.17g} {c * z:.17g}" for a, b, c in product((-1, 1), repeat=3)]
    quads = ("1 2 4 3", "5 7 8 6", "1 5 6 2", "3 4 8 7", "1 3 7 5", "2 6 8 4")
    return "\n".join([*corners, *(f"f {quad}" for quad in quads), ""])
