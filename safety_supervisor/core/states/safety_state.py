"""The state of the supervisor: one owner, no clock, no I/O, nothing taken that the table does not hold.

It runs the table of `core.states.state_table`; tests hold it against `transitions.Machine` with the same table, which
itself took 50 us of the first decision after a rest, where nothing is in the caches. A trigger that the table does not
hold is not taken: every method says whether it was, and when not, nothing changed.
One thread owns it. The e-stop is a latch of its own outside (`core.states.estop_latch`).
"""

from __future__ import annotations

from typing import Final, Literal

from safety_supervisor.core.errors import Code
from safety_supervisor.core.settings import SourceKind
from safety_supervisor.core.states.causes import CauseRule
from safety_supervisor.core.states.ladder_table import Rung
from safety_supervisor.core.states.state_table import AUTO, MOTION, STOPS, TRANSITIONS, State, Trigger
from safety_supervisor.core.units import Nanoseconds

NO_STOP: Final = 3
"""Category while no stop runs: softer than every category."""

_TABLE: Final = {(row.trigger, source): row.target for row in TRANSITIONS for source in row.sources}
_SEVERITY: Final = {state: severity for severity, state in enumerate(STOPS)}
_AT_REST: Final = {
    State.LOCKED: Trigger.REST_LOCKED,
    State.PROTECTIVE_STOP: Trigger.REST_PROTECTIVE_STOP,
    State.EMERGENCY_STOP: Trigger.REST_EMERGENCY_STOP,
    State.FAULT: Trigger.REST_FAULT,
}
_DIRECT: Final = {State.EMERGENCY_STOP: Trigger.EMERGENCY, State.FAULT: Trigger.FAIL}
_START: Final = {"auto": Trigger.START_AUTO, "manual": Trigger.START_MANUAL}
_BOTH: Final = frozenset(SourceKind)
_KINDS: Final[dict[State, frozenset[SourceKind]]] = {
    **dict.fromkeys(State, frozenset[SourceKind]()),
    **dict.fromkeys(AUTO, _BOTH),
    State.MANUAL: frozenset({SourceKind.PERSON}),
    State.RECOVERY: frozenset({SourceKind.PERSON}),
}


