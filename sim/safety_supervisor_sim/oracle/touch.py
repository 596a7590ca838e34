"""Judges whether a pose touches anything: PyBullet's engine, the URDF's own collision shapes, no code of the judged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from safety_supervisor_sim.oracle.obstacles import Obstacle
from safety_supervisor_sim.oracle.world import FAR, Array, World

TOUCH: Final = 1e-4
"""Bodies this near count as touching, [m]: by less than this Bullet's distances come out too large."""

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


class TouchJudge:
    """A robot with its collision shapes in a cell of obstacles.

    Judged are all pairs of links that a judged joint moves against each other, but not those that one joint joins (a
    link without a shape joins its two neighbours), and every obstacle against every link that a judged joint moves.

    Attributes:
        links: links with shapes, the base first.
        obstacles: names, without the `cell.` before them.
        pairs: names of the bodies of all judged pairs: those of the robot itself, then those with an obstacle.
        own: how many of them are of the robot itself.
        reach: shape (n,), [m/rad]: no point of the robot moves farther than reach @ |dq|.
        approach: shape (p, n), [m/rad]: the bodies of a pair come no nearer to each other than by approach @ |dq|. Of
            two links only those joints count that move one of them alone.
        asked: poses that were asked.
    """

    def __init__(
        self,
        urdf: Path,
        packages: Path,
        joints: Sequence[str],
        held: Mapping[str, float],
        obstacles: Mapping[str, Obstacle],
        apart: Iterable[frozenset[str]] = (),
        shown: bool = False,
    ) -> None:
        """Load the robot and the cell.

        Args:
            urdf: the file.
            packages: directory that `package://` stands for.
            joints: judged joints, all turning, the order of every pose.
            held: all other movable joints and their positions, [rad] or [m].
            obstacles: name to body.
            apart: pairs of links that only `touched_apart` judges.
            shown: judge by the visual meshes.

        Raises:
            KeyError: when the URDF has no such joint.
            WorldError: when Bullet's margin is another one than is known here.
        """
        self._world = World(urdf, packages, joints, held, obstacles, shown)
        self.links = self._world.links
        self.obstacles: tuple[str, ...] = tuple(obstacles)
        self._names = [*self.links, *(f"{BESIDE}.{name}" for name in obstacles)]
        links, bodies, left = range(len(self.links)), range(len(self._names)), {frozenset(pair) for pair in apart}
        own = [(a, b) for b in links for a in range(b) if self._world.turn(a, b) and not self._world.adjacent(a, b)]
        self._apart = [pair for pair in own if frozenset(self._names[body] for body in pair) in left]
        own = [pair for pair in own if pair not in self._apart]
        self._pairs = own + [(a, b) for b in bodies[len(self.links) :] for a in self._world.moved]
        self.own = len(own)
        self.pairs: tuple[tuple[str, str], ...] = tuple((self._names[a], self._names[b]) for a, b in self._pairs)
        self._first, self._second = np.array(self._pairs, dtype=np.intp).reshape(-1, 2).T
        carried = self._world.bound_reach()
        self.reach: Array = carried.max(axis=0)
        first, second = carried[self._first], carried[self._second]
        self.approach: Array = np.where((first > 0.0) != (second > 0.0), first + second, 0.0)
        for bound in (self.reach, self.approach):
            bound.setflags(write=False)
        self.asked = 0

    def look(self, q: Array, limit: float) -> Look:
        """Return what is nearest at a pose; `limit` and no names where nothing is nearer.

        Args:
            q: joint positions, shape (n,), [rad].
            limit: distance beyond which nothing is looked for, [m].

        Raises:
            WorldError: when Bullet gives no distance.
        """
        gaps = self._ask(q)
        own = self._search(gaps[: self.own], 0, limit)
        return Look(own, self._search(gaps[self.own :], self.own, limit))

    def nearest(self, q: Array, limit: float) -> Near:
        """Return the nearest pair of all at a pose, as `look` does."""
        return self._search(self._ask(q), 0, limit)

    def clearances(self, q: Array, pairs: NDArray[np.intp], sight: float) -> Array:
        """Return the distances of some pairs at a pose, shape (k,), [m].

        Args:
            q: joint positions, shape (n,), [rad].
            pairs: their numbers in `pairs`, shape (k,).
            sight: of a pair that is farther apart a lower bound is told, which is no less than this, [m].

        Raises:
            WorldError: when Bullet gives no distance.
        """
        self.asked += 1
        self._world.place(q)
        away = self._world.gaps(self._first[pairs], self._second[pairs])
        for index in np.flatnonzero(away < sight).tolist():
            away[index] = self._world.distance(*self._pairs[int(pairs[index])], FAR)
        return away

    def touched(self, q: Array) -> tuple[Near, ...]:
        """Return every judged pair that touches at a pose."""
        self._ask(q)
        return self._touching(self._pairs)

    def touched_apart(self, q: Array) -> tuple[Near, ...]:
        """Return every pair set apart that touches at a pose."""
        if not self._apart:
            return ()
        self._world.place(q)
        return self._touching(self._apart)

    def between(self, first: str, second: str) -> float:
        """Return the distance of two bodies, a link and a link or an obstacle, where the robot is now, [m]."""
        names = [name if name in self.links else f"{BESIDE}.{name}" for name in (first, second)]
        return self._world.distance(self._names.index(names[0]), self._names.index(names[1]), FAR)

    def distances(self, q: Array) -> Array:
        """Return the distance of every pair of `pairs`, shape (p,), [m]; slow."""
        self._ask(q)
        return np.array([self._world.distance(a, b, FAR) for a, b in self._pairs])

    def origin(self, q: Array, link: str) -> Array:
        """Return where a link's frame is at a pose, shape (3,), [m]."""
        self._world.place(q)
        return self._world.origin(link)

    def solve(self, link: str, position: Sequence[float], orientation: Sequence[float], near: Array) -> Array:
        """Return a pose that brings a link's frame to a place, see `World.solve`, beginning from the pose `near`."""
        self._world.place(near)
        return self._world.solve(link, position, orientation)

    def close(self) -> None:
        """Leave PyBullet. Safe to call twice."""
        self._world.close()

    def _ask(self, q: Array) -> Array:
        """Put the robot at a pose and return lower bounds of all distances, shape (p,), [m]."""
        self.asked += 1
        self._world.place(q)
        return self._world.gaps(self._first, self._second)

    def _search(self, gaps: Array, offset: int, limit: float) -> Near:
        """Return the nearest of the pairs from number `offset` on, whose lower bounds are given."""
        best = Near(limit, "", "")
        candidates = np.flatnonzero(gaps < limit)
        for index in candidates[np.argsort(gaps[candidates])].tolist():
            if gaps[index] >= best.distance or best.distance <= 0.0:
                break
            first, second = self._pairs[offset + index]
            distance = self._world.distance(first, second, best.distance)
            if distance < best.distance:
                best = Near(distance, self._names[first], self._names[second])
        return best

    def _touching(self, pairs: Sequence[tuple[int, int]]) -> tuple[Near, ...]:
        found = [Near(self._world.distance(a, b, 2 * TOUCH), self._names[a], self._names[b]) for a, b in pairs]
        return tuple(near for near in found if near.touches)
