"""Whether two devices of one configuration answer on one line.

The host follows the numbers of the one that is ahead and drops the other's as not newer: its button would be dead, in
silence. A line that repeats or reorders frames is told from that by what it can do: it brings a frame that was heard
already, unchanged, or one of the last numbers that is missing. Everything else that is not newer and yet answers one of
our last numbers was sent by somebody else.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.estop.frames import Frame
from safety_supervisor.estop.sequence import MASK
from safety_supervisor.estop.times import MS

ALLOWED: Final = 5
WITHIN: Final[Nanoseconds] = 10_000 * MS
TOLD: Final = (
    "two devices answer on this line with the same ids and configuration; allowed: one. Unplug one of them, or give "
    "each its own port and `estop.device`"
)
_REMEMBERED: Final = 16
"""Frames of one device within the echo's window of 100 ms, more than it sends then."""


class SecondDevice:
    """The frames of one session that counted, and those that can not be the same device's."""

    __slots__ = ("_accepted", "_newest", "_others")

    def __init__(self) -> None:
        """Begin with nothing heard."""
        self._accepted: dict[int, Frame] = {}
        self._newest = 0
        self._others: deque[Nanoseconds] = deque(maxlen=ALLOWED + 1)

    def begin(self) -> None:
        """A session begins: its numbers are new. What was found before stays."""
        self._accepted.clear()

    def accept(self, frame: Frame) -> None:
        """Take a frame that counted."""
        accepted = self._accepted
        accepted[frame.sequence] = frame
        self._newest = frame.sequence
        if len(accepted) > _REMEMBERED:
            del accepted[next(iter(accepted))]

    def answers(self, frame: Frame, at: Nanoseconds) -> bool:
        """Take a frame that is not newer, with a fresh echo; return whether there were too many of another device."""
        known = self._accepted.get(frame.sequence)
        late = known is None and (self._newest - frame.sequence) & MASK < _REMEMBERED and bool(self._accepted)
        if known == frame or late:
            return False
        self._others.append(at)
        return len(self._others) > ALLOWED and at - self._others[0] < WITHIN
