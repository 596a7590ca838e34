"""How far the true robot is from people and boxes, on its meshes, by PyBullet: no code of the supervisor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import pybullet

RADIUS: Final = 0.25
HEIGHT: Final = 1.8
"""Of a person, a standing cylinder, [m]."""
SIGHT: Final = 3.0
"""Farther away nothing is measured: so far it is at least, [m]."""
FASTEST: Final = 5.0
"""No point of an arm and no person come nearer to each other faster than that, [m/s]."""
KINDS: Final = ("people", "obstacles")


class Nearness:
    """Bodies without substance in the robot's own world; looked at once a control cycle.

    Args:
        client: of PyBullet.
        robot: body of the robot; its base, which does not move, is not asked.
        boxes: low and high corner of each obstacle, base frame, [m].
        people: name to where somebody is now, x and y, [m].
    """

    def __init__(
        self,
        client: int,
        robot: int,
        boxes: Sequence[tuple[Sequence[float], Sequence[float]]],
        people: Mapping[str, Callable[[], tuple[float, float]]],
    ) -> None:
        """Put them there."""
        self._client, self._robot = client, robot
        self._links = range(pybullet.getNumJoints(robot, physicsClientId=client))
        self._obstacles = [self._box(low, high) for low, high in boxes]
        self._people = {self._pole(): where for where in people.values()}
        self._act = ""
        self._least: dict[str, dict[str, float]] = {}
        self._seen: dict[int, tuple[int, float]] = {}
        self.asked = 0
        """Distances that were computed."""

    def mark(self, name: str) -> None:
        """Begin an act."""
        self._act = name

    def look(self, now: int) -> None:
        """Measure where everybody is now, [ns]; who can not have come nearer than anybody was before is not asked."""
        least = self._least.setdefault(self._act, {})
        for body, where in self._people.items():
            place = [*where(), HEIGHT / 2]
            pybullet.resetBasePositionAndOrientation(body, place, [0, 0, 0, 1], physicsClientId=self._client)
        for kind, bodies in zip(KINDS, (list(self._people), self._obstacles), strict=True):
            for body in bodies:
                known, at_least = least.get(kind), self._bound(body, now)
                if known is None or at_least < known:
                    self._seen[body] = now, self._distance(body)
                    least[kind] = min(known if known is not None else SIGHT, self._seen[body][1])

    def report(self) -> dict[str, Any]:
        """Return the least distance by act and kind, [m]."""
        return {act: dict(least) for act, least in self._least.items()}

    def _bound(self, body: int, now: int) -> float:
        """How far a body is at least, by when it was measured, and by how fast it and the robot can approach, [m]."""
        at, distance = self._seen.get(body, (now, 0.0))
        return distance - FASTEST * (now - at) * 1e-9

    def _distance(self, body: int) -> float:
        self.asked += 1
        found = pybullet.getClosestPoints(self._robot, body, SIGHT, physicsClientId=self._client)
        return min((float(point[8]) for point in found if point[3] >= 0), default=SIGHT)

    def _box(self, low: Sequence[float], high: Sequence[float]) -> int:
        half = [(b - a) / 2 for a, b in zip(low, high, strict=True)]
        middle = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
        return self._add({"shapeType": pybullet.GEOM_BOX, "halfExtents": half}, middle)

    def _pole(self) -> int:
        shape = {"shapeType": pybullet.GEOM_CYLINDER, "radius": RADIUS, "height": HEIGHT}
        return self._add(shape, [100.0, 0.0, HEIGHT / 2])

    def _add(self, shape: dict[str, Any], place: Sequence[float]) -> int:
        collision = pybullet.createCollisionShape(**shape, physicsClientId=self._client)
        body: int = pybullet.createMultiBody(0, collision, basePosition=list(place), physicsClientId=self._client)
        pybullet.changeDynamics(body, -1, collisionMargin=0.0, physicsClientId=self._client)
        for link in (-1, *self._links):
            pybullet.setCollisionFilterPair(self._robot, body, link, -1, 0, physicsClientId=self._client)
        return body
