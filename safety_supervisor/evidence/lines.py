"""The lines of a log, as people see them: decisions and changes of state, numbered from 1."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from rich.text import Text

from safety_supervisor.core.effects import Decision, Effect, Status
from safety_supervisor.core.events import Event
from safety_supervisor.core.units import Nanoseconds

_LONGEST_CELL = 120


def plain(text: str, longest: int = _LONGEST_CELL) -> Text:
    """Escape what came from outside: no control, bidirectional or look-alike character reaches the terminal."""
    escaped = text.encode("unicode_escape").decode("ascii")
    return Text(escaped if len(escaped) <= longest else escaped[: longest - 3] + "...")


class Line(NamedTuple):
    """A line of a log.

    Attributes:
        number: from 1 on; the same with and without filters, in `log show` and in `log replay`.
        since: time since the first event, [ns].
        effect: what was told.
    """

    number: int
    since: Nanoseconds
    effect: Decision | Status


class Lines:
    """Picks the lines out of a stream of events and effects."""

    def __init__(self, begun: Nanoseconds | None = None, state: str = "", count: int = 0) -> None:
        """Begin a log, or go on in the middle: when it began, the state that was told last, lines that went before."""
        self._begun = begun
        self.state = state
        self.count = count

    def take(self, event: Event, effects: Sequence[Effect]) -> Iterator[Line]:
        """Yield the lines of one handled event."""
        if self._begun is None:
            self._begun = event.at
        for effect in effects:
            if isinstance(effect, Decision) or (isinstance(effect, Status) and effect.state != self.state):
                yield Line(self.next_number(), effect.at - self._begun, effect)
            if isinstance(effect, Status):
                self.state = effect.state

    def next_number(self) -> int:
        """Return the number of the next line, and count it."""
        self.count += 1
        return self.count
