"""Judges whether a robot tips on feet that stay where they are, by PyBullet's masses and the meshes of the feet.

No dynamics: where the joints are says where the centre of mass is, and how it moves is the difference of its places.
With x the centre of mass over the ground and z its height, a robot tips about an edge of the hull of its soles when

    zero-moment point  x - x'' z / g   leaves the hull (Vukobratovic and Borovac 2004), or
    capture point      x + x' sqrt(z / g)   does, since no stop brings it to rest then (Pratt et al. 2006).

At rest both are the centre of mass. No code of the judged.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

import numpy as np
import pybullet

from safety_supervisor_sim.oracle.balance import GRAVITY
from safety_supervisor_sim.oracle.inertia import name_masses
from safety_supervisor_sim.oracle.support import hull, inside
from safety_supervisor_sim.oracle.world import Array, collide_with_what_is_shown

LOWEST: Final = 1e-3
"""Points of a foot's mesh no higher than this over its lowest one are its sole, [m]."""
SLID: Final = 0.0105
"""A foot that has moved farther against the other one, [m], does not stand where it stood: half a millimetre more than
what the shipped configurations allow."""
_SPACING: Final = 1e-4
"""Rows nearer in time than this are not told apart: their difference would be rounding, [s]."""


@dataclass(frozen=True)
class Tip:
    """How a robot stands at its worst.

    Attributes:
        inside: least distance of the points from the edge of the hull, [m]; negative: it tips.
        point: which one.
        row: of the way.
        slid: farthest that another foot has moved against the one that stays, [m].
    """

    inside: float
    point: str
    row: int
    slid: float = 0.0

    @property
    def tips(self) -> bool:
        """Whether it tips, or a foot slides from under it."""
        return not (self.inside >= 0.0 and self.slid <= SLID)


class TipJudge:
    """A robot in PyBullet, seen from its feet.

    Attributes:
        feet: names of the links that may stand.
        mass: of all of it, [kg].
    """

    def __init__(
        self, urdf: Path, packages: Path, joints: Sequence[str], held: Mapping[str, float], feet: Sequence[str]
    ) -> None:
        """Load the robot; arguments as of `TouchJudge`, and the links that stand, which look upward by their z axes.

        Raises:
            KeyError: the URDF has no such joint or link.
        """
        self._client = pybullet.connect(pybullet.DIRECT)
        root = ElementTree.parse(urdf).getroot()
        name_masses(root)
        collide_with_what_is_shown(root)
        with tempfile.TemporaryDirectory(prefix="tip_judge_") as directory:
            rewritten = Path(directory) / "robot.urdf"
            text = ElementTree.tostring(root, encoding="unicode").replace("package://", f"{packages}/")
            rewritten.write_text(text, encoding="utf-8")
            # Of a fixed base PyBullet tells no mass. Nothing moves here but by `resetJointStatesMultiDof`.
            self._robot: int = pybullet.loadURDF(str(rewritten), useFixedBase=False, physicsClientId=self._client)
        links = list(range(pybullet.getNumJoints(self._robot, physicsClientId=self._client)))
        infos = [pybullet.getJointInfo(self._robot, link, physicsClientId=self._client) for link in links]
        numbers = {info[1].decode(): info[0] for info in infos}
        named = {info[12].decode(): info[0] for info in infos}
        self._joints = [numbers[joint] for joint in joints]
        for joint, value in held.items():
            pybullet.resetJointState(self._robot, numbers[joint], value, physicsClientId=self._client)
        self._links = links
        masses = [pybullet.getDynamicsInfo(self._robot, n, physicsClientId=self._client)[0] for n in (-1, *links)]
        self._masses = np.array(masses)
        self.mass = float(self._masses.sum())
        self._base = np.array(pybullet.getBasePositionAndOrientation(self._robot, physicsClientId=self._client)[0])
        self.feet = tuple(feet)
        self._feet = {foot: named[foot] for foot in feet}
        self.soles: dict[str, Array] = {foot: self._sole(link) for foot, link in self._feet.items()}
        """By foot: the outline of where it may touch the ground, in the link's frame, shape (k, 3), [m]."""

    def close(self) -> None:
        """Leave PyBullet. Safe to call twice."""
        if self._client >= 0:
            pybullet.disconnect(physicsClientId=self._client)
            self._client = -1

    def stands(self, q: Array, bearing: Sequence[str]) -> Tip:
        """Judge a pose at rest, shape (n,), [rad], on feet that bear; the first of them is level."""
        return self.follow(q[None], np.zeros(1), bearing)

    def follow(self, rows: Array, times: Array, bearing: Sequence[str]) -> Tip:
        """Judge a way, shape (m, n), [rad], at its times, shape (m,), [s], on the feet that bear at its first row.

        Each of them in turn is taken to stay where it is; the worst counts. Where the others are is seen at each row.
        """
        seen = [self._see(row) for row in rows]
        return min(
            (self._on(foot, seen, times, bearing) for foot in bearing), key=lambda tip: (not tip.tips, tip.inside)
        )

    def _on(self, foot: str, seen: list[tuple[Array, dict[str, Array]]], times: Array, bearing: Sequence[str]) -> Tip:
        """Judge in the frame of a foot."""
        placed = [_into(places[foot]) for _, places in seen]
        centre = np.array([turn @ (centre - shift) for (centre, _), (turn, shift) in zip(seen, placed, strict=True)])
        own = self.soles[foot]
        level = float(own[:, 2].min())
        others = [
            [
                (turn @ (self.soles[other] @ places[other][:, :3].T + places[other][:, 3] - shift).T).T
                for other in bearing
                if other != foot
            ]
            for (_, places), (turn, shift) in zip(seen, placed, strict=True)
        ]
        slid = max(
            (
                float(np.sqrt(np.square(now - first).sum(axis=1)).max())
                for at in others
                for now, first in zip(at, others[0], strict=True)
            ),
            default=0.0,
        )
        hulls = _hulls(own, others)
        worst = Tip(np.inf, "", 0, slid)
        for point, row, place in _points(centre, centre[:, 2] - level, times):
            away = inside(place, hulls[row])
            if not away >= worst.inside:
                worst = Tip(away, point, row, slid)
        return worst

    def _see(self, q: Array) -> tuple[Array, dict[str, Array]]:
        """Return where the centre of mass is, shape (3,), and each foot, shape (3, 4), in the base's axes, [m]."""
        pybullet.resetJointStatesMultiDof(
            self._robot, self._joints, [[value] for value in q.tolist()], physicsClientId=self._client
        )
        states = pybullet.getLinkStates(
            self._robot, self._links, computeForwardKinematics=1, physicsClientId=self._client
        )
        centre = self._masses @ np.array([self._base, *(state[0] for state in states)]) / self.mass
        feet = {}
        for foot, link in self._feet.items():
            turn = np.array(pybullet.getMatrixFromQuaternion(states[link][5])).reshape(3, 3)
            feet[foot] = np.column_stack([turn, states[link][4]])
        return centre, feet

    def _sole(self, link: int) -> Array:
        """Return the lowest points of a foot's mesh, in the link's frame."""
        points = np.array(pybullet.getMeshData(self._robot, link, physicsClientId=self._client)[1])
        info = pybullet.getDynamicsInfo(self._robot, link, physicsClientId=self._client)
        # Told where the link's mass is, and turned as its inertia is.
        turn = np.array(pybullet.getMatrixFromQuaternion(info[4])).reshape(3, 3)
        points = points @ turn.T + np.array(info[3])
        low = points[points[:, 2] <= points[:, 2].min() + LOWEST]
        outline = {tuple(corner) for corner in hull(low[:, :2]).tolist()}
        return np.array([point for point in low.tolist() if (point[0], point[1]) in outline])


