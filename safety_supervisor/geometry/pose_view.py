"""What there is to see of a robot at a pose: where its volumes are, how near each is to anything, and the closest pair.

The distances are those of the core's own scene, so that a picture shows what the verifier judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import pinocchio as pin

from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.geometry.scene import Pair, Scene
from safety_supervisor.core.geometry.shapes import BoundedShape
from safety_supervisor.core.settings import Configuration, ZoneKind
from safety_supervisor.core.units import Matrix, Vector

UNPAIRED: Final = float("inf")
"""Room of a volume that belongs to no pair, [m]."""


class PlacedVolume(NamedTuple):
    """A volume of a link, and where the link is.

    Attributes:
        link: name.
        shape: in the link's frame.
        turn: rotation of the link, shape (3, 3).
        shift: origin of the link, shape (3,), [m], base frame.
    """

    link: str
    shape: BoundedShape
    turn: Matrix
    shift: Vector


class Nearness(NamedTuple):
    """How near the two bodies of a pair are.

    Attributes:
        pair: which.
        distance: signed, [m]; negative where they penetrate.
        margin: what the distance must exceed, [m].
        points: nearest points on the first and second body, shape (2, 3), [m], base frame.
    """

    pair: Pair
    distance: float
    margin: float
    points: Matrix

    @property
    def label(self) -> str:
        """Both bodies, such as `panda_hand - zones.table`."""
        return " - ".join((*self.pair.links, self.pair.rule)[:2])


class PoseView(NamedTuple):
    """The robot at a pose.

    Attributes:
        volumes: of all links.
        rooms: least distance of each volume beyond the margin of its pairs, [m].
        nearest: the pair with the least such distance, or the one that was asked for; None without pairs.
    """

    volumes: tuple[PlacedVolume, ...]
    rooms: tuple[float, ...]
    nearest: Nearness | None


class Viewer:
    """Looks at one robot in its cell."""

    def __init__(self, configuration: Configuration) -> None:
        """Build model and scene as the verifier does.

        Raises:
            RobotModelError: when the URDF does not have the configured joints and links.
        """
        geometry = configuration.geometry
        zones = tuple(zone for zone in configuration.zones if zone.kind is not ZoneKind.SPEED and not zone.world)
        self.model = RobotModel(configuration.robot, geometry.bodies)
        self.scene = Scene(self.model, geometry, zones, configuration.tracking.path_error)
        self._shapes = [(link, shape) for link, shapes in geometry.volumes.items() for shape in shapes]
        if geometry.tool is not None:
            self._shapes += [(geometry.tool.link, shape) for shape in geometry.tool.volumes]
        kinematics = self.model.kinematics
        self._frames = [kinematics.getFrameId(link, pin.FrameType.BODY) for link, _ in self._shapes]
        self._data: Any = kinematics.createData()

    def place(self, q: Vector) -> tuple[PlacedVolume, ...]:
        """Return where the volumes of all links are at a pose, shape (n,), [rad] or [m]."""
        self._compute(q)
        placements = [self.model.base.actInv(self._data.oMf[frame]) for frame in self._frames]
        return tuple(
            PlacedVolume(link, shape, np.array(placement.rotation), np.array(placement.translation))
            for (link, shape), placement in zip(self._shapes, placements, strict=True)
        )

    def bones(self, q: Vector) -> Matrix:
        """Return lines from joint to joint at a pose: all that is seen of a robot without volumes.

        Returns:
            Shape (k, 2, 3), [m], base frame, the lines to the outermost links included.
        """
        self._compute(q)
        kinematics, base = self.model.kinematics, self.model.base
        ends = [
            (self._data.oMi[kinematics.parents[joint]].translation, self._data.oMi[joint].translation)
            for joint in range(1, kinematics.njoints)
        ]
        ends += [
            (self._data.oMi[frame.parentJoint].translation, placement.translation)
            for frame, placement in zip(kinematics.frames, self._data.oMf, strict=True)
            if frame.type == pin.FrameType.BODY
        ]
        lines = np.array([[base.actInv(np.array(point)) for point in pair] for pair in ends])
        return lines[np.linalg.norm(lines[:, 0] - lines[:, 1], axis=1) > 1e-9]

    def look(self, q: Vector, rule: str = "", links: Sequence[str] = ()) -> PoseView:
        """Look at the robot at a pose.

        Args:
            q: joint positions, finite, shape (n,), [rad] or [m].
            rule: `Pair.rule` of the pair wanted as `nearest`; empty: any.
            links: `Pair.links` of that pair; empty: any.
        """
        volumes, distances = self.place(q), self.scene.distances(q)
        beyond = distances - self.scene.margins
        rooms = np.full(len(volumes), UNPAIRED)
        for numbers, room in zip(self.scene.bodies.tolist(), beyond.tolist(), strict=True):
            for number in numbers:
                if number < len(rooms):
                    rooms[number] = min(rooms[number], room)
        return PoseView(volumes, tuple(rooms.tolist()), self._nearest(q, distances, beyond, rule, tuple(links)))

    def _nearest(
        self, q: Vector, distances: Vector, beyond: Vector, rule: str, links: tuple[str, ...]
    ) -> Nearness | None:
        wanted = [
            index
            for index, pair in enumerate(self.scene.pairs)
            if (not rule or pair.rule == rule) and (not links or set(pair.links) == set(links))
        ]
        if not wanted or not np.isfinite(beyond[wanted]).all():
            return None
        index = wanted[int(beyond[wanted].argmin())]
        points = np.stack(self.scene.nearest_points(q, index))
        return Nearness(self.scene.pairs[index], float(distances[index]), float(self.scene.margins[index]), points)

    def _compute(self, q: Vector) -> None:
        pin.framesForwardKinematics(self.model.kinematics, self._data, self.model.configure(q))
