"""Which restricted zones are open for what moves, and in which of them the robot is because people let it in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.motion.lane import Lane
from safety_supervisor.core.units import Vector
from safety_supervisor.core.verifier import Rules, Verifier


class OpenedZones:
    """Zones that were opened for goals.

    Attributes:
        entered: those in which the robot may be: a goal moved for which they were open, and it has not left since: it
            rested outside, or what moves stays out and the measured robot is out. Nothing but another such goal, or
            RECOVERY, moves it there.
    """

    def __init__(self, verifier: Verifier) -> None:
        """Start outside of all of them."""
        self._verifier = verifier
        self.entered: frozenset[str] = frozenset()
        self._opened: frozenset[str] = frozenset()
        self._left: frozenset[str] = frozenset()  # what moves was proven to stay out of
        self._rested: tuple[str, Vector] | None = None

    def crowded(self, lanes: Sequence[Lane]) -> tuple[list[str], Violation] | None:
        """Name the lanes of a goal for which zones are open, where anything moves beside it, and say why it ends."""
        alone = next((lane for lane in lanes if lane.opened), None)
        beside = next((lane for lane in lanes if alone is not None and lane.played != alone.played), None)
        if alone is None or beside is None:
            return None
        why = Violation(Code.PREEMPTED, f"zones.{min(alone.opened)}", detail=f"{beside.source} moves beside it")
        return [lane.name for lane in lanes if lane.opened], why

    def rules(self, rules: Rules, lanes: Sequence[Lane]) -> Rules:
        """Return the rules for lanes that move, none for a stop: open is what is open for each of them.

        Any other motion beside such a goal would use what was opened for that alone. Ways of our own, to where the
        robot is measured after a stop, are free where it was let in.
        """
        self._opened = self._left = frozenset()
        if not self.entered and not any(lane.opened for lane in lanes):
            return rules
        each = [lane.opened if lane.source else self.entered for lane in lanes] or [self.entered]
        opened = frozenset.intersection(*each)
        self.entered, self._opened, self._rested = self.entered | opened, opened, None
        return replace(rules, opened=opened)

    def proven(self) -> None:
        """Take note that the step that the rules were for, and its stop, were verified."""
        closed = self.entered - self._opened
        if closed:
            self._left = closed & {zone.name for zone in self._verifier.restricted if not zone.leaving}

    def leave(self, measured: Vector) -> None:
        """Close those that what moves stays out of, once the measured robot, shape (n,), [rad], is out, too."""
        if self._left:
            left = self._left - {zone.name for zone in self._verifier.restricted if zone.holds(measured)}
            self.entered, self._left = self.entered - left, self._left - left

    def rest(self, q: Vector) -> None:
        """Close those that the robot has left, now that it rests at a pose, shape (n,), [rad]."""
        tool, last = self._verifier.tool, self._rested
        if not self.entered or (last is not None and last[0] == tool and np.array_equal(q, last[1])):
            return
        self._rested = tool, q.copy()
        self.entered &= {zone.name for zone in self._verifier.restricted if zone.holds(q)}
