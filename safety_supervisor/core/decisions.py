"""Decisions as effects; equal refusals and limits that say nothing new are folded with their count."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import msgspec

from safety_supervisor.core.act_events import TokenRefused
from safety_supervisor.core.effects import Decision, Effect, Verdict
from safety_supervisor.core.errors import CODE_OF, Code, Violation
from safety_supervisor.core.events import EstopReport
from safety_supervisor.core.notes import Note
from safety_supervisor.core.ruling import Ruling
from safety_supervisor.core.units import NS_PER_S, Nanoseconds

_FOLDED: Final = frozenset(
    {Code.NOT_MOVING_STATE, Code.QUARANTINED, Code.RATE, Code.SOURCE_ENDPOINTS, Code.SOURCE_KIND}
    | {Code.POLICY, Code.POLICY_ERROR, Code.APPROVAL_REQUIRED}
    | {Code.SESSION_REQUIRED, Code.SESSION_GROUP, Code.SHADOW}
)
"""Refusals that a stream earns again and again while nothing changes."""

_FOLD_FOR: Final[Nanoseconds] = NS_PER_S
"""A run that goes on is told of once in this time, with its count."""

_QUIET: Final[Nanoseconds] = NS_PER_S // 10
"""A run has ended when nothing more came for this long: its rest is told then, not a second later."""


class DecisionLog:
    """Makes decisions, and folds what repeats."""

    def __init__(self) -> None:
        """Start with nothing said."""
        self._said: dict[tuple[str, Verdict, str], Nanoseconds] = {}
        self._unsaid: dict[tuple[str, Verdict, str], tuple[Ruling, int, Nanoseconds]] = {}

    def ruled(self, ruling: Ruling, now: Nanoseconds) -> list[Decision]:
        """Report a ruling on a command; a folded one gives nothing now, and its count later."""
        told = self._ruled(ruling, now)
        named = ruling.intervention
        return [msgspec.structs.replace(one, intervention=named) for one in told] if named else told

    def _ruled(self, ruling: Ruling, now: Nanoseconds) -> list[Decision]:
        violation = ruling.violation
        if violation is None:
            detail = "the earlier result of this key" if ruling.repeated else ruling.detail
            return [_decision(now, ruling.source, ruling.command, ruling.verdict, ruling.code, detail=detail)]
        if ruling.verdict != "LIMIT" and (not ruling.foldable or violation.code not in _FOLDED):
            return [_of_violation(now, ruling.source, ruling.command, ruling.verdict, violation, ruling.count)]
        key = (ruling.source, ruling.verdict, violation.told)
        _, unsaid, _ = self._unsaid.get(key, (ruling, 0, now))
        self._unsaid[key] = (ruling, unsaid + ruling.count, now)
        return self.due(now)

    def due(self, now: Nanoseconds, *, everything: bool = False) -> list[Decision]:
        """Report what was folded long enough, and runs that have ended, once a cycle; or everything that is folded."""
        result = []
        for key in tuple(self._unsaid):
            ruling, count, last = self._unsaid[key]
            if everything or now - self._said.get(key, -_FOLD_FOR) >= _FOLD_FOR or now - last >= _QUIET:
                del self._unsaid[key]
                self._said[key] = now
                assert ruling.violation is not None
                result.append(
                    _of_violation(now, ruling.source, ruling.command, ruling.verdict, ruling.violation, count)
                )
        return result

    def noted(self, note: Note, now: Nanoseconds) -> list[Decision]:
        """Report what happened to motion under way; of what is limited cycle by cycle the first, then folded."""
        if note.share is None or note.violation is None:
            return [*self._limits_of(note.source, now), _of_end(note, now)]
        detail = f"at {note.share:.3f} of its own pace, along its own path: {note.violation.detail or note.code.cause}"
        return self.ruled(Ruling(note.source, note.command, "LIMIT", replace(note.violation, detail=detail)), now)

    def _limits_of(self, source: str, now: Nanoseconds) -> list[Decision]:
        """Report how a source was limited before its motion ends."""
        rest = [self._unsaid.pop(key) for key in tuple(self._unsaid) if key[:2] == (source, "LIMIT")]
        return [
            _of_violation(now, source, ruling.command, "LIMIT", ruling.violation, count)
            for ruling, count, _ in rest
            if ruling.violation is not None
        ]

    def refused(self, now: Nanoseconds, source: str, violation: Violation, count: int = 1) -> Decision:
        """Report messages of the world that were refused."""
        return _of_violation(now, source, "", "REJECT", violation, count)

    def estop_reported(self, event: EstopReport) -> list[Effect]:
        """Report what the e-stop's driver tells."""
        code = CODE_OF.get(event.code, Code.ESTOP_SILENT)
        return [self.refused(event.at, "estop", Violation(code, "device", detail=event.detail[:500]))]

    def token_refused(self, event: TokenRefused) -> list[Effect]:
        """Report tokens that were refused before they counted: that is no command of a source, and holds nothing."""
        code = CODE_OF.get(event.code, Code.TOKEN_FORM)
        violation = Violation(code, "token", event.value, event.limit, detail=event.detail[:500])
        return [self.refused(event.at, event.source or event.topic, violation, event.count)]

    def stopped(
        self,
        now: Nanoseconds,
        source: str,
        command: str,
        code: Code,
        detail: str = "",
        seen: tuple[float, float] = (0.0, 0.0),
    ) -> Decision:
        """Report motion that a cause stopped; `seen` is its value and its limit where it has them."""
        violation = Violation(code, "cause", *seen, detail=detail)
        return _of_violation(now, source, command, "STOP", violation, 1)


def _decision(
    now: Nanoseconds, source: str, command: str, verdict: Verdict, code: str, rule: str = "", detail: str = ""
) -> Decision:
    return Decision(now, source, command, verdict, code, rule, "", 0.0, 0.0, 0.0, detail)


def _of_end(note: Note, now: Nanoseconds) -> Decision:
    if note.violation is not None:
        return _of_violation(now, note.source, note.command, "STOP", note.violation, 1)
    verdict: Verdict = "PASS" if note.code is Code.ENDED else "STOP"
    return _decision(now, note.source, note.command, verdict, note.code.value, "motion", note.detail or note.code.cause)


def _of_violation(
    now: Nanoseconds, source: str, command: str, verdict: Verdict, violation: Violation, count: int
) -> Decision:
    # Negative by as much as the limit was passed, whichever side it is on.
    margin = -abs(violation.limit - violation.value)
    return Decision(
        now,
        source,
        command,
        verdict,
        violation.told,
        violation.rule,
        violation.joint,
        violation.value,
        violation.limit,
        margin,
        violation.detail or violation.code.cause,
        count,
        violation.pose,
        violation.tool,
    )
