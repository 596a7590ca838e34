"""Which restricted zones are open for what moves, and in which of them the robot is because people let it in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from safety_supervisor.core.motion.lane import Lane
from safety_supervisor.core.units import Vector
from safety_supervisor.core.verifier import Rules, Verifier


class OpenedZones:
    """Zones that were opened for goals.

    Attributes:
        entered: those in which the robot may be: a goal moved for which they were open, and it has not rested outside
            since. Nothing but another such goal, or RECOVERY, moves it there.
    """

    def __init__(self, verifier: Verifier) -> None:
        """Start outside of all of them."""
        self._verifier = verifier
        self.entered: frozenset[str] = frozenset()
        self._rested: Vector | None = None

    def rules(self, rules: Rules, lanes: Sequence[Lane]) -> Rules:
        """Return the rules for lanes that move, none for a stop: open is what is open for each of them.

        Any other motion beside such a goal would use what was opened for that alone. Ways of our own, to where the
        robot is measured after a stop, are free where it was let in.
        """
        if not self.entered and not any(lane.opened for lane in lanes):
            return rules
        each = [lane.opened if lane.source else self.entered for lane in lanes] or [self.entered]
        opened = frozenset.intersection(*each)
        self.entered, self._rested = self.entered | opened, None
        return replace(rules, opened=opened)

    def rest(self, q: Vector) -> None:
        """Close those that the robot has left, now that it rests at a pose, shape (n,), [rad]."""
        if not self.entered or (self._rested is not None and np.array_equal(q, self._rested)):
            return
        self._rested = q.copy()
        self.entered &= {zone.name for zone in self._verifier.restricted if zone.holds(q)}
