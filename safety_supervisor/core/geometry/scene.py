"""The robot's bodies and the cell's, and how far apart each pair is that must not touch.

One Pinocchio geometry model holds the volumes of the links and the bodies of the zones; one query at a pose gives the
signed distance of every pair. A keep-in zone is the half-spaces outside its faces, one body each.

How far a pair can approach is bounded from the joints between its two bodies alone: what moves both alike does not
count. For bodies A and B under a common joint c the travel of both in c's frame is added, each bounded by `Reach` for
the balls that span it. The signed distance of convex bodies (negative: the depth of penetration) is the largest over
all directions of the gap in that direction, so it changes by no more than the sum of the travels of their points.

Requirements: SR-026, SR-027.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import coal
import numpy as np
import pinocchio as pin
from numpy.typing import NDArray

from safety_supervisor.core.errors import Code
from safety_supervisor.core.geometry.bodies import coal_body, faces, hull_balls
from safety_supervisor.core.geometry.mimic import RobotModelError
from safety_supervisor.core.geometry.never_touch import never_touches
from safety_supervisor.core.geometry.query import Bodies
from safety_supervisor.core.geometry.robot import RobotModel
from safety_supervisor.core.geometry.shapes import BoundedShape, Box, Polytope, Shape, Sphere
from safety_supervisor.core.geometry.spans import Span, Spans, least_between, span_of
from safety_supervisor.core.settings import GeometrySettings, Zone, ZoneKind
from safety_supervisor.core.units import Matrix, Vector

RESERVE: Final = 5e-4
"""Distance beyond its margin that a pair keeps at every pose that is asked, [m]."""

_ORIGIN: Final = Sphere((0.0, 0.0, 0.0), 0.0)

_CODES: Final = {
    ZoneKind.KEEP_IN: Code.WORKSPACE,
    ZoneKind.KEEP_OUT: Code.WORKSPACE,
    ZoneKind.RESTRICTED: Code.RESTRICTED,
    ZoneKind.SPEED: Code.FRAME_SPEED,
}


class Pair(NamedTuple):
    """Two bodies that must not come near each other.

    Attributes:
        code: of the violation.
        rule: `geometry.self`, `tools.NAME` (the tool and another link) or `zones.NAME`.
        links: the link, or both links.
        margin: distance that the configuration asks for, [m].
    """

    code: Code
    rule: str
    links: tuple[str, ...]
    margin: float


class _Volume(NamedTuple):
    """A body of a link: its link, the joint that moves it, its number in the geometry model, and whether a tool's."""

    link: str
    joint: int
    body: int
    shape: BoundedShape
    tool: bool = False


