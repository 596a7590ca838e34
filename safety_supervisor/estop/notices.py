"""What a driver has to tell people, bounded and limited in rate: a noisy line fills neither memory nor log."""

from __future__ import annotations

from collections import deque
from typing import Final

from safety_supervisor.core.errors import Code
from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.estop.driver import EstopNotice
from safety_supervisor.estop.signature import MS

MOST: Final = 32
"""Notices that wait; the oldest are dropped."""
AGAIN: Final[Nanoseconds] = 5_000 * MS
"""A code is told again after so long, with the number of times between."""
RESET_AGAIN: Final[Nanoseconds] = 500 * MS
"""The same of an ignored press: somebody stands there and presses again."""


class Notices:
    """A short queue of notices."""

    def __init__(self) -> None:
        """Begin empty."""
        self._waiting: deque[EstopNotice] = deque(maxlen=MOST)
        self._told: dict[Code, Nanoseconds] = {}
        self._unsaid: dict[Code, int] = {}

    def add(self, at: Nanoseconds, code: Code, detail: str) -> None:
        """Add one, unless its code was told just before."""
        last = self._told.get(code)
        if last is not None and at - last < (RESET_AGAIN if code is Code.ESTOP_RESET else AGAIN):
            self._unsaid[code] = self._unsaid.get(code, 0) + 1
            return
        unsaid = self._unsaid.pop(code, 0)
        self._told[code] = at
        self._waiting.append(EstopNotice(at, code, f"{detail} ({unsaid} more before)" if unsaid else detail))

    def take(self) -> list[EstopNotice]:
        """Return those that wait, the oldest first, and forget them."""
        if not self._waiting:
            return []
        taken = list(self._waiting)
        self._waiting.clear()
        return taken
