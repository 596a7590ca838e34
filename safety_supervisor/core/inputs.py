"""What the world says besides commands: measurements, people, publishers, descriptions, the log, the e-stop.

Each handler notes what lasts as a condition and returns the causes that stop the robot at once.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias

from safety_supervisor.core.act_events import HoldToRun
from safety_supervisor.core.balance.footing import Footing
from safety_supervisor.core.bystanders import Bystanders
from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.estop_input import EstopInput
from safety_supervisor.core.events import (
    BalanceEndpoints,
    FootContact,
    Humans,
    HumansEndpoints,
    Imu,
    IncompatibleEndpoint,
    JointStateEndpoints,
    JointStates,
    OutputEndpoints,
    RobotDescription,
    SourceEndpoints,
    Tick,
)
from safety_supervisor.core.intake.lateness import Lateness
from safety_supervisor.core.measured import MeasuredState
from safety_supervisor.core.sessions import Session
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.states.authority import judge_holder
from safety_supervisor.core.states.causes import OUTSIDE
from safety_supervisor.core.states.conditions import Conditions
from safety_supervisor.core.states.estop_latch import EstopLatch
from safety_supervisor.core.states.state_table import AUTO, State
from safety_supervisor.core.states.switches import EnablingSwitch, HoldToRunButton, SwitchWord
from safety_supervisor.core.units import NS_PER_S, Nanoseconds

_WORKSPACE_EVERY: Final = 10 * 1_000_000
"""Time between checks of the measured pose against the workspace, [ns]."""

_TOLD_EVERY: Final = NS_PER_S
"""The same of the same sensor is told no more often, [ns]."""

_TRACKED: Final = frozenset({State.READY, State.MANUAL, State.RECOVERY, State.STOPPING, *AUTO})
"""States in which the robot has to follow its set-points."""

_HELD: Final = _TRACKED | {State.LOCKED, State.PROTECTIVE_STOP}
"""States in which the drives have to hold it where its set-points stand; an emergency stop takes their power."""

MONITORED: Final = frozenset({State.LOCKED, State.PROTECTIVE_STOP, State.EMERGENCY_STOP})
"""States in which a measured standstill is monitored from its first moment on."""

UNARMED: Final = frozenset({State.INIT, State.LOCKED})
"""States in which a changed description only prevents arming."""

HANDS_ON: Final = frozenset({State.MANUAL, State.RECOVERY})
"""States in which a person moves the robot, slowly and with a finger on what stops it: he may be near."""

UNMEASURED: Final = frozenset({Code.STATE_STALE, Code.STATE_NOT_FINITE, Code.STATE_PUBLISHER})
"""Causes by which nothing is known of where the robot is."""

PEOPLE: Final = frozenset({Code.SEPARATION, Code.PEOPLE_UNKNOWN})
"""Causes that keep the robot from people."""

AT_START: Final = frozenset({Code.ESTOP, Code.ESTOP_SELF_TEST})
"""What the e-stop device says that stops in INIT too; the rest keeps the supervisor there."""

POWERED: Final = frozenset({State.READY, State.MANUAL, State.RECOVERY, *AUTO})
"""States in which the motors must have power: relays that open are a stop."""

InputEvent: TypeAlias = (
    JointStates
    | HoldToRun
    | OutputEndpoints
    | JointStateEndpoints
    | RobotDescription
    | IncompatibleEndpoint
    | Imu
    | FootContact
    | BalanceEndpoints
)
"""What the world says."""


class Inputs:
    """Everything that is known of the world."""

    def __init__(
        self,
        configuration: Configuration,
        measured: MeasuredState,
        sessions: dict[str, Session],
        estop: EstopLatch,
        footing: Footing | None = None,
    ) -> None:
        """Start with nothing heard."""
        self.footing = footing
        """What is told of base and feet; None where the base stands fast by itself."""
        self.limp = False
        """Whether the stop ladder let the robot go, so that it follows no set-point and is moved by people."""
        self.measured = measured
        self.estop = estop
        self.conditions = Conditions(configuration)
        self.switch = EnablingSwitch()
        self.button = HoldToRunButton(configuration.timing.hold_to_run_timeout)
        separation = configuration.separation
        self.people = None if separation is None else Bystanders(separation, configuration.robot.base_frame)
        """Where people are; None where nobody is watched."""
        self.estop_word = EstopInput("unknown")
        """The e-stop device's newest word."""
        self._configuration = configuration
        self._timing = configuration.timing
        self._sessions = sessions
        self._workspace_checked: Nanoseconds = 0
        self._incompatible: set[str] = set()
        self.lateness = Lateness(configuration)
        self._people_refused: Code | None = None
        self._refused: dict[str, Code] = {}
        self._refused_at: dict[tuple[str, Code], Nanoseconds] = {}
        self._refusals: list[tuple[str, Violation]] = []

    # --- once a cycle

    def sample(self, event: Tick, state: State, first: bool) -> set[Code]:
        """Return the causes of this moment: e-stop, overrun, log, ages, switches, and every condition that holds."""
        now = event.at
        causes: set[Code] = set()
        stop = self.estop.sample(event.estop, now)
        if stop is not None and (state is not State.INIT or stop in AT_START):
            causes.add(stop)
        if event.estop.relays == "open" and state in POWERED:
            causes.add(Code.ESTOP_RELAYS)
        self.estop_word = event.estop
        causes |= self.switch.sample(event.estop, state is State.MANUAL)
        # A robot that rests in a stopped state is not endangered by a late cycle, and INIT sends nothing at all.
        late = self.lateness.judge(now, event.scheduled) if state in _TRACKED and not first else None
        if late is not None:
            causes.add(late)
        self.conditions.note(Code.LOG, not event.log_ok)
        self.conditions.note(Code.STATE_STALE, bool(self.measured.stale(now)))
        self._note_unknown_people(now)
        if self.measured.left_standstill():
            causes.add(Code.STANDSTILL_LEFT)
        if state is State.RECOVERY and self.button.lost(now):
            causes.add(Code.HOLD_TO_RUN)
        return causes | self.pressing(state)

    def pressing(self, state: State, momentary: Iterable[Code] = ()) -> set[Code]:
        """Return the lasting causes, and those of the moment, that stop the robot in this state."""
        causes = self.conditions.active() | set(momentary)
        if state in UNARMED:
            causes.discard(Code.CONFIGURATION_CHANGED)
        if state is State.RECOVERY:
            causes -= OUTSIDE | {Code.COMMISSION}
        if state in HANDS_ON:
            causes -= PEOPLE
        return causes

    def hands_off(self, state: State, now: Nanoseconds) -> Code | None:
        """What a person has to hold in this state and does not hold."""
        if state is State.MANUAL and not self.switch.enables:
            return Code.ENABLING_SWITCH
        if state is State.RECOVERY and not self.button.held(now):
            return Code.HOLD_TO_RUN
        return None

    # --- what is asked of it

    def active(self, now: Nanoseconds) -> set[Code]:
        """Return the causes that hold now, without touching the e-stop latch."""
        return self.conditions.active() | self._estop_codes(now)

    def switch_told(self, now: Nanoseconds) -> tuple[SwitchWord, bool]:
        """Return what is known of the enabling switch, and whether it lets MANUAL move."""
        word = self.estop_word
        unheard = self.estop.judge(word, now) not in (None, Code.ESTOP) or word.state == "unknown"
        return "unknown" if unheard and self.estop.required else word.enabling_switch, self.switch.enables

    def _estop_codes(self, now: Nanoseconds) -> set[Code]:
        code = self.estop.judge(self.estop_word, now)
        codes = set() if code is None else {code}
        return codes | {Code.ESTOP_RELAYS} if self.estop_word.relays == "open" else codes

    def blocking_start(self, now: Nanoseconds) -> tuple[Code, ...]:
        """What still keeps the supervisor in INIT."""
        blocking: list[Code] = []
        if self.measured.missing():
            blocking.append(Code.ACT_INPUT)
        elif self.measured.stale(now) or not self.measured.rests(now):
            blocking.append(Code.ACT_STANDSTILL)
        if self.estop.required and not self.estop.heard:
            blocking.append(self.estop.judge(self.estop_word, now) or Code.ESTOP_SILENT)
        blocking += sorted(self.conditions.active() & {Code.INCOMPATIBLE_QOS, Code.STATE_PUBLISHER, Code.LOG})
        return tuple(blocking)

    # --- what arrives

    def take(self, event: InputEvent, state: State, placed: bool) -> set[Code]:
        """Take what arrived.

        Args:
            event: of the world.
            state: of the supervisor.
            placed: whether set-points are sent, so that the robot can be expected to follow.

        Returns:
            Causes of a stop; what lasts is noted as a condition too and comes with every `sample`.
        """
        note = self.conditions.note
        match event:
            case JointStates():
                return self._joint_states(event, state, placed)
            case HoldToRun():
                self._hold(event)
            case OutputEndpoints():
                note(Code.OUTPUT_PUBLISHER, bool(event.foreign))
            case JointStateEndpoints():
                note(Code.STATE_PUBLISHER, self.conditions.wrong_state_publishers(event.nodes))
            case RobotDescription():
                note(Code.CONFIGURATION_CHANGED, event.sha256 != self._configuration.robot.urdf_sha256)
            case IncompatibleEndpoint() if event.required:
                self._incompatible -= {event.topic}
                self._incompatible |= {event.topic} if event.prevents else set()
                note(Code.INCOMPATIBLE_QOS, bool(self._incompatible))
            case Imu() | FootContact() | BalanceEndpoints() if self.footing is not None:
                causes = self._balance(self.footing, event)
                return self.pressing(state, causes)
            case _:
                pass
        # At once: what one event shows is not forgotten when the next one of the same cycle is good again.
        return self.pressing(state)

    def _balance(self, footing: Footing, event: Imu | FootContact | BalanceEndpoints) -> set[Code]:
        """Take what is told of base and feet; return the cause of a stop at once: another one who tells it."""
        replaced, refusal, told = False, None, ""
        if isinstance(event, BalanceEndpoints):
            replaced = footing.publishers(event)
        else:
            told = event.foot if isinstance(event, FootContact) else "imu"
            refusal = footing.take_contact(event) if isinstance(event, FootContact) else footing.take_imu(event)
            if refusal is None:
                self._refused.pop(told, None)
            elif self._refused.get(told) is not refusal.code:
                self._refused[told] = refusal.code
                # A driver that is wrong in every other message must not fill the log.
                self._refuse(event.at, told, refusal)
        if footing.wrong():
            self.conditions.note(Code.BALANCE_UNKNOWN, True)  # that it is known again is the watch's word
        return {Code.BALANCE_UNKNOWN} if replaced else set()

    def _hold(self, event: HoldToRun) -> None:
        """Take a beat of the hold-to-run button, from whom it counts."""
        why = judge_holder(event, self._configuration.operators)
        if not why:
            self.button.take(event.counter, event.at, event.person)
        else:
            self._refuse(event.at, event.person, Violation(Code.ACT_ROLE, "hold", detail=why))

    def _refuse(self, now: Nanoseconds, whose: str, refusal: Violation) -> None:
        """Note what is to be told, the same of the same once a second at most."""
        if now - self._refused_at.get((whose, refusal.code), -_TOLD_EVERY) >= _TOLD_EVERY:
            self._refused_at[whose, refusal.code] = now
            self._refusals.append((whose, refusal))

    def take_refusals(self) -> list[tuple[str, Violation]]:
        """Return what was wrong with messages, and of whom, since this was asked last.

        Once while it stays the same, and the same of the same sensor once a second at most.
        """
        refusals, self._refusals = self._refusals, []
        return refusals

    def humans(self, event: Humans) -> Violation | None:
        """Take where people are; return what is wrong with the message, once while it stays the same."""
        if self.people is None:
            return None
        refusal = self.people.take(event)
        before, self._people_refused = self._people_refused, None if refusal is None else refusal.code
        self._note_unknown_people(event.at)
        return None if self._people_refused is before else refusal

    def humans_endpoints(self, event: HumansEndpoints) -> set[Code]:
        """Take who tells where people are; return the cause of a stop at once: another one in his place."""
        if self.people is None:
            return set()
        replaced = self.people.publishers(event)
        self._note_unknown_people(event.at)
        return {Code.PEOPLE_UNKNOWN} if replaced else set()

    def _note_unknown_people(self, now: Nanoseconds) -> None:
        if self.people is not None:
            self.conditions.note(Code.PEOPLE_UNKNOWN, bool(self.people.unknown(now)))

    def source_endpoints(self, event: SourceEndpoints, moves: bool) -> set[Code] | None:
        """Take how many publishers a source has, told on every change of who they are.

        Args:
            event: the number now.
            moves: whether the source moves the robot: another publisher in its place is then a stop (SR-050).

        Returns:
            Causes of a stop at once; None when there is no such source.
        """
        session = self._sessions.get(event.source)
        if session is None:
            return None
        replaced = moves and event.publishers > 0
        session.publishers = event.publishers
        self.conditions.note(Code.ENDPOINT_REPLACED, any(other.doubled for other in self._sessions.values()))
        return {Code.ENDPOINT_REPLACED} if replaced else set()

    def _joint_states(self, event: JointStates, state: State, placed: bool) -> set[Code]:
        """Take a measurement."""
        measured = self.measured
        causes = set(measured.update(event))
        if measured.missing():
            return causes
        limits = measured.limit_codes()
        for code in (Code.MEASURED_POSITION, Code.MEASURED_VELOCITY):
            self.conditions.note(code, code in limits)
        if event.at - self._workspace_checked >= _WORKSPACE_EVERY:
            self._workspace_checked = event.at
            found = measured.workspace.code(measured.positions)
            self.conditions.note(Code.MEASURED_WORKSPACE, found is Code.MEASURED_WORKSPACE)
            if found is Code.NOT_FINITE_RESULT:
                causes.add(found)
        held = placed and not self.limp
        if held and state in _TRACKED and not measured.follows():
            causes.add(Code.TRACKING)
        powered = self.estop_word.relays != "open" and not self.estop.latched
        if held and powered and state in _HELD and measured.rests_elsewhere(event.at):
            causes.add(Code.TRACKING)
        return causes | self.pressing(state)
