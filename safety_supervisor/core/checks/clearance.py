"""Clearance of every pair of bodies along a step and its stop, proven for the whole way and not for samples of it.

The room of a pair at a pose is its distance less its margin and less `STEP`. When the joints move by dq, no room
shrinks by more than reach @ |dq| (`Scene.reach`). So a pose with known rooms bounds the rooms at every other pose, and
a stretch of way from A to B along which the joints travel `way` keeps every pair clear when

    reach @ way < room(A) + room(B),

since at each point of it the way to A and the way to B add up to `way`. What is not proven so is halved. Rooms are
known from the last poses that were asked, so most decisions ask nothing; rooms at a pose that is asked must be at least
STEP, so that a stretch whose travel is below 2 STEP needs no halving.

Requirements: SR-026, SR-027.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.scene import RESERVE, Scene
from safety_supervisor.core.units import Matrix, Vector

STEP: Final = RESERVE / 2
"""Distance beyond its margin that a pair keeps all the way, [m]: covers what Coal's distances are wrong by (1e-6)."""

QUERY_LIMIT: Final = 16
"""Poses that one proof may ask, besides those at its ends."""

POSES: Final = 16
"""Poses that are remembered."""

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
    """A stretch of way: its pieces as Bezier control points, their length, and rooms, or less, at its two ends.

    Attributes:
        pieces: shapes (2, n) and (4, n), [rad].
        way: shape (n,), [rad].
        first: shape (P,), [m].
        last: the same.
    """

    pieces: tuple[Matrix, ...]
    way: Vector
    first: Vector
    last: Vector


