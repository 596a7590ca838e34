"""What people do: reset, start, mode, recovery, maintenance, and how the robot resumes after it.

Acts are judged by `core.states.acts` and change state by `SafetyState`; an agent has no way in here.
"""

from __future__ import annotations

import numpy as np

from safety_supervisor.core.act_events import OperatorAct
from safety_supervisor.core.base.drive import BaseDrive
from safety_supervisor.core.errors import Code
from safety_supervisor.core.inputs import UNMEASURED, Inputs
from safety_supervisor.core.motion.mover import Motion
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.states.acts import ActRefusal, judge_recover, judge_reset, judge_start, judge_tool
from safety_supervisor.core.states.causes import by_hardness
from safety_supervisor.core.states.safety_state import SafetyState
from safety_supervisor.core.states.state_table import State
from safety_supervisor.core.units import Vector


class Operators:
    """Judges acts and carries out those that are allowed."""

    def __init__(
        self, configuration: Configuration, state: SafetyState, motion: Motion, inputs: Inputs, base: BaseDrive
    ) -> None:
        """Act on these parts."""
        self._tracking = configuration.tracking
        self._state = state
        self._motion = motion
        self._inputs = inputs
        self._base = base
        self._met = False

    def judge(self, event: OperatorAct, placed: bool) -> ActRefusal | None:
        """Say why an act is refused; None when it may be done."""
        state = self._state.state
        # A revocation only takes away: what moves meanwhile makes it no older.
        if event.epoch >= 0 and event.epoch != self._state.epoch and event.act != "revoke":
            return ActRefusal(Code.ACT_EPOCH, f"epoch is {self._state.epoch}, the request carries {event.epoch}")
        still = placed and self._motion.at_rest
        # Where the base is not known, that is a cause, which is told better.
        rests = still and self._inputs.measured.rests(event.at) and self._base.rests(event.at) is not False
        active = tuple(rule.code for rule in by_hardness(self._inputs.active(event.at)))
        if state is State.INIT and event.act in ("reset", "start", "recover"):
            blocking = self._inputs.blocking_start(event.at)
            waits = "; ".join(f"{code.value}: {code.cause} {code.cure}" for code in blocking)
            return ActRefusal(Code.ACT_STATE, f"state is INIT, which waits for {waits or 'its first cycles'}")
        match event.act:
            case "reset":
                return judge_reset(state, active, rests)
            case "start":
                return judge_start(state, active, still, event.target, self._inputs.estop_word)
            case "recover":
                return judge_recover(state, active, rests)
            case "tool":
                return judge_tool(state, rests)
            case "mode":
                return None  # it stops: anybody who may change the mode may do so at any time
            case "promote" | "revoke" | "approve" | "deny" | "grant":
                return None  # `core/agents` and `core/interventions` judge those
            case "maintainer":
                return None if state is State.FAULT else ActRefusal(Code.ACT_STATE, f"state is {state.value}")

    def reset(self, now: int) -> None:
        """LOCKED to READY. A reset moves nothing (SR-010): a set-point that the drives hold stays where it is."""
        self._state.reset(now)
        self._meet_lost_robot(self._tracking.standstill)

    def start(self, mode: str, now: int) -> None:
        """READY to AUTO, where the set-point meets the robot, or MANUAL, where nothing moves by itself."""
        self._state.start("manual" if mode == "manual" else "auto", now)
        if self._inputs.limp:
            self.place()  # nobody held it: its set-point begins where it is
        if mode == "auto":
            self._glide_to_measured()

    def recover(self, now: int) -> None:
        """LOCKED or PROTECTIVE_STOP to RECOVERY; the hold-to-run button has to be pressed anew."""
        self._state.recover(now)
        self._inputs.button.rearm()
        if self._inputs.limp:
            self.place()
        self._meet_lost_robot(self._tracking.standstill)

    def place(self) -> None:
        """Take the measured pose as the commanded one."""
        self._motion.place(self._inputs.measured.pose())
        self._inputs.measured.restart_tracking(self._motion.state[0])

    def meet_robot(self, now: int) -> None:
        """See where a robot rests that was stopped."""
        if self._motion.lost and self._motion.at_rest and self._inputs.measured.rests(now):
            self._motion.lost = self._is_elsewhere(self._tracking.rest)
        self._meet_unpowered(now)

    def _meet_unpowered(self, now: int) -> None:
        """Take the measured pose as the commanded one, once at an emergency stop (SR-010, SR-015).

        Brakes stop a robot without power elsewhere than the kept stop does; the difference would be a step as soon as
        there is power again, which is before any reset. Once: a robot that has power after all must not creep after
        its own sag. A fault needs it not: who clears it has the robot measured anew; and where power is left, what
        contradicts all set-points may be the measurement. Nor is there a set-point for a robot outside its limits.
        """
        if self._state.state is not State.EMERGENCY_STOP:
            self._met = False
            return
        unmet = self._inputs.limp or self._inputs.conditions.active() & (UNMEASURED | {Code.MEASURED_POSITION})
        if not self._met and not unmet and self._motion.at_rest and self._inputs.measured.rests(now):
            self._met = True
            self._meet_lost_robot(self._tracking.rest)

    def _meet_lost_robot(self, bound: Vector | float) -> None:
        """Take the measured pose as the commanded one where the drives did not hold the robot within a bound."""
        if self._is_elsewhere(bound):
            self._motion.place(self._inputs.measured.pose())
        self._inputs.measured.restart_tracking(self._motion.state[0])

    def _is_elsewhere(self, bound: Vector | float) -> bool:
        """Whether a joint is measured farther than a bound from its set-point, [rad].

        Those that others command are met where they are, at every cycle at rest.
        """
        away = np.abs(self._inputs.measured.pose() - self._motion.state[0])
        return bool((away > bound)[np.isfinite(self._tracking.bound)].any())

    def _glide_to_measured(self) -> None:
        """Let the set-point meet the robot slowly (SR-015)."""
        # Those that others command are met where they are, at every cycle at rest.
        target = np.where(np.isfinite(self._tracking.bound), self._inputs.measured.pose(), self._motion.state[0])
        if (np.abs(target - self._motion.state[0]) > self._tracking.rest).any():
            self._motion.glide_to(target)
        self._inputs.measured.restart_tracking(self._motion.state[0])
