"""Stops and faults that come while the robot rests already: no state tells of them, and acts grow old all the same.

Who signs a reset has looked at a state. A stop that somebody has asked for since, or a second fault behind the first,
is not in it, so the epoch counts them (REDTEAM 18). Causes that last need none of this: acts are judged by them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from safety_supervisor.core.decisions import DecisionLog
from safety_supervisor.core.effects import Effect
from safety_supervisor.core.errors import Code
from safety_supervisor.core.states.causes import CAUSE_OF
from safety_supervisor.core.states.safety_state import SafetyState
from safety_supervisor.core.states.state_table import State
from safety_supervisor.core.units import NS_PER_S, Nanoseconds

APART: Final[Nanoseconds] = NS_PER_S
"""Requests to stop count once in this time, so that a flood of them costs nothing (REDTEAM 52); nobody looks and signs
faster, [ns]."""


class Unseen:
    """Counts what changed no state, and tells it.

    Args:
        state: of the supervisor.
        decisions: what is told.
    """

    def __init__(self, state: SafetyState, decisions: DecisionLog) -> None:
        """Begin with nothing that came."""
        self._state = state
        self._decisions = decisions
        self._asked: Nanoseconds = -APART
        self._stay: Nanoseconds = 0
        self._faults: set[Code] = set()

    def note(self, causes: Iterable[Code], now: Nanoseconds) -> list[Effect]:
        """Take note of causes that changed no state, [ns]; return what is told of those that count."""
        codes = sorted(code for code in causes if self._counts(code, now))
        if codes:
            self._state.bump()
        return [self._decisions.stopped(now, "supervisor", "", code) for code in codes]

    def _counts(self, code: Code, now: Nanoseconds) -> bool:
        state = self._state
        if code is Code.STOP_REQUEST and state.state in (State.LOCKED, State.PROTECTIVE_STOP, State.FAULT):
            counts = now - self._asked >= APART
            if counts:
                self._asked = now
            return counts
        if state.state is State.FAULT and CAUSE_OF[code].target is State.FAULT:
            if self._stay != state.since:
                self._stay, self._faults = state.since, set()
            known = code is state.cause or code in self._faults
            self._faults.add(code)
            return not known
        return False
