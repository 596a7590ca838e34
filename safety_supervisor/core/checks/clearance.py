"""Clearance of every pair of bodies along a step and its stop, proven for the whole way and not for samples of it.

The room of a pair at a pose is its distance less its margin and less `STEP`. When the joints move by dq, no room
shrinks by more than reach @ |dq| (`Scene.reach`). So a pose with known rooms bounds the rooms at every other pose, and
a stretch of way from A to B along which the joints travel `way` keeps every pair clear when

    reach @ way < room(A) + room(B),

since at each point of it the way to A and the way to B add up to `way`. A bound from below may stand for a room; so may
0 for one that is not known, since then the other end proves the stretch alone. Pairs for which that fails are asked, at
the end of the way, and inside of what is then still unproven, which is cut there. Rooms are bounded by those of the
last poses, so that most decisions ask nothing, and others a few pairs. A room that is asked must be at least STEP, so
that a stretch whose travel is below 2 STEP needs no cutting.

Requirements: SR-026, SR-027.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.geometry.scene import RESERVE, Scene
from safety_supervisor.core.units import Matrix, Vector

STEP: Final = RESERVE / 2
"""Distance beyond its margin that a pair keeps all the way, [m]: covers what Coal's distances are wrong by (1e-6)."""

QUERY_LIMIT: Final = 24
"""Poses that one proof may ask, besides those at its ends."""

_FEW: Final = 4  # pairs whose distances take no longer than bounds of them

POSES: Final = 16
"""Poses that are remembered."""

_NEAREST: Final = 0.02
"""Share of a line beside its ends where it is not cut."""

_MOST_PIECES: Final = 1e6
"""More make no difference."""

_ALIKE: Final = 1e-3
"""Rooms that differ by a smaller share count as the same."""

Indices: TypeAlias = NDArray[np.intp]

_NONE: Final = np.empty(0, dtype=np.intp)

_HALVES: Final = {
    2: np.array([[[2.0, 0.0], [1.0, 1.0]], [[1.0, 1.0], [0.0, 2.0]]]) / 2.0,
    4: np.array(
        [
            [[8.0, 0.0, 0.0, 0.0], [4.0, 4.0, 0.0, 0.0], [2.0, 4.0, 2.0, 0.0], [1.0, 3.0, 3.0, 1.0]],
            [[1.0, 3.0, 3.0, 1.0], [0.0, 2.0, 4.0, 2.0], [0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 0.0, 8.0]],
        ]
    )
    / 8.0,
}
"""De Casteljau's halving of lines and cubics: control points of the first and second half."""


class _Stretch(NamedTuple):
    """A stretch of way and the pairs for which it is not proven yet.

    Attributes:
        pieces: Bezier control points, shapes (2, n) and (4, n), [rad].
        along: how far each pair can approach along each piece, shape (k, number of pieces), [m].
        which: indices of those pairs, shape (k,).
        first: their rooms where it begins, or bounds of them, shape (k,), [m].
        last: the same where it ends.
    """

    pieces: tuple[Matrix, ...]
    along: Matrix
    which: Indices
    first: Vector
    last: Vector


