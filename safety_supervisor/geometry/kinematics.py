"""Where a link is, seen from another: what is needed to look at pairs of links over all poses.

Code of its own, straight from the URDF, so that a pair is judged without the core's model.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from safety_supervisor.config.urdf import Urdf, UrdfJoint
from safety_supervisor.core.geometry.shapes import Ball
from safety_supervisor.core.units import Matrix, Vector
from safety_supervisor.geometry.surfaces import read_numbers, read_origin


@dataclass(frozen=True)
class _Joint:
    """A joint: position = multiplier * position of `source` + offset; a constant offset without a source."""

    name: str
    parent: str
    child: str
    turn: Matrix
    shift: Vector
    axis: Vector
    slides: bool
    source: str
    multiplier: float
    offset: float


class Kinematics:
    """The tree of links, with the joints that move.

    Attributes:
        ranges: lower and upper position of every joint that moves by itself, [rad] or [m]; one turn where the URDF
            sets no limit.
    """

    def __init__(self, urdf: str, tree: Urdf, locked: Mapping[str, float]) -> None:
        """Read the joints' places and axes.

        Args:
            urdf: the text.
            tree: the same, read by the configuration.
            locked: joints that do not move, with their positions, [rad] or [m].
        """
        self.tree = tree
        self._above: dict[str, _Joint] = {}
        self.ranges: dict[str, tuple[float, float]] = {}
        for element in ElementTree.fromstring(urdf).findall("joint"):
            described = tree.joints[element.get("name", "")]
            source, multiplier, offset = self._follow(described, locked)
            turn, shift = read_origin(element.find("origin"))
            written = element.find("axis")
            axis = np.array([1.0, 0.0, 0.0]) if written is None else read_numbers(written, "xyz", 3, "1 0 0")
            self._above[described.child] = _Joint(
                described.name, described.parent, described.child, turn, shift,
                axis / (float(np.linalg.norm(axis)) or 1.0), described.kind == "prismatic", source, multiplier, offset,
            )  # fmt: skip
            if source == described.name:
                bounded = math.isfinite(described.lower) and math.isfinite(described.upper)
                self.ranges[source] = (described.lower, described.upper) if bounded else (-math.pi, math.pi)

    def _follow(self, joint: UrdfJoint, locked: Mapping[str, float]) -> tuple[str, float, float]:
        """Return what a joint follows: itself, another joint, or nothing."""
        multiplier, offset = 1.0, 0.0
        for _ in range(len(self.tree.joints)):
            if joint.name in locked:
                return "", 0.0, multiplier * locked[joint.name] + offset
            if joint.kind == "fixed":
                return "", 0.0, 0.0
            if not joint.mimics:
                return joint.name, multiplier, offset
            offset += multiplier * joint.offset
            multiplier *= joint.multiplier
            joint = self.tree.joints[joint.mimics]
        raise ValueError(f"joint {joint.name} follows itself")

    def neighbours(self, first: str, second: str) -> bool:
        """Whether a joint joins two links directly."""
        return any(
            link in self._above and self._above[link].parent == other
            for link, other in ((first, second), (second, first))
        )

    def between(self, first: str, second: str) -> tuple[str, ...]:
        """Return the joints that move two links against each other, as they stand between them."""
        up, down = self._ways(first, second)
        names = [joint.source for joint in (*reversed(up), *down) if joint.source]
        return tuple(dict.fromkeys(names))

    def placements(self, positions: Mapping[str, float]) -> dict[str, tuple[Matrix, Vector]]:
        """Return rotation (3, 3) and translation (3,), [m], of every link in the root's frame.

        Args:
            positions: of every joint of `ranges`, [rad] or [m].
        """
        placed = {self.tree.root: (np.eye(3), np.zeros(3))}

        def place(link: str) -> tuple[Matrix, Vector]:
            if link not in placed:
                joint = self._above[link]
                turn, shift = place(joint.parent)
                own_turn, own_shift = _chain([joint], positions)
                placed[link] = turn @ own_turn, shift + turn @ own_shift
            return placed[link]

        return {link: place(link) for link in sorted(self.tree.links)}

    def relative(self, first: str, second: str, positions: Mapping[str, float]) -> tuple[Matrix, Vector]:
        """Return rotation (3, 3) and translation (3,), [m], of the second link's frame in the first's."""
        up, down = self._ways(first, second)
        return between(_chain(up, positions), _chain(down, positions))

    def reach(self, first: str, second: str, balls: tuple[Ball, Ball]) -> dict[str, float]:
        """Bound how fast the bodies of two links can come nearer to each other or go apart.

        Args:
            first: a link.
            second: another.
            balls: what holds the body of each, in its link's frame.

        Returns:
            For each joint between them, [m/rad] or [m/m]: moving the joints by `dq` changes the distance of the bodies
            by at most the sum of reach * |dq|. Proof: a ball that holds the body at every position of the joints passed
            so far is carried from the link to the common ancestor; see `core.geometry.robot.RobotModel`.
        """
        found = dict.fromkeys(self.between(first, second), 0.0)
        for way, ball in zip(self._ways(first, second), balls, strict=True):
            centre, radius = np.array(ball.centre), ball.radius
            for joint in reversed(way):
                if joint.source and joint.slides:
                    low, high = (joint.multiplier * end + joint.offset for end in self.ranges[joint.source])
                    found[joint.source] += abs(joint.multiplier)
                    centre = centre + joint.axis * (low + high) / 2
                    radius += abs(high - low) / 2
                elif joint.source:
                    foot = joint.axis * float(joint.axis @ centre)
                    radius += float(np.linalg.norm(centre - foot))
                    centre = foot
                    found[joint.source] += abs(joint.multiplier) * radius
                else:
                    turn, shift = _move(joint, joint.offset)
                    centre = turn @ centre + shift
                centre = joint.turn @ centre + joint.shift
        return found

    def _ways(self, first: str, second: str) -> tuple[list[_Joint], list[_Joint]]:
        """Return the joints from the common ancestor down to each of two links."""
        ways = [self._from_root(link) for link in (first, second)]
        shared = 0
        while shared < min(map(len, ways)) and ways[0][shared] is ways[1][shared]:
            shared += 1
        return ways[0][shared:], ways[1][shared:]

    def _from_root(self, link: str) -> list[_Joint]:
        way = []
        while link in self._above:
            way.append(self._above[link])
            link = self._above[link].parent
        return way[::-1]


def between(first: tuple[Matrix, Vector], second: tuple[Matrix, Vector]) -> tuple[Matrix, Vector]:
    """Return the second placement as seen from the first."""
    return first[0].T @ second[0], first[0].T @ (second[1] - first[1])


def _move(joint: _Joint, position: float) -> tuple[Matrix, Vector]:
    """Return rotation and translation of a joint's own motion."""
    if joint.slides:
        return np.eye(3), joint.axis * position
    x, y, z = joint.axis.tolist()
    skew = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + math.sin(position) * skew + (1.0 - math.cos(position)) * skew @ skew, np.zeros(3)


def _chain(way: list[_Joint], positions: Mapping[str, float]) -> tuple[Matrix, Vector]:
    turn, shift = np.eye(3), np.zeros(3)
    for joint in way:
        position = joint.offset + (joint.multiplier * positions[joint.source] if joint.source else 0.0)
        own_turn, own_shift = _move(joint, position)
        shift = shift + turn @ (joint.shift + joint.turn @ own_shift)
        turn = turn @ joint.turn @ own_turn
    return turn, shift