def _hulls(own: Array, others: list[list[Array]]) -> list[Array]:
    """Return the hull of all soles at each row; one that has moved by less than a micrometre is the last one."""
    hulls: list[Array] = []
    last: list[Array] | None = None
    for at in others:
        if last is None or any(np.abs(now - then).max() > 1e-6 for now, then in zip(at, last, strict=True)):
            last = at
            hulls.append(hull(np.concatenate([own, *at])[:, :2]))
        else:
            hulls.append(hulls[-1])
    return hulls


def _into(place: Array) -> tuple[Array, Array]:
    """Return rotation and origin that bring what is seen from the base into a frame placed there."""
    return place[:, :3].T, place[:, 3]


def _points(centre: Array, height: Array, times: Array) -> list[tuple[str, int, Array]]:
    """Return each point over the ground with its row; rows at almost one time are taken once."""
    kept = [0]
    for row in range(1, len(times)):
        if times[row] - times[kept[-1]] >= _SPACING:
            kept.append(row)
    found = [("centre of mass", row, centre[row, :2]) for row in kept]
    flat, at = centre[kept, :2], times[kept]
    speeds = np.diff(flat, axis=0) / np.diff(at)[:, None]
    for number in range(len(speeds)):
        row = kept[number + 1]
        # Its mean over the interval, at the middle of it: of position, speed and height alike.
        reach = np.sqrt(0.5 * (height[kept[number]] + height[row]) / GRAVITY)
        found.append(("capture point", row, 0.5 * (flat[number] + flat[number + 1]) + speeds[number] * reach))
    for number in range(1, len(speeds)):
        row = kept[number]
        push = (speeds[number] - speeds[number - 1]) / (0.5 * (at[number + 1] - at[number - 1]))
        found.append(("zero-moment point", row, flat[number] - push * (height[row] / GRAVITY)))
    return found
