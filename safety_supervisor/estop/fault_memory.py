"""Which faults last, and which were not told yet."""

from __future__ import annotations

from collections import deque
from typing import Final

from safety_supervisor.core.errors import Code
from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.estop.times import MS

CORRUPTED_ALLOWED: Final = 5
CORRUPTED_WITHIN: Final[Nanoseconds] = 10_000 * MS
PEER_LASTS: Final[Nanoseconds] = 1_000 * MS
"""A wrong peer is on the line until its frames stay away for so long, [ns]."""

WORST_FIRST: Final = (
    Code.ESTOP_PORT,
    Code.ESTOP_SELF_TEST,
    Code.ESTOP_PEER,
    Code.ESTOP_RESTARTED,
    Code.ESTOP_VALUE,
    Code.ESTOP_DISCREPANCY,
    Code.ESTOP_STALE,
    Code.ESTOP_CORRUPTED,
    Code.ESTOP_LOST,
)
"""Order in which they are told. Only the self-test leads to FAULT; a port that is gone hides all others."""


class FaultMemory:
    """Faults of one line. Each one that began is told at least once, even if it is over before the next sample."""

    def __init__(self) -> None:
        """Begin without."""
        self._lasting: set[Code] = set()
        self._untold: set[Code] = set()
        self._corrupted: deque[Nanoseconds] = deque(maxlen=CORRUPTED_ALLOWED + 1)
        self._peer_until: Nanoseconds = -1

    def begin(self, code: Code) -> bool:
        """It lasts from now on; return whether it did not before."""
        if code in self._lasting:
            return False
        self._lasting.add(code)
        self._untold.add(code)
        return True

    def end(self, code: Code) -> None:
        """Its condition is over."""
        self._lasting.discard(code)

    def tell(self, code: Code) -> None:
        """It happened, and is over."""
        self._untold.add(code)

    def peer(self, at: Nanoseconds) -> None:
        """A frame of a wrong peer came."""
        self._untold.add(Code.ESTOP_PEER)
        self._peer_until = at + PEER_LASTS

    def corrupted(self, at: Nanoseconds) -> bool:
        """Take a corrupted frame; return whether there are too many."""
        self._corrupted.append(at)
        if not self._many_corrupted(at):
            return False
        self._untold.add(Code.ESTOP_CORRUPTED)
        return True

    def worst(self, at: Nanoseconds) -> Code | None:
        """Return the worst one that lasts or was not told yet."""
        if not self._lasting and not self._untold and at >= self._peer_until and not self._many_corrupted(at):
            return None
        for code in WORST_FIRST:
            if code in self._lasting or code in self._untold:
                return code
            if code is Code.ESTOP_PEER and at < self._peer_until:
                return code
            if code is Code.ESTOP_CORRUPTED and self._many_corrupted(at):
                return code
        return None

    def take(self, at: Nanoseconds) -> Code | None:
        """Return the worst one; it counts as told."""
        worst = self.worst(at)
        if worst is not None:
            self._untold.discard(worst)
        return worst

    def _many_corrupted(self, at: Nanoseconds) -> bool:
        times = self._corrupted
        return len(times) > CORRUPTED_ALLOWED and at - times[0] < CORRUPTED_WITHIN