class Clearance:
    """Proves ways clear, and remembers the poses that it asked."""

    def __init__(self, scene: Scene, poses: int = POSES) -> None:
        """Start with nothing remembered; later with so many poses."""
        self.scene = scene
        self._reach = scene.reach
        self._across = np.ascontiguousarray(scene.reach.T)
        n = scene.reach.shape[1]
        self._poses: Matrix = np.zeros((poses, n))
        self._rooms: Matrix = np.zeros((poses, len(scene.pairs)))
        self.forget()

    def forget(self) -> None:
        """Drop all remembered poses, and take the scene as it is now."""
        self._rested: tuple[bytes, Vector] | None = None
        self.taken: Vector = self.scene.margins + STEP
        """What is taken off a distance to give the room, shape (P,), [m]."""
        self._rooms[:] = -np.inf
        self._oldest = 0
        self._first: Vector = np.zeros(self._poses.shape[1])
        self._last = self._first
        self._both: Vector = np.full(self._rooms.shape[1], -np.inf)  # proves nothing

    def quick(self, way: Vector, first: Vector, last: Vector) -> bool:
        """Whether the last proof covers this way for all pairs; arguments as of `uncovered`."""
        return not len(self.uncovered(way, first, last))

    def uncovered(self, way: Vector, first: Vector, last: Vector) -> Indices:
        """Return the pairs for which the last proof does not cover this way: lengthened to begin and end as that one.

        Args:
            way: travel of each joint from `first` to `last`, shape (n,), [rad].
            first: pose where it begins, shape (n,), [rad].
            last: pose where it ends.
        """
        whole = np.abs(first - self._first)
        whole += way
        whole += np.abs(last - self._last)
        held = self._reach.dot(whole) < self._both  # so that NaN is not proven
        return _NONE if np.count_nonzero(held) == len(held) else (~held).nonzero()[0]  # quicker than all()

    def rooms(self, q: Vector) -> Vector | Violation:
        """Ask a pose, shape (n,): the room of every pair, shape (P,), [m]; a violation when a result is not finite."""
        rooms: Vector = self.scene.distances(q) - self.taken
        return self._finite(rooms, None)

    def clear(self, q: Vector, which: Indices, detail: str) -> Vector | Violation:
        """Ask some pairs, shape (k,), at a pose that must be clear; return their rooms, or what is too near."""
        rooms = self.rooms_of(q, which)
        return rooms if rooms.min() >= STEP else self.too_near(rooms, q, detail, which)

    def approach(self, way: Vector, which: Indices | None = None) -> Vector:
        """Bound how far some pairs, None for all, approach on a travel, shape (n,); shape (k,), [m]."""
        reach: Vector = (self._reach if which is None else self._reach[which]).dot(way)
        return reach

    def ample(self, q: Vector, which: Indices, enough: Vector, detail: str) -> Vector | Violation:
        """Ask as `clear` does, but no more than whether a pair has `enough` room, as of `up_to`."""
        rooms = self.up_to(q, which, enough)
        return rooms if rooms.min(initial=np.inf) >= STEP else self.too_near(rooms, q, detail, which)

    def up_to(self, q: Vector, which: Indices, enough: Vector | float) -> Vector:
        """Ask some pairs no more than whether they have `enough` room, shape (k,), [m]: that bounds it then.

        Most pairs are far apart, which takes a tenth of what their distance takes. The rooms of the others, and of all
        that are nearer than STEP, are exact; NaN where one is not finite.
        """
        if len(which) <= _FEW:
            return self.rooms_of(q, which)
        taken = self.taken[which]
        rooms: Vector = self.scene.at_least(q, which, taken + np.maximum(enough, STEP)) - taken
        return rooms

    def rooms_of(self, q: Vector, which: Indices) -> Vector:
        """Ask some pairs, shape (k,), at a pose; return their rooms, shape (k,), NaN where one is not finite."""
        rooms: Vector = self.scene.distances_of(q, which) - self.taken[which]
        return rooms

    def too_near(self, rooms: Vector, q: Vector, detail: str, which: Indices) -> Violation:
        """Say what of some pairs, whose rooms at a pose were asked, is not finite, else what is nearest."""
        found = self._finite(rooms, which)
        return found if isinstance(found, Violation) else self.violation(rooms, q, detail, which)

    def keep(self, q: Vector, rooms: Vector) -> None:
        """Remember the rooms at a pose, or bounds of them, shape (P,), [m]."""
        self._poses[self._oldest] = q
        self._rooms[self._oldest] = rooms
        self._oldest = (self._oldest + 1) % len(self._poses)
        self._rested = None

    def rest(self, q: Vector) -> None:
        """Bound and ask ahead where a robot rests, shape (n,), what a way out of there begins with; once."""
        if self._rested is None or self._rested[0] != q.tobytes():
            bound = self.bound(q)
            self._rested = q.tobytes(), bound
            self.up_to(q, np.flatnonzero(~(bound > 0.0)), STEP)  # the scene answers again at the same pose

    def bound(self, q: Vector) -> Vector:
        """Bound the rooms at a pose, shape (n,), from below by the remembered ones; shape (P,), [m], 0 at least."""
        if self._rested is not None and self._rested[0] == q.tobytes():
            known: Vector = self._rested[1].copy()
            return known
        low = self._rooms - np.abs(q - self._poses).dot(self._across)
        bound: Vector = np.maximum(low.max(axis=0), 0.0)
        return bound

    def unproven(self, way: Vector, first: Vector, last: Vector) -> Indices:
        """Return the pairs for which a travel, shape (n,), is not proven by the rooms, shape (P,), at its ends."""
        return np.flatnonzero(~(self._reach.dot(way) < first + last))  # so that NaN is not proven

    def faced(self, pieces: tuple[Matrix, ...], which: Indices, first: Vector) -> Indices:
        """Return the pairs of a way that `Scene.least_gaps` does not prove along its straight end, shape (k,).

        Args:
            pieces: of the way, the last one a line, whose end, or beginning, was asked last.
            which: pairs for which it is not proven yet, shape (j,).
            first: rooms, or bounds of them, of all pairs where the way begins, shape (P,), [m].
        """
        if not len(which):
            return which
        begin, least = self.scene.least_gaps(pieces[-1][0], pieces[-1][-1], which)
        taken, before = self.taken[which], self._reach[which].dot(way_along(pieces[:-1]))
        clear = (least - taken > 0.0) & (before < first[which] + (begin - taken))  # so that NaN is not proven
        left: Indices = which[~clear]
        return left

    def slack(self, pieces: tuple[Matrix, ...], which: Indices) -> Vector:
        """Bound the rooms of some pairs all along a way from below, by what `faced` asks.

        On the straight end a room is at least the least gap there; before it, on a travel L from room A to room B, at
        least the greater one of A - x and B - (L - x), which is (A + B - L) / 2 or more. So is what is known of every
        way that is nowhere farther from this one than d, joint by joint, less reach @ d.

        Args:
            pieces: of the way, as for `faced`, two or more.
            which: the pairs, shape (k,).

        Returns:
            Shape (k,), [m]; NaN where there is no bound.
        """
        first = self.rooms_of(pieces[0][0], which)
        self.rooms_of(pieces[-1][-1], which)  # for the directions
        begin, least = self.scene.least_gaps(pieces[-1][0], pieces[-1][-1], which)
        taken, before = self.taken[which], self._reach[which].dot(way_along(pieces[:-1]))
        slack: Vector = np.minimum(least - taken, 0.5 * (first + begin - taken - before))
        return slack

    def prove(
        self, pieces: tuple[Matrix, ...], which: Indices, first: Vector, last: Vector, detail: str
    ) -> Violation | None:
        """Prove a way clear for some pairs, or say what it comes too near.

        Args:
            pieces: of the way, as Bezier control points.
            which: pairs for which it is not proven yet, shape (k,).
            first: rooms, or bounds of them, of all pairs where it begins, shape (P,), [m].
            last: the same where it ends.
            detail: for the violation.
        """
        if not len(which):
            return None
        legs = np.stack([_legs(piece) for piece in pieces], axis=1)
        stretches = [_Stretch(pieces, self._reach[which].dot(legs), which, first[which], last[which])]
        begin, end, every = pieces[0][0], pieces[-1][-1], (first, last)
        left = QUERY_LIMIT
        while stretches:
            stretch = stretches.pop()
            which = stretch.which
            before, after = self._cut(stretch)
            middle = after.pieces[0][0]
            low = self._rooms[:, which] - np.abs(middle - self._poses).dot(self._across[:, which])
            known = np.maximum(low.max(axis=0), 0.0)
            travel = before.along.sum(axis=1), after.along.sum(axis=1)
            both = ~((travel[0] < stretch.first + known) & (travel[1] < known + stretch.last))
            if not both.any():
                continue
            if left == 0:
                return self.limit(QUERY_LIMIT, int(which[both][0]), "so many distances did not prove the way clear")
            left -= 1
            asked = self.clear(middle, which[both], detail)
            if isinstance(asked, Violation):
                return asked
            known[both] = asked
            rooms = np.maximum(
                every[0] - self._reach.dot(np.abs(middle - begin)), every[1] - self._reach.dot(np.abs(end - middle))
            )
            rooms[which] = np.maximum(rooms[which], known)
            self.keep(middle, rooms)
            open_after = ~(travel[1] < known + stretch.last)
            open_before = ~(travel[0] < stretch.first + known)
            if open_after.any():
                stretches.append(_some(after, open_after, known, stretch.last))
            if open_before.any():
                stretches.append(_some(before, open_before, stretch.first, known))
        return None

    def _cut(self, stretch: _Stretch) -> tuple[_Stretch, _Stretch]:
        """Cut a way where that should leave the fewest poses to ask; any place is right.

        Between rooms a and b along a travel L, taken as straight, a proof needs about n = L ln(b / a) / (2 (b - a))
        pieces, each as long as the rooms at its ends together: as many on each side of the cut as n, rounded up,
        allows. Halves would need the next power of two.

        Returns:
            Both sides; rooms at their ends are not those of the stretch.
        """
        pieces, along, which, first, last = stretch
        travel = along.sum(axis=1)
        worst = int((travel / (first + last + STEP)).argmax())
        lengths = along[worst].tolist()
        left = _share(float(travel[worst]), float(first[worst]), float(last[worst])) * float(travel[worst])
        index = 0
        while index < len(pieces) - 1 and left > lengths[index]:
            left -= lengths[index]
            index += 1
        piece, own = pieces[index], along[:, index]
        one_along, two_along = along[:, : index + 1].copy(), along[:, index:].copy()
        if len(piece) == 2 and lengths[index] > 0.0:
            share = min(max(left / lengths[index], _NEAREST), 1.0 - _NEAREST)
            middle = piece[0] + share * (piece[1] - piece[0])
            one, two = np.array((piece[0], middle)), np.array((middle, piece[1]))
            one_along[:, -1], two_along[:, 0] = share * own, (1.0 - share) * own
        else:
            one, two = halve(piece)
            reach = self._reach[which]
            one_along[:, -1], two_along[:, 0] = reach.dot(_legs(one)), reach.dot(_legs(two))
        return (
            _Stretch((*pieces[:index], one), one_along, which, first, last),
            _Stretch((two, *pieces[index + 1 :]), two_along, which, first, last),
        )

    def remember_proof(self, first: Vector, rooms_first: Vector, last: Vector, rooms_last: Vector) -> None:
        """Keep the ends of a way, shape (n,), and their rooms, shape (P,), for `quick`."""
        self._first, self._last, self._both = first, last, rooms_first + rooms_last

    def _finite(self, rooms: Vector, which: Indices | None) -> Vector | Violation:
        """Return the rooms of some pairs, None for all, or a violation when one of them is not finite."""
        if math.isfinite(rooms.sum()):
            return rooms
        index = int(np.flatnonzero(~np.isfinite(rooms))[0])
        pair = self.scene.pairs[index if which is None else int(which[index])]
        links = " and ".join(pair.links)
        return Violation(Code.NOT_FINITE_RESULT, pair.rule, joint=links, detail="a distance is not finite")

    def violation(self, rooms: Vector, q: Vector, detail: str, which: Indices | None = None) -> Violation:
        """Name the pair with the least room of some pairs, None for all, at a pose."""
        lowest = int(rooms.argmin())
        index = lowest if which is None else int(which[lowest])
        pair = self.scene.pairs[index]
        limit = float(self.scene.margins[index]) + RESERVE
        distance = float(rooms[lowest] + self.taken[index])
        links = " and ".join(pair.links)
        return Violation(pair.code, pair.rule, distance, limit, links, detail, tuple(q.tolist()), self.scene.tool)

    def limit(self, number: int, index: int, detail: str) -> Violation:
        """Say that a number of distances was not enough for a pair."""
        pair = self.scene.pairs[index]
        return Violation(Code.QUERY_LIMIT, pair.rule, float(number), float(number), " and ".join(pair.links), detail)