class SafetyState:
    """State, cause and epoch of the supervisor.

    All attributes are for reading only.

    Attributes:
        state: the state now.
        cause: code of what led here; kept in LOCKED for display; None when nothing but a person's act did.
        category: stop category while STOPPING, else `NO_STOP`.
        target: state in which the running stop ends while STOPPING, else the state itself.
        epoch: count of all transitions and of `bump`; what an act of a person is bound to.
        since: time of the last transition, steady clock, [ns].
        permits_motion: whether a verified command may be played.
        lowers: whether an emergency stop or a fault at rest has to bring the robot down first; set by the stop ladder,
            and by nobody else.
        rung: where the stop ladder is; set by it, and by nobody else.
        waits: what it waits for there, for people, empty for nothing that could be named; set by it too.
    """

    __slots__ = (
        "category",
        "cause",
        "epoch",
        "lowers",
        "permits_motion",
        "rung",
        "since",
        "state",
        "target",
        "waits",
    )

    def __init__(self, now: Nanoseconds = 0) -> None:
        """Begin in INIT."""
        self.state: State = State.INIT
        self.cause: Code | None = None
        self.category: int = NO_STOP
        self.target: State = State.INIT
        self.epoch: int = 0
        self.since: Nanoseconds = now
        self.permits_motion: bool = False
        self.lowers: bool = False
        self.rung: Rung = Rung.UNTOLD
        self.waits: str = ""

    # --- stops ---------------------------------------------------------------------------------------------------

    def stop(self, rule: CauseRule, now: Nanoseconds) -> bool:
        """Stop for a cause: the one entry for all causes.

        From a state that moves or may start: STOPPING. While STOPPING the harder of both categories and the harder of
        both targets hold (SR-009). At rest only an emergency stop or a fault changes the state, through STOPPING where
        it `lowers` the robot; FAULT stays.

        Returns:
            Whether anything changed.
        """
        if self.state is State.STOPPING:
            return self._escalate(rule, now)
        if (Trigger.STOP, self.state) in _TABLE:
            return self._take(Trigger.STOP, now, rule.code, rule.category, rule.target)
        direct = _DIRECT.get(rule.target)
        if direct is not None and self.lowers and (Trigger.DESCEND, self.state) in _TABLE:
            return self._take(Trigger.DESCEND, now, rule.code, rule.category, rule.target)
        return direct is not None and self._take(direct, now, rule.code)

    def standstill(self, now: Nanoseconds) -> bool:
        """Take note of the measured standstill: STOPPING ends in its target, PROTECTIVE_STOP in LOCKED."""
        if self.state is State.STOPPING:
            return self._take(_AT_REST[self.target], now, self.cause)
        return self._take(Trigger.STANDSTILL, now, self.cause)

    def expire(self, now: Nanoseconds, cause: Code) -> bool:
        """End what lasted too long: READY, AUTO/HOLDING, AUTO/REDUCED, all of them at rest, lead to LOCKED."""
        return self._take(Trigger.EXPIRE, now, cause)

    # --- acts of people ------------------------------------------------------------------------------------------

    def reset(self, now: Nanoseconds) -> bool:
        """LOCKED to READY. The caller has made sure of the person, the causes and the standstill."""
        return self._take(Trigger.RESET, now, None)

    def start(self, mode: Literal["auto", "manual"], now: Nanoseconds) -> bool:
        """READY to AUTO/HOLDING or MANUAL; any other mode is refused."""
        trigger = _START.get(mode)
        return trigger is not None and self._take(trigger, now, None)

    def recover(self, now: Nanoseconds) -> bool:
        """LOCKED or PROTECTIVE_STOP to RECOVERY; the cause stays on display."""
        return self._take(Trigger.RECOVER, now, self.cause)

    def estop_released(self, now: Nanoseconds) -> bool:
        """EMERGENCY_STOP to LOCKED. The caller asks `EstopLatch.release` first; the cause stays on display."""
        return self._take(Trigger.RELEASE, now, self.cause)

    def maintained(self, now: Nanoseconds) -> bool:
        """FAULT to INIT, by a maintainer."""
        return self._take(Trigger.MAINTAIN, now, None)

    # --- the course of things ------------------------------------------------------------------------------------

    def initialised(self, now: Nanoseconds, emergency_stop_latched: bool, fault_latched: Code | None) -> bool:
        """Leave INIT: for FAULT or EMERGENCY_STOP when their latch was found (SR-047), else for LOCKED (SR-016)."""
        if self.state is not State.INIT:
            return False
        if fault_latched is not None:
            return self._take(Trigger.FAIL, now, fault_latched)
        if emergency_stop_latched:
            return self._take(Trigger.EMERGENCY, now, Code.ESTOP)
        return self._take(Trigger.INITIALISE, now, Code.RESTARTED)

    def moving(self, now: Nanoseconds) -> bool:
        """AUTO/HOLDING to AUTO/MOVING. AUTO/REDUCED moves as it is: a command never lifts the reduced envelope."""
        return self._take(Trigger.MOVE, now, None)

    def holding(self, now: Nanoseconds, cause: Code) -> bool:
        """AUTO/MOVING to AUTO/HOLDING: the kept stop runs. AUTO/REDUCED holds as it is."""
        return self._take(Trigger.HOLD, now, cause)

    def reduce(self, now: Nanoseconds) -> bool:
        """AUTO/MOVING or AUTO/HOLDING to AUTO/REDUCED; before `moving`, while the reason lasts."""
        return self._take(Trigger.REDUCE, now, None)

    def restore(self, now: Nanoseconds) -> bool:
        """AUTO/REDUCED to AUTO/MOVING: the only way to lift the reduced envelope while moving."""
        return self._take(Trigger.RESTORE, now, None)

    def bump(self) -> None:
        """Count a change that is no transition, such as another publisher of a source."""
        self.epoch += 1

    def permits(self, kind: SourceKind) -> bool:
        """Return whether sources of that kind may move the robot now."""
        return kind in _KINDS[self.state]

    # -------------------------------------------------------------------------------------------------------------

    def _escalate(self, rule: CauseRule, now: Nanoseconds) -> bool:
        """Raise category and target of the running stop, each to the harder of both."""
        harder_target = _SEVERITY[rule.target] > _SEVERITY[self.target]
        harder_category = rule.category < self.category
        if not harder_target and not harder_category:
            return False
        # The cause shown is the one of the target: FAULT keeps the code that only a maintainer clears.
        cause = rule.code if harder_target or rule.target is self.target else self.cause
        target = rule.target if harder_target else self.target
        return self._take(Trigger.ESCALATE, now, cause, min(rule.category, self.category), target)

    def _take(
        self,
        trigger: Trigger,
        now: Nanoseconds,
        cause: Code | None,
        category: int = NO_STOP,
        target: State | None = None,
    ) -> bool:
        """Fire a trigger if the table holds it for the present state, and note what belongs to it."""
        reached = _TABLE.get((trigger, self.state))
        if reached is None:
            return False
        self.state = reached
        self.cause = cause
        self.category = category
        self.target = self.state if target is None else target
        self.epoch += 1
        self.since = now
        self.permits_motion = self.state in MOTION
        return True
