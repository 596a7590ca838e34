"""States that end by themselves: at standstill, by time, or because nothing moves any more."""

from __future__ import annotations

from safety_supervisor.core.balance.ladder import StopLadder
from safety_supervisor.core.base.drive import BaseDrive
from safety_supervisor.core.errors import Code
from safety_supervisor.core.inputs import Inputs
from safety_supervisor.core.motion.mover import Motion
from safety_supervisor.core.motion.stop_ramp import Ramp, StopRamp
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.states.causes import OUTSIDE
from safety_supervisor.core.states.safety_state import SafetyState
from safety_supervisor.core.states.state_table import State
from safety_supervisor.core.units import Nanoseconds


class Course:
    """Moves the state on, once a cycle."""

    def __init__(
        self,
        configuration: Configuration,
        state: SafetyState,
        motion: Motion,
        base: BaseDrive,
        inputs: Inputs,
        ramp: StopRamp,
        ladder: StopLadder,
    ) -> None:
        """Watch these parts."""
        self._timing = configuration.timing
        self._state = state
        self._motion = motion
        self._base = base
        self._inputs = inputs
        self._ramp = ramp
        self._ladder = ladder
        self._last_moved: Nanoseconds = 0

    def advance(self, now: Nanoseconds) -> set[Code]:
        """Let the state end that is over; return what stops the robot thereby."""
        state, motion, timing = self._state, self._motion, self._timing
        if not motion.at_rest or self._base.left:
            self._last_moved = now
        still_for = now - max(state.since, self._last_moved)
        self._ladder.follow(now)
        match state.state:
            case State.STOPPING if self._ladder.descends:
                return self._ladder.descend(now, self._judge)
            case State.STOPPING:
                return self._end_stop(now)
            case State.PROTECTIVE_STOP:
                state.standstill(now)
            case State.READY if now - state.since > timing.ready_timeout:
                state.expire(now, Code.READY_TIMEOUT)
            case State.AUTO_MOVING if not (motion.mover or self._base.driver):
                state.holding(now, Code.ENDED)
            case State.AUTO_HOLDING | State.AUTO_REDUCED if still_for > timing.idle:
                state.expire(now, Code.IDLE)
            case State.MANUAL if still_for > timing.manual_idle:
                return {Code.IDLE}
            case State.RECOVERY:
                inside = not self._inputs.conditions.active() & OUTSIDE
                if inside or now - state.since > timing.recovery_timeout:
                    return {Code.RECOVERY_ENDED}
            case State.EMERGENCY_STOP if self._inputs.estop.release(now):
                state.estop_released(now)
            case _:
                pass
        return set()

    def _end_stop(self, now: Nanoseconds) -> set[Code]:
        """End the stop at its standstill, or escalate it (SR-007)."""
        match self._judge(now):
            case Ramp.CONFIRMED:
                self._state.standstill(now)
            case Ramp.MISSED:
                return {Code.RAMP_MISSED}
            case Ramp.RUNNING:
                pass
        return set()

    def _judge(self, now: Nanoseconds) -> Ramp:
        return self._ramp.judge(self._motion, self._inputs.measured, now, self._base.rests(now))
