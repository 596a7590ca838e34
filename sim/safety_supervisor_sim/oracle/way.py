"""Judges whole ways, not samples of them: every set-point, and everything between two of them.

When the joints turn by dq no point of the robot moves farther than R @ |dq| (`TouchJudge.reach`), and no pair of bodies
comes nearer by more than that: of two links, only the joints between them move one against the other. So a pose with
clearance d clears all that lies within d of it, and a straight way of length s = R @ |dq| between two poses with
clearances d and e is clear when s < d + e. What is not cleared so is halved, down to `FINEST`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from safety_supervisor_sim.oracle.touch import TOUCH, Look, Near, TouchJudge
from safety_supervisor_sim.oracle.world import Array

SIGHT: Final = 0.05
"""Distance up to which the judge looks, [m]."""

FINEST: Final = 2e-4
"""Poses that touch nothing and lie this near each other, [m], are taken for the whole way between them."""

BULGE: Final = 2e-4
"""How far the smooth motion within one control period may take a point off the straight one, [m]: 20 rad/s^2 over
4 ms is 4e-5 rad, at an arm's length."""


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

    def _lengths(self, rows: Array) -> Array:
        """How far any point may have come at each row, shape (m,), [m]."""
        steps = np.abs(np.diff(rows, axis=0)) @ self._judge.reach
        lengths: Array = np.concatenate(([0.0], np.cumsum(steps)))
        return lengths

    def _follow(self, rows: Array) -> Touched | None:
        along = self._lengths(rows)
        row, look = 0, self._look(rows[0])
        while not look.nearest.touches:
            if row == len(rows) - 1:
                return None
            # As far as nothing can be nearer than the nearest yet, so that the nearest miss is exact at set-points.
            ahead = int(np.searchsorted(along, along[row] + self._spare(look), side="right")) - 1
            beyond = max(ahead, row + 1)
            there = self._look(rows[beyond])
            if beyond > ahead and not there.nearest.touches:  # one step: what lies between is not cleared yet
                ends = look.nearest.distance, there.nearest.distance
                found = self._between(rows[row], rows[beyond], ends, float(along[beyond] - along[row]))
                if found is not None:
                    return Touched(found[0], tuple(found[1].tolist()), row + 0.5)
            row, look = beyond, there
        return Touched(look.nearest, tuple(rows[row].tolist()), float(row))

    def _look(self, pose: Array) -> Look:
        look = self._judge.look(pose, SIGHT)
        self.seen.note(look)
        return look

    def _spare(self, look: Look) -> float:
        """How far the robot can move from a pose without coming nearer to anything than it ever was, or touching."""
        if not self._exact:
            return max(0.0, look.nearest.distance - TOUCH)
        best = self.seen.nearest
        pairs = (look.own, best.own), (look.cell, best.cell)
        return min(max(0.0, here.distance - max(least.distance, TOUCH)) for here, least in pairs)

    def _between(self, first: Array, last: Array, ends: tuple[float, float], way: float) -> tuple[Near, Array] | None:
        """Return a touching pose between two that do not touch, whose clearances are `ends`."""
        if way + BULGE < sum(ends) or way < FINEST:
            return None
        middle = (first + last) / 2
        found = self._judge.nearest(middle, SIGHT)
        if found.touches:
            return found, middle
        return self._between(first, middle, (ends[0], found.distance), way / 2) or self._between(
            middle, last, (found.distance, ends[1]), way / 2
        )
