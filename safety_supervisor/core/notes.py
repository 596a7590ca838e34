"""What happened to motion that was under way, told to the source that asked for it: the end of each command once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from safety_supervisor.core.checks.envelope import ENVELOPE
from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.motion.lane import Lane, Motive

_EXCUSED: Final = ENVELOPE | {Code.BALANCE}
"""What a step may break that has to catch up: to be in time it hurries, which the feet may not hold either."""


def excuse(broken: Violation, late: float, period: float) -> Violation:
    """Return why motion under way ends: after missed control cycles it is our lateness, and nobody's bad command.

    Args:
        broken: the rule that the next step would break.
        late: how late the cycle is, before which others were missed, [s]; 0 when none was.
        period: control period, [s]: a cycle that is later than this has missed another one.
    """
    if not late or broken.code not in _EXCUSED:
        return broken
    detail = f"missed control cycles: to go on from where the controller is would break {broken.rule}"
    return Violation(Code.OVERRUN, "timing.period", late, period, broken.joint, detail)


@dataclass(frozen=True, slots=True)
class Note:
    """Something that happened to a source's motion.

    Attributes:
        source: whose motion.
        command: correlation id.
        code: what happened.
        violation: the rule that was broken, None when the motion just ended.
        detail: one sentence for people; empty where the code says it all.
        share: of its own pace, where the motion goes on slower; None where it ended.
    """

    source: str
    command: str
    code: Code
    violation: Violation | None = None
    detail: str = ""
    share: float | None = None


class Notes:
    """Notes that wait to be told; of a command that moves several lanes only the first end is one (SR-031)."""

    def __init__(self) -> None:
        """Start with nothing to tell."""
        self._own: Note | None = None
        self._fresh: list[Note] = []
        self._told: set[tuple[str, str]] = set()

    def add(self, motive: Motive, code: Code | Violation, violation: Violation | None = None, detail: str = "") -> None:
        """Note how a motion ended, by a code or by the rule that it broke; the supervisor's own has nobody to tell."""
        if isinstance(code, Violation):
            violation, code = code, code.code
        note = Note(motive.source, motive.command, code, violation, detail)
        if motive.source:
            self._fresh.append(note)
        elif code is not Code.ENDED and self._own is None:
            self._own = note

    def take_own(self) -> Note | None:
        """Return how motion of the supervisor's own was broken off first since this was asked last."""
        own, self._own = self._own, None
        return own

    def give_back(self, notes: tuple[Note, ...]) -> None:
        """Keep notes that were taken for another time."""
        self._fresh += notes

    def take(self, lanes: Collection[Lane]) -> tuple[Note, ...]:
        """Return what is new, and forget it; `lanes` are all of the robot's, as they are now."""
        if not self._fresh and not self._told:
            return ()
        fresh, self._fresh = self._fresh, []
        result = []
        for note in fresh:
            if (note.source, note.command) not in self._told:
                self._told.add((note.source, note.command))
                result.append(note)
        # A part of the same command that plays on in another lane ends later, and says nothing new then.
        self._told &= {(motive.source, motive.command) for lane in lanes for motive in lane.motives()}
        return tuple(result)
