"""Judges whole ways, not samples of them: every set-point, and everything between two of them.

When the joints turn by dq the bodies of a pair come nearer to each other by no more than A @ |dq|, A the pair's row of
`TouchJudge.approach`. So a pose where a pair has clearance d clears it for all that lies within d of it, and a straight
way of length s = A @ |dq| between two poses with clearances d and e is clear when s < d + e. What is not cleared so is
halved, down to `FINEST`. Each pair is asked when its own clearance is used up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from safety_supervisor_sim.oracle.touch import TOUCH, Look, Near, TouchJudge
from safety_supervisor_sim.oracle.world import Array

SIGHT: Final = 0.05
"""Distance up to which the judge looks, [m]."""

FINEST: Final = 2e-4
"""Poses that touch nothing and lie this near each other, [m], are taken for the whole way between them."""

BULGE: Final = 2e-4
"""How far the smooth motion within one control period may take a point off the straight one, [m]: 20 rad/s^2 over
4 ms is 4e-5 rad, at an arm's length."""

_BLOCK: Final = 256  # rows whose lengths are counted at once


@dataclass(frozen=True)
class Touched:
    """A pose that touches something."""

    near: Near
    pose: tuple[float, ...]
    row: float
    """Set-point, or a fraction between two of them."""


@dataclass
class Seen:
    """What a judge of ways has seen so far.

    Attributes:
        set_points: judged, each by a question of its own or by one beside it.
        asked: poses that were asked.
        nearest: smallest distances of all set-points, of the robot to itself and to the cell, up to `SIGHT`.
        touched: the first touching pose of each way that has one.
    """

    set_points: int = 0
    asked: int = 0
    nearest: Look = field(default_factory=lambda: Look(Near(SIGHT, "", ""), Near(SIGHT, "", "")))
    touched: list[Touched] = field(default_factory=list)

    def add(self, other: Seen) -> None:
        """Take over what another one has seen."""
        self.set_points += other.set_points
        self.asked += other.asked
        self.touched += other.touched
        self.note(other.nearest)

    def note(self, look: Look) -> None:
        """Keep what is nearer than the nearest yet."""
        own, cell = self.nearest.own, self.nearest.cell
        if look.own.distance < own.distance or look.cell.distance < cell.distance:
            own = look.own if look.own.distance < own.distance else own
            cell = look.cell if look.cell.distance < cell.distance else cell
            self.nearest = Look(own, cell)

    def nearest_as_dict(self) -> dict[str, Any]:
        """Nearest misses, ready for JSON."""
        return {
            name: {"distance": near.distance, "pair": near.pair}
            for name, near in (("self", self.nearest.own), ("cell", self.nearest.cell))
        }


class WayJudge:
    """Walks along ways and remembers what it has seen."""

    def __init__(self, judge: TouchJudge, exact: bool = True) -> None:
        """Look with `judge`; `exact`: find the nearest miss of all set-points, which takes a look at most of them."""
        self._judge = judge
        self._exact = exact
        self.seen = Seen()

    def follow(self, rows: Array) -> Touched | None:
        """Judge a way of set-points, shape (m, n), [rad]; return where it first touches anything."""
        before = self._judge.asked
        touched = self._follow(rows)
        self.seen.set_points += len(rows)
        self.seen.asked += self._judge.asked - before
        if touched is not None:
            self.seen.touched.append(touched)
        return touched

    def _lengths(self, rows: Array) -> Iterator[Array]:
        """Yield how far each pair may have come by each row, shape (p,), [m]."""
        length = np.zeros(len(self._judge.approach))
        yield length
        for begin in range(0, len(rows) - 1, _BLOCK):
            steps = np.abs(np.diff(rows[begin : begin + _BLOCK + 1], axis=0)) @ self._judge.approach.T
            for step in steps:
                length = length + step
                yield length

    def _follow(self, rows: Array) -> Touched | None:
        count = len(self._judge.approach)
        asked, clear, until = np.zeros(count), np.zeros(count), np.full(count, -1.0)  # lengths and clearances, [m]
        last = np.zeros(count)
        for row, length in enumerate(self._lengths(rows)):
            due = np.flatnonzero(length > until)
            if len(due):
                there = self._judge.clearances(rows[row], due, SIGHT)
                near = self._note(due, there)
                if near.touches:
                    return Touched(near, tuple(rows[row].tolist()), float(row))
                if row > 0:  # what lies between the row before and this one may not be cleared yet
                    here = clear[due] - (last[due] - asked[due])
                    ways = length[due] - last[due]
                    for k in np.flatnonzero(_open(ways, here + there)).tolist():
                        ends = float(here[k]), float(there[k])
                        found = self._between(due[k : k + 1], rows[row - 1], rows[row], ends, float(ways[k]))
                        if found is not None:
                            return Touched(found[0], tuple(found[1].tolist()), row - 0.5)
                asked[due], clear[due] = length[due], there
                until[due] = length[due] + self._spare(due, there)
            last = length
        return None

    def _note(self, pairs: NDArray[np.intp], there: Array) -> Near:
        """Remember the nearest of some pairs at a set-point, and return it."""
        beside, best = pairs >= self._judge.own, self.seen.nearest
        near = [
            self._near(pairs[kind], there[kind]) if kind.any() else least
            for kind, least in ((~beside, best.own), (beside, best.cell))
        ]
        self.seen.note(Look(*near))
        return self._near(pairs, there)

    def _near(self, pairs: NDArray[np.intp], there: Array) -> Near:
        index = int(np.argmin(there))
        return Near(float(there[index]), *self._judge.pairs[pairs[index]])

    def _spare(self, pairs: NDArray[np.intp], there: Array) -> Array:
        """How far each pair can come from a pose without being nearer than any ever was, or touching, shape (k,), [m].

        So that the nearest miss is exact at set-points, where it is asked for.
        """
        least: Array = np.full(len(pairs), TOUCH + BULGE)
        if self._exact:
            best = self.seen.nearest
            least = np.maximum(least, np.where(pairs < self._judge.own, best.own.distance, best.cell.distance))
        return np.maximum(there - least, 0.0)

    def _between(
        self, pair: NDArray[np.intp], first: Array, last: Array, ends: tuple[float, float], way: float
    ) -> tuple[Near, Array] | None:
        """Return a touching pose of a pair, shape (1,), between two where it does not touch; its clearances: `ends`."""
        if not _open(way, sum(ends)):
            return None
        middle = (first + last) / 2
        found = self._near(pair, self._judge.clearances(middle, pair, SIGHT))
        if found.touches:
            return found, middle
        return self._between(pair, first, middle, (ends[0], found.distance), way / 2) or self._between(
            pair, middle, last, (found.distance, ends[1]), way / 2
        )


def _open(way: Any, ends: Any) -> Any:
    """Whether two clearances, in sum, leave a part of the way between their poses open; elementwise, [m]."""
    return (way + BULGE >= ends) & (way >= FINEST)
