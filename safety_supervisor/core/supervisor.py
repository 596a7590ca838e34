"""The supervisor: events in, effects out.

One thread owns it and gives it every event in order; it answers with effects and never raises. It reads no clock and
does no I/O: the same events give the same effects, bit for bit (SR-044). The order within one cycle is that of safety:
e-stop, causes of stops, then motion; the motors are served before anything is reported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

from safety_supervisor.core.act_events import AgentSession, OperatorAct, StopRequested, TokenRefused, ToolChange
from safety_supervisor.core.agents.standing import Standing
from safety_supervisor.core.balance.footing import Footing
from safety_supervisor.core.balance.ladder import StopLadder
from safety_supervisor.core.balance.watch import BalanceWatch
from safety_supervisor.core.base.drive import BaseDrive, BaseEvent
from safety_supervisor.core.base.world import WorldBodies
from safety_supervisor.core.commands import Commands
from safety_supervisor.core.decisions import DecisionLog
from safety_supervisor.core.effects import Effect, Reply
from safety_supervisor.core.errors import CODE_OF, Code, Violation
from safety_supervisor.core.events import (
    AdapterFault,
    BaseCommand,
    Boot,
    CommandUnreadable,
    ConfigurationChanged,
    EstopReport,
    Event,
    Humans,
    HumansEndpoints,
    PolicyAnswer,
    SourceEndpoints,
    SourceLiveliness,
    StreamCommand,
    Tick,
    TrajectoryCommand,
)
from safety_supervisor.core.inputs import UNARMED, InputEvent, Inputs
from safety_supervisor.core.measured import MeasuredState
from safety_supervisor.core.measured_workspace import MeasuredWorkspace
from safety_supervisor.core.motion.mover import Motion
from safety_supervisor.core.motion.set_points import SetPoints
from safety_supervisor.core.motion.stop_ramp import StopRamp
from safety_supervisor.core.notes import Note
from safety_supervisor.core.observed import ObservedJoints
from safety_supervisor.core.ruling import Ruling
from safety_supervisor.core.separation_watch import SeparationWatch
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.states.causes import CAUSE_OF, by_hardness
from safety_supervisor.core.states.changes import Changes
from safety_supervisor.core.states.consequences import Consequences
from safety_supervisor.core.states.course import Course
from safety_supervisor.core.states.estop_latch import EstopLatch
from safety_supervisor.core.states.operator_acts import OperatorActs
from safety_supervisor.core.states.operators import Operators
from safety_supervisor.core.states.reporting import Reporting
from safety_supervisor.core.states.safety_state import SafetyState
from safety_supervisor.core.states.state_rules import rules_of
from safety_supervisor.core.states.state_table import State
from safety_supervisor.core.states.unseen import Unseen
from safety_supervisor.core.tools import Tools
from safety_supervisor.core.units import Vector, seconds
from safety_supervisor.core.verifier import Verifier


class Supervisor:
    """Decides on every event, and what the motors are sent in every cycle."""

    def __init__(self, configuration: Configuration) -> None:
        """Build the robot model and all checks; nothing moves until a person has reset and started.

        Raises:
            RobotModelError: when the URDF does not have the configured joints and links.
        """
        self._configuration = configuration
        self._verifier = Verifier(configuration)
        self._state = SafetyState()
        self._motion = Motion(configuration, self._verifier)
        self._commands = Commands(configuration, self._motion, self._verifier, self._state)
        estop = EstopLatch(configuration.timing.estop_timeout, configuration.estop.required)
        workspace = MeasuredWorkspace(self._verifier.scene, self._verifier.restricted, self._motion.zones)
        measured = MeasuredState(configuration, workspace)
        footing = Footing(configuration.balance, self._verifier.model) if configuration.balance else None
        self._inputs = Inputs(configuration, measured, self._commands.sessions, estop, footing)
        self._balance = BalanceWatch(configuration, self._verifier, self._inputs)
        self._watch = SeparationWatch(configuration, self._verifier, self._inputs)
        self._observed = ObservedJoints(configuration, self._motion, measured, self._commands)
        world = WorldBodies(configuration, self._verifier, self._motion, self._inputs)
        self._base = BaseDrive(configuration, self._state, self._commands, self._inputs, world)
        self._operators = Operators(configuration, self._state, self._motion, self._inputs, self._base)
        self._tools = Tools(configuration, self._state, self._verifier, self._motion, self._commands, self._inputs)
        self._decisions = DecisionLog()
        self._unseen = Unseen(self._state, self._decisions)
        self._consequences = Consequences(self._commands, self._motion, self._base, self._state)
        self._standing = Standing(
            configuration, self._state, self._motion, self._commands, self._base, self._inputs, self._consequences,
            self._decisions, self._stop,
        )  # fmt: skip
        self._acts = OperatorActs(
            configuration, self._operators, self._tools, self._commands, self._state, self._inputs, self._decisions,
            self._stop, self._standing,
        )  # fmt: skip
        self._set_points = SetPoints(configuration, self._motion)
        self._fault_on_disk: Code | None = None
        self._placed = self._changed_on_disk = False
        self._last_tick = 0
        self._unprepared = False
        self._failed: Exception | None = None
        self._replies: list[Reply] = []
        self._ramp = StopRamp(configuration)
        parts, watched = (configuration, self._state, self._motion), self._commands.anomalies
        self._ladder = StopLadder(*parts, self._verifier, self._inputs, self._balance)
        self._course = Course(*parts, self._base, self._inputs, self._ramp, self._ladder)
        self._reporting = Reporting(configuration.sha256, self._state, estop, self._inputs.conditions, watched)
        self._changes = Changes(
            *parts[1:], self._inputs, self._base, self._ramp, self._watch, self._tools, self._balance, self._reporting,
            self._standing,
        )  # fmt: skip
        self._handlers: dict[type, Callable[[Any], list[Effect]]] = {
            Boot: self._boot,
            Tick: self._tick,
            StreamCommand: lambda event: self._ruled(self._commands.stream(event, self._last_tick), event.at),
            TrajectoryCommand: lambda event: self._ruled(self._commands.trajectory(event), event.at),
            BaseCommand: lambda event: self._ruled(self._base.command(event), event.at),
            CommandUnreadable: lambda event: self._ruled(self._commands.unreadable(event), event.at),
            Humans: lambda event: self._heard(event.at, "humans", set(), self._inputs.humans(event)),
            HumansEndpoints: lambda event: self._heard(event.at, "humans", self._inputs.humans_endpoints(event), None),
            SourceEndpoints: self._standing.endpoints,
            SourceLiveliness: self._standing.liveliness,
            AgentSession: self._standing.introduced,
            ConfigurationChanged: self._configuration_changed,
            StopRequested: self._stop_requested,
            OperatorAct: self._operator_act,
            ToolChange: self._tool_change,
            TokenRefused: self._decisions.token_refused,
            EstopReport: self._decisions.estop_reported,
            PolicyAnswer: self._commands.asked.take,
            AdapterFault: self._adapter_fault,
            **dict.fromkeys(get_args(InputEvent), self._input),
            **dict.fromkeys(get_args(BaseEvent), lambda event: self._heard(event.at, "odom", *self._base.told(event))),
        }

    @property
    def state(self) -> str:
        """Name of the present state."""
        return self._state.state.value

    @property
    def commanded(self) -> tuple[Vector, Vector] | None:
        """Positions and where the kept stop ends, shape (n,), [rad], read-only; None before the robot was measured."""
        return (self._motion.state[0], self._motion.kept.end) if self._placed else None

    @property
    def tool(self) -> str:
        """What the robot carries, empty for nothing."""
        return self._verifier.tool

    @property
    def standing(self) -> Standing:
        """Who speaks at each source, and how far it is trusted."""
        return self._standing

    def plays(self, source: str, command: str) -> bool:
        """Return whether an accepted command moves a group now; one that waits to begin does not."""
        return any(lane.plays(source, command) for lane in self._motion.lanes.values())

    def handle(self, event: Event) -> tuple[Effect, ...]:
        """Take one event. Never raises: an exception is our own bug, runs the kept stop and enters FAULT.

        Args:
            event: with its receipt time; events come in the order of their times.

        Returns:
            What to do, in this order; for a `Tick` the motors' set-point comes first.
        """
        try:
            if self._unprepared:
                self.prepare()
            if self._failed is not None:
                failed, self._failed = self._failed, None
                raise failed
            effects = self._handlers[type(event)](event)
            effects += self._commands.asked.questions()
            effects += self._changes.look(event, self._placed, self._changed_on_disk)
        except Exception as error:
            effects = self._fail(event, error)
        self._unprepared = isinstance(event, Tick)
        return self._standing.stamp(effects)

    def prepare(self) -> None:
        """Compute ahead what the next cycle will ask, and close zones that are left, behind a `Tick`'s set-point.

        The next event does it where nobody has, so that the same events give the same effects all the same.
        """
        if self._unprepared:
            self._unprepared = False
            try:
                self._commands.prepare(self._last_tick)
                if self._motion.at_rest:
                    self._motion.zones.rest(self._motion.state[0])
                self._motion.zones.leave(self._inputs.measured.positions)
            except Exception as error:
                self._failed = error  # the next event fails by it, whoever prepared

    # --- the cycle ----------------------------------------------------------------------------------------------

    def _tick(self, event: Tick) -> list[Effect]:
        now = event.at
        effects: list[Effect] = []
        if self._fault_on_disk is not None:
            # Before any cause of this moment: nothing may lead past a fault that only a maintainer clears (SR-047).
            self._state.initialised(now, self._inputs.estop.latched, self._fault_on_disk)
            self._fault_on_disk = None
        missed = self._set_points.begin(event)
        self._base.begin(now)
        motion = self._motion if self._placed else None
        causes = self._balance.look(now, self._state.state, motion is not None and not motion.at_rest)
        causes |= self._observed.look() | self._watch.look(now, self._state.state, motion)
        effects += self._stop(causes | self._inputs.sample(event, self._state.state, first=self._last_tick == 0), now)
        self._last_tick = event.scheduled
        self._commands.hands_off = self._inputs.hands_off(self._state.state, now)
        self._commands.begin(now, self._watch.nearness, self._inputs.button.held(now))
        if not self._placed or self._state.state is State.INIT:
            self._try_to_place(now)
        if self._state.state is State.INIT:
            self._try_to_leave_init(event)
        effects += self._look_at_book(now)
        rulings: tuple[Ruling, ...] = ()
        notes: tuple[Note, ...] = ()
        self._watch.steer(self._state, now)
        effects[:0] = self._base.step(now)
        if self._placed:
            self._operators.meet_robot(now)
            self._motion.bridge(missed, seconds(now - event.scheduled))
            if self._state.permits_motion:
                rulings = self._commands.advance()
            before = self._motion.state
            notes = self._motion.advance(rules_of(self._state.state, self._configuration.envelope, self._state.rung))
            self._inputs.measured.commanded(self._motion.state[0])
            if self._state.state is not State.INIT:
                effects[:0] = self._set_points.send(event, before)
        driven, ended = self._base.take()
        for ruling in (*rulings, *driven):
            effects += self._ruled(ruling, now)
        effects += self._noted((*notes, *ended), now)
        effects += self._stop(self._course.advance(now), now)
        effects += self._ladder.take(self._decisions, now)
        effects += [self._decisions.refused(now, "observed", violation) for violation in self._observed.take()]
        effects += self._acts.reset_by_device(event, self._placed, self._changed_on_disk)
        effects += self._decisions.due(now)
        effects += self._commands.book.take_news(now) if self._commands.book is not None else ()
        effects += self._replies
        self._replies = []
        return effects

    def _look_at_book(self, now: int) -> list[Effect]:
        """Look at what waits for people; its ends are told, and blamed on nobody."""
        if self._commands.book is None:
            return []
        measured = self._inputs.measured.pose() if self._placed and self._commands.book.waits else None
        rulings = self._commands.book.look(now, measured, self._base.driver != "")
        return [effect for ruling in rulings for effect in self._decisions.ruled(ruling, now)]

    # --- stops --------------------------------------------------------------------------------------------------

    def _stop(self, causes: set[Code], now: int) -> list[Effect]:
        """Stop for causes, the hardest first; discard queued motion."""
        if not causes:
            return []
        before, guilty = self._state.state, self._standing.guilty(causes)
        self._motion.lost |= Code.TRACKING in causes and not self._motion.at_rest
        for rule in by_hardness(causes):
            self._state.stop(rule, now)
        if self._state.state is before:
            return self._unseen.note(causes, now) + self._standing.demote(guilty, now)
        return ([] if self._state.permits_motion else self._purge(now)) + self._standing.demote(guilty, now)

    def _purge(self, now: int) -> list[Effect]:
        """Let everything run the kept stop, forget what was queued, and watch the ramp from now on (SR-013)."""
        effects: list[Effect] = []
        cause = self._state.cause or Code.PURGED
        for note in (*self._motion.stop_all(), *self._base.stop()):
            effects.append(
                self._decisions.stopped(now, note.source, note.command, cause, "", self._inputs.lateness.seen(cause))
            )
        for ruling in self._commands.purge():
            effects += self._decisions.ruled(ruling, now)
        if self._state.state is State.STOPPING:
            self._ramp.begin(self._motion, now, self._base.left)
        return effects

    def _fail(self, event: Event, error: Exception) -> list[Effect]:
        """Our own code failed: FAULT, and whatever can still be done of the kept stop."""
        now = event.at
        self._state.stop(CAUSE_OF[Code.INTERNAL], now)
        effects: list[Effect] = []
        if self._placed:
            try:
                if isinstance(event, Tick):
                    before = self._set_points.follow_kept_blindly()
                    if self._state.state is not State.INIT:
                        effects += self._set_points.send(event, before)
                else:
                    self._motion.stop_all()
            except Exception:
                # Nothing is left but silence: the stop that was sent last runs, or `output.on_loss` happens.
                effects.clear()
        effects += self._base.brake(now, sends=isinstance(event, Tick))
        effects += self._ladder.endure(now)
        detail = f"{type(error).__name__} while handling {type(event).__name__}: {error}"
        effects.append(self._decisions.stopped(now, "supervisor", "", Code.INTERNAL, detail[:500]))
        self._ramp.begin_unplanned(now)
        effects += [*self._reporting.latches(now), *self._reporting.relays(now, overdue=True)]
        return effects

    # --- start --------------------------------------------------------------------------------------------------

    def _boot(self, event: Boot) -> list[Effect]:
        self._reporting.boot(event.nonce, event.emergency_stop_latched, event.fault_latched)
        if self._inputs.estop.required:
            # Without a device there is nothing to cycle; the person's reset that every boot needs is its release.
            self._inputs.estop.restore(event.emergency_stop_latched)
        if event.fault_latched:
            self._fault_on_disk = CODE_OF.get(event.fault_latched, Code.INTERNAL)
        self._inputs.conditions.note(Code.COMMISSION, (why := event.uncommissioned) != "")
        told = [effect for ruling in self._tools.begun() for effect in self._decisions.ruled(ruling, event.at)]
        told += [self._decisions.stopped(event.at, "supervisor", "", Code.COMMISSION, why)] if why else []
        return told + self._standing.boot(event)

    def _try_to_place(self, now: int) -> None:
        """Take the measured pose as the commanded one, once, when every joint is measured and rests."""
        measured = self._inputs.measured
        if not measured.missing() and not measured.stale(now) and measured.rests(now):
            self._operators.place()
            self._placed = True

    def _try_to_leave_init(self, event: Tick) -> None:
        """Leave INIT for a stopped state; a latch found on disk decides which (SR-016, SR-047)."""
        moves = self._base.rests(event.at) is False
        if self._placed and not moves and not self._inputs.blocking_start(event.at):
            self._state.initialised(event.at, self._inputs.estop.latched, None)

    # --- commands and inputs ------------------------------------------------------------------------------------

    def _ruled(self, ruling: Ruling | None, now: int) -> list[Effect]:
        """Report a ruling, let the state follow it, and stop a source that is refused too often; None: no news."""
        if ruling is None:
            return []
        if ruling.violation is not None and ruling.verdict == "REJECT" and not ruling.repeated:
            self._base.drop(ruling.source, ruling.violation)
        return list(self._decisions.ruled(ruling, now)) + self._stop(self._consequences.of_ruling(ruling, now), now)

    def _noted(self, notes: tuple[Note, ...], now: int) -> list[Effect]:
        """Report what happened to motion under way, and hold when nothing moves any more."""
        effects: list[Effect] = []
        for note in notes:
            effects += [*self._decisions.noted(note, now), *self._stop(self._consequences.of_note(note, now), now)]
        return effects

    def _input(self, event: InputEvent) -> list[Effect]:
        effects = self._stop(self._inputs.take(event, self._state.state, self._placed), event.at)
        return effects + [self._decisions.refused(event.at, *refused) for refused in self._inputs.take_refusals()]

    def _heard(self, now: int, origin: str, causes: set[Code], refusal: Violation | None) -> list[Effect]:
        """Stop for what was heard, and for what lasts, and tell what was refused of it."""
        told = [] if refusal is None else [self._decisions.refused(now, origin, refusal)]
        return [*self._stop(self._inputs.pressing(self._state.state, causes), now), *told]

    def _configuration_changed(self, event: ConfigurationChanged) -> list[Effect]:
        """A file on disk changed: FAULT while armed; while not armed it only prevents arming (SR-041)."""
        self._changed_on_disk = True
        code = Code.CONFIGURATION_CHANGED
        told = self._decisions.stopped(event.at, "supervisor", "", code, event.detail[:500])
        return [told, *(self._stop({code}, event.at) if self._state.state not in UNARMED else ())]

    def _adapter_fault(self, event: AdapterFault) -> list[Effect]:
        code = CODE_OF.get(event.code, Code.INTERNAL)
        code = code if code in CAUSE_OF and CAUSE_OF[code].target is State.FAULT else Code.INTERNAL
        effects = self._stop({code}, event.at)
        return [self._decisions.stopped(event.at, "supervisor", "", code, event.detail[:500]), *effects]

    def _stop_requested(self, event: StopRequested) -> list[Effect]:
        """A protective stop for anyone; the reply follows the set-point of the next cycle."""
        effects = self._stop({Code.STOP_REQUEST}, event.at)
        if event.request:
            self._replies.append(Reply(event.at, event.request, True, "", "stopping"))
        return effects

    def _operator_act(self, event: OperatorAct) -> list[Effect]:
        effects, reply = self._acts.take(event, self._placed, self._changed_on_disk)
        if event.act == "maintainer" and reply.ok:
            self._placed = False
        return [*effects, reply]

    def _tool_change(self, event: ToolChange) -> list[Effect]:
        ruling = self._tools.requested(event, self._placed)
        return [*self._ruled(ruling, event.at), *self._tools.answer(event, ruling)]
