"""Acts that give a right wait until they are on disk: an approval, a reset, a start, a tool, a session.

Each is noted to the recorder first, and handed to the core when its record is durable: about 10 ms. Whatever stops or
takes a right away waits for nothing, and ends what waits: none of that may come behind it (E_ACT_EPOCH). While the
record can not be kept, and when it takes too long, an act is refused (E_LOG), and one that becomes durable later lets
nothing in. Requirement: SR-043.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from safety_supervisor.core.act_events import AgentSession, OperatorAct, ToolChange
from safety_supervisor.core.errors import Code
from safety_supervisor.core.units import NS_PER_S, Nanoseconds

PATIENCE: Final[Nanoseconds] = NS_PER_S // 2
"""Longest time until a note is on disk, [ns]: as long as the record of motion may take."""
MOST_WAITING: Final = 64
AT_ONCE: Final = frozenset({"revoke", "deny"})
"""Acts that only take rights away."""

Act = OperatorAct | ToolChange | AgentSession
Refuse = Callable[[Code, str], None]


class Notes(Protocol):
    """The part of the feed that is used."""

    failure: str

    def note(self, event: Any) -> int:
        """Hand over an act at once; return up to where the stream has to be durable."""

    def is_durable(self, mark: int) -> bool:
        """Return whether the stream is on disk so far."""


class _Waits(NamedTuple):
    event: Act
    mark: int
    due: Nanoseconds
    enter: Callable[[Any], None]
    refuse: Refuse


class NotedActs:
    """Acts on their way to the core, in order.

    Args:
        notes: takes what is to be on disk first.
    """

    def __init__(self, notes: Notes) -> None:
        """Begin with none."""
        self.longest: Nanoseconds = 0
        """How long an act has waited at most, [ns]."""
        self._notes = notes
        self._waiting: deque[_Waits] = deque()

    def submit(self, event: Act, now: Nanoseconds, enter: Callable[[Any], None], refuse: Refuse) -> None:
        """Take an act.

        Args:
            event: that was verified.
            now: steady clock, [ns].
            enter: lets it into the core, with the time at which it does.
            refuse: is told why it does not: a code, and words.
        """
        if isinstance(event, OperatorAct) and event.act in AT_ONCE:
            enter(event)
            self.void(f"{event.act} came meanwhile")
        elif self._notes.failure or len(self._waiting) >= MOST_WAITING:
            refuse(Code.LOG, self._notes.failure or f"{MOST_WAITING} acts wait for their record")
        else:
            self._waiting.append(_Waits(event, self._notes.note(event), now + PATIENCE, enter, refuse))

    def void(self, why: str) -> None:
        """Refuse all that waits: what came meanwhile would else be undone by what was asked before it."""
        while self._waiting:
            self._waiting.popleft().refuse(Code.ACT_EPOCH, why)

    def poll(self, now: Nanoseconds) -> None:
        """Let in what is on disk, and refuse what can not be, once a cycle."""
        while self._waiting:
            first = self._waiting[0]
            if self._notes.failure or now >= first.due:
                self._waiting.popleft()
                first.refuse(Code.LOG, self._notes.failure or "its record was not on disk in time")
            elif self._notes.is_durable(first.mark):
                self._waiting.popleft()
                self.longest = max(self.longest, now - first.due + PATIENCE)
                first.enter(msgspec.structs.replace(first.event, at=now))
            else:
                return
