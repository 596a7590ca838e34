"""What a driver has to tell people, bounded and limited in rate: a noisy line fills neither memory nor log."""

from __future__ import annotations

from collections import deque
from typing import Final

from safety_supervisor.core.errors import Code
from safety_supervisor.core.units import Nanoseconds
from safety_supervisor.estop.driver import EstopNotice
from safety_supervisor.estop.times import MS

MOST: Final = 32
"""Notices that wait; the oldest are dropped."""
AGAIN: Final[Nanoseconds] = 5_000 * MS
"""A reason is told again after so long, with the number of times between."""
RESET_AGAIN: Final[Nanoseconds] = 500 * MS
"""The same of an ignored press: somebody stands there and presses again."""
MOST_REASONS: Final = 4
"""Reasons of one code within `AGAIN`: a text with a number in it would be another one each time."""


class _Reason:
    """One text, when it was told last, and how often it was not since."""

    __slots__ = ("told_at", "unsaid")

    def __init__(self, told_at: Nanoseconds) -> None:
        self.told_at = told_at
        self.unsaid = 0


class Notices:
    """A short queue of notices: another reason is told at once, the same one after a while, with a count."""

    def __init__(self) -> None:
        """Begin empty."""
        self._waiting: deque[EstopNotice] = deque(maxlen=MOST)
        self._told: dict[Code, dict[str, _Reason]] = {}
        self._others: dict[Code, int] = {}

    def add(self, at: Nanoseconds, code: Code, detail: str) -> None:
        """Add one, unless the same was told just before, or too many others of its code were."""
        again = RESET_AGAIN if code is Code.ESTOP_RESET else AGAIN
        reasons = self._told.setdefault(code, {})
        known = reasons.get(detail)
        if known is not None and at - known.told_at < again:
            known.unsaid += 1
            return
        if known is None and len(reasons) >= MOST_REASONS:
            for text in [text for text, one in reasons.items() if at - one.told_at >= again]:
                self._others[code] = self._others.get(code, 0) + reasons.pop(text).unsaid
            if len(reasons) >= MOST_REASONS:
                self._others[code] = self._others.get(code, 0) + 1
                return
        more = [f"{known.unsaid} more before"] if known is not None and known.unsaid else []
        if others := self._others.pop(code, 0):
            more.append(f"{others} of other reasons before")
        reasons[detail] = _Reason(at)
        self._waiting.append(EstopNotice(at, code, f"{detail} ({', '.join(more)})" if more else detail))

    def take(self) -> list[EstopNotice]:
        """Return those that wait, the oldest first, and forget them."""
        if not self._waiting:
            return []
        taken = list(self._waiting)
        self._waiting.clear()
        return taken
