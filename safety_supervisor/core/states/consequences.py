"""What a verdict changes: the state follows the motion, and a source that is refused too often is stopped."""

from __future__ import annotations

from typing import Final

from safety_supervisor.core.base.drive import BaseDrive
from safety_supervisor.core.checks.envelope import ENVELOPE
from safety_supervisor.core.commands import Commands
from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.motion.mover import Motion
from safety_supervisor.core.notes import Note
from safety_supervisor.core.ruling import Ruling
from safety_supervisor.core.states.safety_state import SafetyState
from safety_supervisor.core.states.state_table import State
from safety_supervisor.core.units import Nanoseconds

_NOT_NOW: Final = frozenset(
    {Code.PRIORITY, Code.ENABLING_SWITCH, Code.HOLD_TO_RUN, Code.SEPARATION, Code.PEOPLE_UNKNOWN, Code.REDUCED}
    | {Code.BALANCE_UNKNOWN, Code.OBSERVED_MOVES, Code.APPROVAL_REQUIRED, Code.SESSION_REQUIRED}
    | {Code.POLICY_WAIT, Code.POLICY_SERVER}
)
"""Refusals that are nobody's mistake: another source has the joints, nobody holds the switch yet, people are near, a
sensor is silent, another controller moves what it commands, nobody has approved, who moves nothing yet, or a server has
not answered."""

_EXCUSED: Final = ENVELOPE | {Code.POLICY, Code.POLICY_ERROR}
"""Refusals that a source can not know of yet when its motion has been stopped by what it did not do."""

_LATE: Final = frozenset({Code.LATE, Code.OVERRUN})
"""Stops of a motion that no bad command caused."""


class Consequences:
    """Carries verdicts over to state and sessions."""

    def __init__(self, commands: Commands, motion: Motion, base: BaseDrive, state: SafetyState) -> None:
        """Act on these parts."""
        self._sessions = commands.sessions
        self._anomalies = commands.anomalies
        self._motion = motion
        self._base = base
        self._state = state

    def of_ruling(self, ruling: Ruling, now: Nanoseconds) -> set[Code]:
        """Follow a ruling on a command; return the causes of a stop."""
        if ruling.began:
            self._state.moving(now)
            self._anomalies.began(ruling.source)
        if ruling.code == Code.CANCELLED.value:
            self._anomalies.cancelled(ruling.source)
        if ruling.violation is not None and ruling.violation.code is Code.ANOMALY:
            return self._cut_off(ruling.source)
        if ruling.verdict != "REJECT" or ruling.violation is None or ruling.repeated:
            return set()
        self.hold_if_stopped(ruling.violation.code, now)
        if ruling.violation.code is Code.NOT_FINITE_RESULT:
            return {Code.NOT_FINITE_RESULT}
        return self._count_refusal(ruling.source, ruling.violation, ruling.count, now)

    def of_note(self, note: Note, now: Nanoseconds) -> set[Code]:
        """Follow what happened to motion under way; return the causes of a stop."""
        if note.share is not None:
            return set()  # slower is neither a stop nor a refusal
        self.hold_if_stopped(note.code, now)
        if note.code in _LATE and note.source in self._sessions:
            self._sessions[note.source].excuse(now)
        if note.code is Code.NOT_FINITE_RESULT:
            return {Code.NOT_FINITE_RESULT}
        if note.violation is None or note.code in _LATE:
            return set()
        return self._count_refusal(note.source, note.violation, 1, now)

    def _count_refusal(self, source: str, violation: Violation, count: int, now: Nanoseconds) -> set[Code]:
        """Count refusals while motion is permitted; too many are a protective stop and quarantine."""
        session = self._sessions.get(source)
        if session is None or not self._state.permits(session.settings.kind) or session.quarantined:
            return set()
        if session.shadowed:
            return set()  # it moves nothing, and must not stop those that do
        if violation.code in _NOT_NOW or (violation.code in _EXCUSED and session.excused(now)):
            return set()
        self._anomalies.refused(source, violation, count)
        if not session.count_refusals(count, now):
            return set()
        session.quarantined = True
        return {Code.REFUSALS}

    def _cut_off(self, source: str) -> set[Code]:
        """Let a source that behaves strangely command no more; what it moves is a stop, what others move goes on."""
        self._sessions[source].quarantined = True
        moves = self._motion.moves_for(source) or self._base.driver == source
        return {Code.ANOMALY} if moves else set()

    def hold_if_stopped(self, code: Code, now: Nanoseconds) -> None:
        """AUTO/HOLDING when no source moves the robot or drives its base any more."""
        if self._state.state is State.AUTO_MOVING and not (self._motion.mover or self._base.driver):
            self._state.holding(now, code)