def line(first: Vector, last: Vector) -> Matrix:
    """Return the control points of a straight way, shape (2, n)."""
    return np.array((first, last))


def way_along(pieces: tuple[Matrix, ...]) -> Vector:
    """Bound the travel of each joint along pieces, shape (n,), [rad]: the length of their control polygons."""
    way = _legs(pieces[0])
    for piece in pieces[1:]:
        way = way + _legs(piece)
    return way


def _legs(piece: Matrix) -> Vector:
    """Length of a control polygon, shape (n,)."""
    legs: Vector = np.add.reduce(np.abs(piece[1:] - piece[:-1]), axis=0)
    return legs


def halve(piece: Matrix) -> tuple[Matrix, Matrix]:
    """Cut a line or cubic in its middle."""
    first, second = _HALVES[len(piece)].dot(piece)
    return first, second


def _some(stretch: _Stretch, still: NDArray[np.bool_], first: Vector, last: Vector) -> _Stretch:
    """Return a stretch for those pairs for which it is still open, with their rooms at its ends."""
    return _Stretch(stretch.pieces, stretch.along[still], stretch.which[still], first[still], last[still])


def _share(travel: float, first: float, last: float) -> float:
    """Return at which share of a travel, [m], between two rooms, [m], it is cut best."""
    if not (first > 0.0 and last > 0.0):  # not known
        return 0.5
    ratio = last / first
    alike = abs(ratio - 1.0) < _ALIKE
    mean = first if alike else (last - first) / math.log(ratio)
    count = math.ceil(min(travel / (2.0 * mean), _MOST_PIECES))
    part = (count // 2) / count if count > 1 else 0.5
    return part if alike else (ratio**part - 1.0) / (ratio - 1.0)