class Clearance:
    """Proves ways clear, and remembers the poses that it asked."""

    def __init__(self, scene: Scene) -> None:
        """Start with nothing remembered."""
        self.scene = scene
        self._reach = scene.reach
        self._across = np.ascontiguousarray(scene.reach.T)
        self.taken: Vector = scene.margins + STEP
        """What is taken off a distance to give the room, shape (P,), [m]."""
        n = scene.reach.shape[1]
        self._poses: Matrix = np.zeros((POSES, n))
        self._rooms: Matrix = np.zeros((POSES, len(scene.pairs)))
        self.forget()

    def forget(self) -> None:
        """Drop all remembered poses."""
        self._rooms[:] = -np.inf
        self._oldest = 0
        self._first: Vector = np.zeros(self._poses.shape[1])
        self._last = self._first
        self._both: Vector = np.full(self._rooms.shape[1], -np.inf)  # proves nothing

    def quick(self, way: Vector, first: Vector, last: Vector) -> bool:
        """Whether the last proof covers this way, too: lengthened to begin and end where that one did.

        Args:
            way: travel of each joint from `first` to `last`, shape (n,), [rad].
            first: pose where it begins, shape (n,), [rad].
            last: pose where it ends.
        """
        whole = np.abs(first - self._first)
        whole += way
        whole += np.abs(last - self._last)
        return bool((self._reach.dot(whole) < self._both).all())

    def rooms(self, q: Vector) -> Vector | Violation:
        """Ask a pose, shape (n,): the room of every pair, shape (P,), [m]; a violation when a result is not finite."""
        rooms: Vector = self.scene.distances(q) - self.taken
        lowest = rooms.min()
        if lowest >= STEP:
            self._poses[self._oldest] = q
            self._rooms[self._oldest] = rooms
            self._oldest = (self._oldest + 1) % POSES
        elif not math.isfinite(lowest):
            pair = self.scene.pairs[int(np.flatnonzero(~np.isfinite(rooms))[0])]
            links = " and ".join(pair.links)
            return Violation(Code.NOT_FINITE_RESULT, pair.rule, joint=links, detail="a distance is not finite")
        return rooms

    def clear(self, q: Vector, detail: str) -> Vector | Violation:
        """Ask a pose that must be clear; return its rooms, or what is too near."""
        rooms = self.rooms(q)
        if isinstance(rooms, Violation) or rooms.min() >= STEP:
            return rooms
        return self.violation(rooms, q, detail)

    def bound(self, poses: Matrix) -> Matrix:
        """Bound the rooms at poses, shape (k, n), from below by the remembered ones; shape (k, P), [m], 0 at least.

        Zero stands for what is not known: then the other end of a stretch has to prove it alone.
        """
        apart = np.abs(poses[:, None, :] - self._poses)
        low = self._rooms - apart @ self._across
        bound: Matrix = np.maximum(low.max(axis=1), 0.0)
        return bound

    def prove(self, pieces: tuple[Matrix, ...], first: Vector, last: Vector, detail: str) -> Violation | None:
        """Prove a way clear, or say what it comes too near.

        Args:
            pieces: of the way, as Bezier control points.
            first: rooms, or bounds of them, where it begins, shape (P,), [m].
            last: the same where it ends.
            detail: for the violation.
        """
        unproven = [_Stretch(pieces, way_along(pieces), first, last)]
        left = QUERY_LIMIT
        while unproven:
            stretch = unproven.pop()
            if self._proven(stretch):
                continue
            before, after = _halve_longest(stretch.pieces)
            middle = after[0][0]
            known = self.bound(middle[None])[0]
            second = _Stretch(after, way_along(after), known, stretch.last)
            first_half = _Stretch(before, way_along(before), stretch.first, known)
            if self._proven(second) and self._proven(first_half):
                continue
            if left == 0:
                return self._unproven(stretch)
            left -= 1
            asked = self.clear(middle, detail)
            if isinstance(asked, Violation):
                return asked
            unproven += [second._replace(first=asked), first_half._replace(last=asked)]
        return None

    def remember_proof(self, first: Vector, rooms_first: Vector, last: Vector, rooms_last: Vector) -> None:
        """Keep the ends of a way, shape (n,), and their rooms, shape (P,), for `quick`."""
        self._first, self._last, self._both = first, last, rooms_first + rooms_last

    def _proven(self, stretch: _Stretch) -> bool:
        return bool((self._reach.dot(stretch.way) < stretch.first + stretch.last).all())

    def violation(self, rooms: Vector, q: Vector, detail: str) -> Violation:
        """Name the pair with the least room at a pose."""
        index = int(rooms.argmin())
        pair = self.scene.pairs[index]
        limit = float(self.scene.margins[index]) + RESERVE
        distance = float(rooms[index] + self.taken[index])
        return Violation(pair.code, pair.rule, distance, limit, " and ".join(pair.links), detail, tuple(q.tolist()))

    def _unproven(self, stretch: _Stretch) -> Violation:
        """Name the pair that keeps a stretch from being proven with the poses that may be asked."""
        lacking = self._reach.dot(stretch.way) - stretch.first - stretch.last
        return self.limit(QUERY_LIMIT, int(lacking.argmax()), "so many distances did not prove the way clear")

    def limit(self, number: int, index: int, detail: str) -> Violation:
        """Say that a number of distances was not enough for a pair."""
        pair = self.scene.pairs[index]
        return Violation(Code.QUERY_LIMIT, pair.rule, float(number), float(number), " and ".join(pair.links), detail)


def line(first: Vector, last: Vector) -> Matrix:
    """Return the control points of a straight way, shape (2, n)."""
    return np.stack([first, last])


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


def _halve_longest(pieces: tuple[Matrix, ...]) -> tuple[tuple[Matrix, ...], tuple[Matrix, ...]]:
    """Cut a way in the middle of its longest piece, all joints added up."""
    index = len(pieces) - 1
    if index > 0:
        lengths = [float(_legs(piece).sum()) for piece in pieces]
        index = lengths.index(max(lengths))
    first, second = halve(pieces[index])
    return (*pieces[:index], first), (second, *pieces[index + 1 :])