class Scene:
    """All pairs of bodies that matter, evaluated at once.

    Attributes:
        pairs: P of them; not those that observed joints alone move against each other.
        reach: shape (P, n), [m/rad] or [m/m]: when the joints move by dq, pair p approaches by at most reach[p] @ |dq|.
        bodies: numbers of each pair's bodies, shape (P, 2): first the volumes of all links, in the order of the
            settings, then those of the tool, then points and zones.
        tool: name of the tool that is part of it, empty for none.
        margins: distance that each pair keeps, shape (P,), [m]: its own margin, and what a joint that is `path_error`
            beside its commanded path can take from it; for bodies of the world what `place` was told besides.
        world: numbers of the pairs with a body of the world, shape (W,).
        placed: whether it is known where bodies of the world are, or there are none.
    """

    def __init__(
        self,
        model: RobotModel,
        geometry: GeometrySettings,
        zones: tuple[Zone, ...],
        path_error: Vector | float = 0.0,
        between_links: bool = True,
        every_pair: bool = False,
    ) -> None:
        """Build the scene.

        Args:
            model: kinematics.
            geometry: volumes of the links and of the tool; none: links do not keep each other apart.
            zones: that links must not touch.
            path_error: how far a joint may be beside its commanded path, [rad], or shape (n,).
            between_links: whether the links must not touch each other.
            every_pair: whether pairs are kept, too, that can not touch inside the URDF's limits (`never_touches`).

        Raises:
            RobotModelError: when a link is unknown, or this build of Coal keeps distances where they are not found.
        """
        self.model = model
        self._all_bodies = Bodies(model)
        self._geometry: Any = self._all_bodies.geometry
        self._travels: dict[tuple[int, int], Vector] = {}
        self._spans: list[Span] = []
        self._world: dict[int, Any] = {}
        self._data: Any = model.kinematics.createData()
        frames = [frame for frame in model.kinematics.frames if frame.type == pin.FrameType.BODY]
        self._frames = {frame.name: (frame.parentJoint, frame.placement) for frame in frames}
        self.tool = geometry.tool.name if geometry.tool is not None else ""
        unknown = sorted(
            {link for links in (geometry.bodies, *(zone.links for zone in zones)) for link in links} - set(self._frames)
        )
        if unknown:
            raise RobotModelError(tuple(f"{link!r} is not a link of the URDF" for link in unknown))
        volumes = [self._add(link, shape) for link, shapes in geometry.volumes.items() for shape in shapes]
        if geometry.tool is not None:
            volumes += [self._add(geometry.tool.link, shape, tool=True) for shape in geometry.tool.volumes]
        points = [
            self._add(link, _ORIGIN)
            for link, (joint, _) in self._frames.items()
            if joint != 0 and link not in geometry.volumes and any(not z.links or link in z.links for z in zones)
        ]
        found: list[tuple[Pair, Vector, tuple[int, int]]] = []
        for number, first in enumerate(volumes if between_links else ()):
            for second in volumes[number + 1 :]:
                if self._may_not_touch(first, second, geometry):
                    rule = f"tools.{self.tool}" if second.tool else "geometry.self"
                    pair = Pair(Code.SELF_COLLISION, rule, (first.link, second.link), geometry.margin)
                    found.append((pair, self._approach(first, second), (first.body, second.body)))
        for zone in zones:
            moving = [v for v in volumes + points if v.joint != 0 and (not zone.links or v.link in zone.links)]
            pairs = [
                (Pair(_CODES[zone.kind], f"zones.{zone.name}", (v.link,), zone.margin), self._travel(v, 0), v.body)
                for v in moving
            ]
            for number, shape in enumerate(_forbidden(zone)):
                index = self._add_body(f"zones.{zone.name}.{number}", 0, model.base, shape)
                if zone.world:
                    self._world[index] = coal_body(shape).placement
                found += [(pair, travel, (body, index)) for pair, travel, body in pairs]
        if len(model.commanded) < len(model.joints):
            # What no commanded joint moves against each other, nothing here can keep apart; a base moves the world's.
            found = [one for one in found if one[1][model.commanded].any() or one[2][1] in self._world]
        error = np.broadcast_to(path_error, len(model.joints))
        if not every_pair:
            found = self._can_touch(found, error)
        self.pairs: tuple[Pair, ...] = tuple(pair for pair, *_ in found)
        self.reach: Matrix = np.array([reach for _, reach, _ in found]).reshape(len(found), len(model.joints))
        self.reach.setflags(write=False)
        self.margins: Vector = np.array([pair.margin for pair in self.pairs]) + self.reach @ error
        self.margins.setflags(write=False)
        self._own_margins = self.margins
        self.bodies = np.array([numbers for *_, numbers in found], dtype=np.intp).reshape(-1, 2)
        self.bodies.setflags(write=False)
        self.world = np.flatnonzero(np.isin(self.bodies[:, 1], list(self._world)))
        self.placed = not self._world
        self._exact, self._around = self._all_bodies.query(self.bodies)
        self._facing = Spans(self._spans, self.bodies)

    @property
    def empty(self) -> bool:
        """Whether there is nothing that could be touched."""
        return not self.pairs

    def place(self, turn: Matrix, shift: Vector, allowance: float) -> None:
        """Place the bodies of the world; whatever was proven with them before is void.

        Args:
            turn: of the world's frame in the base frame, shape (3, 3).
            shift: its origin there, shape (3,), [m].
            allowance: what their pairs keep beyond their margins, [m].
        """
        frame = self.model.base * pin.SE3(turn, shift)
        for index, placement in self._world.items():
            self._all_bodies.move(index, frame * placement)
        for query in (self._exact, self._around):
            if query is not None:
                query.forget()
        self._facing.turn(self.world, frame.rotation @ self.model.base.rotation.T)
        margins = self._own_margins.copy()
        margins[self.world] += allowance
        margins.setflags(write=False)
        self.margins, self.placed = margins, True

    @property
    def bounded(self) -> bool:
        """Whether `at_least` is quicker than distances: most pairs are of polytopes."""
        return self._around is not None

    def distances(self, q: Vector) -> Vector:
        """Compute the signed distance of every pair at a pose.

        Args:
            q: joint positions, shape (n,), [rad] or [m], configuration order.

        Returns:
            Shape (P,), [m], negative where bodies penetrate, NaN where a result is not finite or none; a new array.
            It depends on q alone, to the bit.
        """
        return self._exact.all(q)

    def distances_of(self, q: Vector, which: NDArray[np.intp]) -> Vector:
        """Compute the signed distances of some pairs, indices shape (k,), at a pose; to the bit as `distances` does."""
        return self._exact.some(q, which)

    def at_least(self, q: Vector, which: NDArray[np.intp], enough: Vector) -> Vector:
        """Bound the distances of some pairs at a pose from below.

        Args:
            q: joint positions, shape (n,), [rad] or [m].
            which: indices of the pairs, shape (k,).
            enough: a bound that large will do, above 0, shape (k,), [m]; pairs that may be nearer get their distance.

        Returns:
            Shape (k,), [m]: the distance, or a bound of it that is `enough`. It depends on the arguments alone.
        """
        if self._around is None:
            return self.distances_of(q, which)
        low = self._around.some(q, which)
        near = ~(low >= enough)  # so that NaN is asked
        if near.any():
            low[near] = self.distances_of(q, which[near])
        return low

    def least_gaps(self, first: Vector, last: Vector, which: NDArray[np.intp]) -> tuple[Vector, Vector]:
        """Bound the distances of some pairs on a straight way from below, in the directions that the last query found.

        A query of these pairs at one of the ends gives good directions; whatever they are, the bounds hold (`spans`).

        Args:
            first: pose where the way begins, shape (n,), [rad] or [m].
            last: pose where it ends.
            which: indices of the pairs, shape (k,).

        Returns:
            Bounds of the distances where it begins, and all along it, each shape (k,), [m]; NaN where there is none.
        """
        facing = self._facing
        directions, bodies = facing.directions(self._exact.normals, which), facing.bodies(which)
        placements = np.empty((2, len(bodies), 12))
        for place, q in zip(placements, (first, last), strict=True):
            self._exact.place(q)
            place[:] = self._exact.placements[bodies]
        begin, end = facing.gaps(placements, directions, bodies)
        return begin, least_between(begin, end, facing.bend(last - first, which))

    def nearest_points(self, q: Vector, pair: int) -> tuple[Vector, Vector]:
        """Compute the points of a pair's bodies that are nearest to each other, deepest inside where they penetrate.

        For people: slow, and not asked in the control cycle.

        Args:
            q: joint positions, finite, shape (n,), [rad] or [m].
            pair: number of the pair.

        Returns:
            A point of the first body and one of the second, each shape (3,), [m], base frame.
        """
        self._exact.ask(q)
        result, base = self._exact.results.distanceResults[pair], self.model.base
        return base.actInv(np.array(result.getNearestPoint1())), base.actInv(np.array(result.getNearestPoint2()))

    def _can_touch(
        self, found: list[tuple[Pair, Vector, tuple[int, int]]], error: Vector
    ) -> list[tuple[Pair, Vector, tuple[int, int]]]:
        """Leave out what can not come within its margin and RESERVE of each other."""
        lower, upper = self.model.whole_range()
        results = self._geometry.createData()
        kinematics, bodies = self.model.kinematics, self._geometry.geometryObjects

        placed, request = results.oMg, coal.DistanceRequest()

        def distance_of(first: int, second: int) -> Callable[[Vector], float]:
            one, other = bodies[first].geometry, bodies[second].geometry

            def distance(q: Vector) -> float:
                pin.updateGeometryPlacements(kinematics, self._data, self._geometry, results, self.model.configure(q))
                here, there = placed[first], placed[second]
                at = coal.Transform3s(here.rotation, here.translation)
                beyond = coal.Transform3s(there.rotation, there.translation)
                return float(coal.distance(one, at, other, beyond, request, coal.DistanceResult()))

            return distance

        return [
            (pair, reach, both)
            for pair, reach, both in found
            if both[1] in self._world  # wherever it is
            or not never_touches(distance_of(*both), reach, pair.margin + float(reach @ error) + RESERVE, lower, upper)
        ]

    def _add(self, link: str, shape: BoundedShape, tool: bool = False) -> _Volume:
        """Add a body of a link."""
        joint, placement = self._frames[link]
        index = self._add_body(f"{link}.{self._geometry.ngeoms}", joint, placement, shape)
        return _Volume(link, joint, index, shape, tool)

    def _add_body(self, name: str, joint: int, frame: Any, shape: Shape) -> int:
        body = coal_body(shape)
        self._spans.append(span_of(shape, body, joint, frame, self.model.carrier, len(self.model.joints)))
        return self._all_bodies.add(name, joint, frame, shape)

    def _may_not_touch(self, first: _Volume, second: _Volume, geometry: GeometrySettings) -> bool:
        """Whether two volumes move against each other and are not left out by the configuration.

        What is left out for a link says nothing of the tool that it carries, and a tool may reach the link's neighbour.
        """
        if first.joint == second.joint:
            return False
        if second.tool and geometry.tool is not None:
            return first.link not in geometry.tool.left_out
        links = frozenset((first.link, second.link))
        return links not in geometry.left_out and links not in self.model.neighbours

    def _approach(self, first: _Volume, second: _Volume) -> Vector:
        """Bound how far two volumes approach each other when joints move; shape (n,)."""
        chain = self.model.carrier.chain(second.joint)
        common = next((joint for joint in self.model.carrier.chain(first.joint) if joint in chain), 0)
        return self._travel(first, common) + self._travel(second, common)

    def _travel(self, volume: _Volume, until: int) -> Vector:
        """Bound the travel of all points of a volume against the body of a joint; shape (n,)."""
        known = self._travels.get((volume.body, until))
        if known is not None:
            return known
        frame = self._frames[volume.link][1]
        rows = [
            self.model.carrier.of_ball(volume.joint, frame.act(np.array(ball.centre)), ball.radius, until)
            for ball in hull_balls(volume.shape)
        ]
        travel: Vector = np.max(rows, axis=0)
        self._travels[volume.body, until] = travel
        return travel


def _forbidden(zone: Zone) -> tuple[Shape, ...]:
    """Return the bodies that a zone's links must not touch."""
    if zone.kind is not ZoneKind.KEEP_IN:
        return (zone.shape,)
    assert isinstance(zone.shape, Box | Polytope)
    return faces(zone.shape)
