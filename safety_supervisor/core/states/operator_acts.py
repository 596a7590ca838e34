"""What becomes of a person's act, asked for by a request or by the reset button of the e-stop device."""

from __future__ import annotations

from collections.abc import Callable

from safety_supervisor.core.act_events import OperatorAct
from safety_supervisor.core.agents.standing import Standing
from safety_supervisor.core.commands import Commands
from safety_supervisor.core.decisions import DecisionLog
from safety_supervisor.core.effects import Effect, Reply
from safety_supervisor.core.errors import CODE_OF, Code, Violation
from safety_supervisor.core.events import Tick
from safety_supervisor.core.inputs import Inputs
from safety_supervisor.core.motion.trajectory_job import Approval
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.states.acts import ActRefusal
from safety_supervisor.core.states.authority import DECISIONS, judge_authority
from safety_supervisor.core.states.device_reset import DeviceReset
from safety_supervisor.core.states.operators import Operators
from safety_supervisor.core.states.safety_state import SafetyState
from safety_supervisor.core.tools import Tools
from safety_supervisor.core.units import Nanoseconds


class OperatorActs:
    """Carries out acts that are allowed, and answers all.

    Args:
        configuration: says who may act.
        operators: judges acts, and does what they mean for the robot.
        tools: on the robot.
        commands: of all sources.
        state: of the supervisor.
        inputs: what is known of the world.
        decisions: what is told.
        stop: stops for causes.
        standing: of sources and their agents.
    """

    def __init__(
        self,
        configuration: Configuration,
        operators: Operators,
        tools: Tools,
        commands: Commands,
        state: SafetyState,
        inputs: Inputs,
        decisions: DecisionLog,
        stop: Callable[[set[Code], Nanoseconds], list[Effect]],
        standing: Standing,
    ) -> None:
        """Begin with no press of the device's button."""
        self._settings, self._hash = configuration.operators, configuration.sha256
        self._operators = operators
        self._tools = tools
        self._commands = commands
        self._state = state
        self._inputs = inputs
        self._decisions = decisions
        self._stop = stop
        self._standing = standing
        self._device_reset = DeviceReset()

    def take(self, event: OperatorAct, placed: bool, changed_on_disk: bool) -> tuple[list[Effect], Reply]:
        """Do what a person asks for, or refuse it.

        Args:
            event: who asks for what.
            placed: whether set-points are sent.
            changed_on_disk: whether configuration or URDF are others than those that were loaded.

        Returns:
            What to do, and the answer.
        """
        effects, now = list[Effect](), event.at
        refusal = judge_authority(event, self._settings, self._hash) or self._operators.judge(event, placed)
        refusal = refusal or self._standing.judge(event)
        if refusal is None and changed_on_disk and event.act in ("reset", "recover"):
            refusal = ActRefusal(Code.ACT_CAUSE, Code.CONFIGURATION_CHANGED.cure)
        if refusal is None and event.act == "tool":
            refusal = self._tools.act(event.target)
        answer: str = event.act
        if refusal is None and event.act in DECISIONS:
            refusal, answer = self._decide(event, effects)
        if refusal is not None:
            # A library that computes nonsense is a fault, whoever asked for it.
            effects += self._stop({refusal.code} & {Code.NOT_FINITE_RESULT}, now)
            return effects, Reply(now, event.request, False, refusal.code.value, refusal.message)
        match event.act:
            case "reset":
                self._commands.forgive()
                effects += [e for ruling in self._commands.purge() for e in self._decisions.ruled(ruling, now)]
                self._operators.reset(now)
            case "start":
                self._operators.start(event.target, now)
                self._commands.started(now)
            case "mode":
                effects += self._stop({Code.MODE_CHANGE}, now)
            case "recover":
                self._operators.recover(now)
                self._commands.recovers(now)
            case "tool":
                effects += self._decisions.ruled(self._tools.ruling(event.person), now)
            case "promote" | "revoke":
                effects += self._standing.act(event)
            case "maintainer":
                self._state.maintained(now)
                self._tools.restart()
        # What a person has to hold counts from this moment on, not from the next cycle.
        self._commands.hands_off = self._inputs.hands_off(self._state.state, now)
        return effects, Reply(now, event.request, True, "", answer)

    def _decide(self, event: OperatorAct, effects: list[Effect]) -> tuple[ActRefusal | None, str]:
        """Do what a person decides on what waits; return why not, or what has become of it, in words."""
        book = self._commands.book
        if book is None:
            return ActRefusal(Code.ACT_INTERVENTION, "there is no policy: nothing ever waits"), ""
        decided = book.decide(event)
        effects += [e for ruling in book.take_ended() for e in self._decisions.ruled(ruling, event.at)]
        if isinstance(decided, ActRefusal):
            return decided, ""
        if isinstance(decided, str):
            return None, decided
        ruling = self._commands.release(decided.points, Approval(decided.verdict.kind, decided.zones))
        if ruling is not None:
            effects += self._decisions.ruled(ruling, event.at)
            return None, f"approved by {' and '.join(decided.approved)}, and refused"
        return None, f"approved by {' and '.join(decided.approved)}: it is verified again, then begun or refused"

    def reset_by_device(self, event: Tick, placed: bool, changed_on_disk: bool) -> list[Effect]:
        """Do what the device's reset button asks for, or tell why not."""
        act = self._device_reset.asked(event.estop, event.at, self._inputs.active)
        if act is None:
            return []
        effects, reply = self.take(act, placed, changed_on_disk)
        if not reply.ok:
            refusal = Violation(CODE_OF[reply.code], "reset button", detail=reply.message)
            effects.append(self._decisions.refused(act.at, "estop", refusal))
        return effects
