"""The supervisor: events in, effects out.

One thread owns it and gives it every event in order; it answers with effects and never raises. It reads no clock and
does no I/O: the same events give the same effects, bit for bit (SR-044). The order within one cycle is that of safety:
e-stop, causes of stops, then motion; the motors are served before anything is reported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from safety_supervisor.core.acts import ActRefusal, judge_recover, judge_reset, judge_start
from safety_supervisor.core.causes import CAUSE_OF, by_hardness
from safety_supervisor.core.commands import Commands, Ruling
from safety_supervisor.core.conditions import Conditions
from safety_supervisor.core.decisions import DecisionLog
from safety_supervisor.core.errors import CODE_OF, Code
from safety_supervisor.core.estop_latch import EstopLatch
from safety_supervisor.core.measured import MeasuredState
from safety_supervisor.core.motion import Motion, Note
from safety_supervisor.core.next_step import next_step
from safety_supervisor.core.robot import RobotModel
from safety_supervisor.core.safety_state import SafetyState
from safety_supervisor.core.settings import Configuration, EstopDriver, OutputType
from safety_supervisor.core.state_table import AUTO, State
from safety_supervisor.core.types import (
    Actuate,
    AdapterFault,
    Boot,
    CommandUnreadable,
    ConfigurationChanged,
    Effect,
    EstopInput,
    Event,
    HoldToRun,
    IncompatibleEndpoint,
    JointStateEndpoints,
    JointStates,
    Latches,
    OperatorAct,
    OutputEndpoints,
    RelayDemand,
    Reply,
    RobotDescription,
    SourceEndpoints,
    SourceLiveliness,
    Status,
    StopRequested,
    StreamCommand,
    Tick,
    TrajectoryCommand,
)
from safety_supervisor.core.units import NS_PER_S
from safety_supervisor.core.verifier import Rules, Verifier
from safety_supervisor.core.zones import Workspace

_STATUS_PERIOD: Final = NS_PER_S // 10
_HOUR: Final = 3600 * NS_PER_S
_WORKSPACE_EVERY: Final = 10 * 1_000_000  # [ns] between checks of the measured pose against the workspace

_MONITORED: Final = frozenset({State.LOCKED, State.PROTECTIVE_STOP, State.EMERGENCY_STOP})
"""States in which a measured standstill is monitored from its first moment on."""

_TRACKED: Final = frozenset({State.READY, State.MANUAL, State.RECOVERY, State.STOPPING, *AUTO})
"""States in which the robot has to follow its set-points."""


class Supervisor:
    """Decides on every event, and what the motors are sent in every cycle."""

    def __init__(self, configuration: Configuration) -> None:
        """Build the robot model and all checks; nothing moves until a person has reset and started.

        Raises:
            RobotModelError: when the URDF does not have the configured joints.
            WorkspaceError: when a zone names a frame that does not exist.
        """
        self._configuration = configuration
        timing = configuration.timing
        self._timing = timing
        workspace = Workspace(configuration.zones, RobotModel(configuration.robot))
        self._verifier = Verifier(configuration, workspace)
        self._state = SafetyState()
        self._estop = EstopLatch(timing.estop_timeout, configuration.estop.driver is not EstopDriver.NONE)
        self._measured = MeasuredState(configuration, workspace)
        self._motion = Motion(configuration, self._verifier)
        self._commands = Commands(configuration, self._motion, self._verifier, self._state)
        self._conditions = Conditions(configuration)
        self._decisions = DecisionLog()
        self._with_horizon = configuration.output.type is OutputType.JOINT_TRAJECTORY_HORIZON
        self._nonce = ""
        self._estop_latched_on_disk = False
        self._fault_on_disk: Code | None = None
        self._placed = False
        self._cycle = 0
        self._last_tick = 0
        self._last_moved = 0
        self._stop_due = 0
        self._overdue = False
        self._held_until = 0
        self._hold_counter = -1
        self._held_once = False
        self._enabled = False
        self._switch_released = False
        self._workspace_checked = 0
        self._overruns: list[int] = []
        self._estop_now: EstopInput = EstopInput("unknown")
        self._replies: list[Reply] = []
        self._known_latches: tuple[bool, str] = (False, "")
        self._known_demand: bool | None = None
        self._known_status: tuple[object, ...] = ()
        self._status_at = 0
        self._handlers: dict[type, Callable[[Any], list[Effect]]] = {
            Boot: self._boot,
            Tick: self._tick,
            StreamCommand: self._stream,
            TrajectoryCommand: self._trajectory,
            CommandUnreadable: self._unreadable,
            JointStates: self._joint_states,
            SourceEndpoints: self._source_endpoints,
            SourceLiveliness: self._source_liveliness,
            OutputEndpoints: self._output_endpoints,
            JointStateEndpoints: self._joint_state_endpoints,
            RobotDescription: self._robot_description,
            ConfigurationChanged: lambda event: self._stop({Code.CONFIGURATION_CHANGED}, event.at),
            IncompatibleEndpoint: self._incompatible,
            StopRequested: self._stop_requested,
            OperatorAct: self._operator_act,
            HoldToRun: self._hold_to_run,
            AdapterFault: self._adapter_fault,
        }

    @property
    def state(self) -> str:
        """Name of the present state."""
        return self._state.state.value

    def handle(self, event: Event) -> tuple[Effect, ...]:
        """Take one event. Never raises: an exception is our own bug, runs the kept stop and enters FAULT.

        Args:
            event: with its receipt time; events come in the order of their times.

        Returns:
            What to do, in this order; for a `Tick` the motors' set-point comes first.
        """
        try:
            effects = self._handlers[type(event)](event)
            effects += self._changes(event.at)
        except Exception as error:  # noqa: BLE001 - the one place where our own bugs end: DESIGN, "the way of the data"
            effects = self._fail(event, error)
        return tuple(effects)

    # --- the cycle ----------------------------------------------------------------------------------------------

    def _tick(self, event: Tick) -> list[Effect]:
        now = event.at
        effects: list[Effect] = []
        effects += self._stop(self._causes_of_tick(event), now)
        self._last_tick = event.scheduled
        if not self._placed:
            self._try_to_place(now)
        if self._state.state is State.INIT:
            self._try_to_leave_init(event)
        rulings: tuple[Ruling, ...] = ()
        notes: tuple[Note, ...] = ()
        if self._placed:
            if self._state.permits_motion:
                rulings = self._commands.advance()
            notes = self._motion.advance(self._rules())
            self._measured.commanded(self._motion.state[0])
            effects.insert(0, self._actuate(now))
        for ruling in rulings:
            effects += self._ruled(ruling, now)
        effects += self._noted(notes, now)
        effects += self._course(now)
        effects += self._replies
        self._replies = []
        return effects

    def _causes_of_tick(self, event: Tick) -> set[Code]:
        """Collect what this moment itself says: e-stop, overrun, log, ages, switches."""
        now, state = event.at, self._state.state
        causes: set[Code] = set()
        estop = self._estop.sample(event.estop, now)
        if estop is not None and (state is not State.INIT or estop is Code.ESTOP):
            causes.add(estop)
        self._sample_switch(event.estop, causes)
        if event.at - event.scheduled > self._timing.overrun and self._last_tick:
            self._overruns = [at for at in self._overruns if now - at < _HOUR] + [now]
            too_many = len(self._overruns) >= self._timing.overruns_per_hour
            causes.add(Code.OVERRUNS if too_many else Code.OVERRUN)
        self._conditions.set(Code.LOG, not event.log_ok)
        self._conditions.set(Code.STATE_STALE, bool(self._measured.stale(now)))
        if self._measured.left_standstill() and state in _MONITORED:
            causes.add(Code.STANDSTILL_LEFT)
        if state is State.RECOVERY and self._held_once and now > self._held_until:
            causes.add(Code.HOLD_TO_RUN)
        causes |= self._conditions.active()
        if state is State.RECOVERY:
            causes = {code for code in causes if not CAUSE_OF[code].permits_recovery or code is Code.STOP_REQUEST}
        return causes

    def _sample_switch(self, estop: EstopInput, causes: set[Code]) -> None:
        """MANUAL moves only while the enabling switch is held in its middle, pressed after it was seen released."""
        previous, self._estop_now = self._estop_now, estop
        if self._state.state is not State.MANUAL:
            self._enabled = self._switch_released = False
            return
        if estop.enabling_switch == "released":
            self._switch_released = True
        middle = estop.enabling_switch == "middle" and estop.integrity == "high"
        if self._enabled and not middle:
            causes.add(Code.ENABLING_SWITCH)
        self._enabled = middle and (self._enabled or self._switch_released)
        if previous.mode_key != estop.mode_key and "none" not in (previous.mode_key, estop.mode_key):
            causes.add(Code.MODE_CHANGE)

    def _rules(self) -> Rules:
        envelope = self._configuration.envelope
        if self._state.state is State.MANUAL:
            return Rules(envelope.manual_frame_speed)
        if self._state.state is State.RECOVERY:
            return Rules(envelope.recovery_frame_speed, recovery=True)
        return Rules(envelope.frame_speed)

    def _actuate(self, now: int) -> Actuate:
        motion = self._motion
        q, v, a = motion.state.tolist()
        self._cycle += 1
        horizon = motion.horizon() if self._with_horizon else ()
        return Actuate(now, self._cycle, tuple(q), tuple(v), tuple(a), horizon, not motion.at_rest)

    def _course(self, now: int) -> list[Effect]:
        """Let states end that end by themselves: at standstill, by time, or because nothing moves any more."""
        state, motion = self._state, self._motion
        if not motion.at_rest:
            self._last_moved = now
        match state.state:
            case State.STOPPING:
                return self._course_of_stop(now)
            case State.PROTECTIVE_STOP:
                state.standstill(now)
            case State.READY:
                if now - state.since > self._timing.ready_timeout:
                    state.expire(now, Code.READY_TIMEOUT)
            case State.AUTO_HOLDING:
                if motion.at_rest and now - max(state.since, self._last_moved) > self._timing.idle:
                    state.expire(now, Code.IDLE)
            case State.MANUAL:
                if now - max(state.since, self._last_moved) > self._timing.manual_idle:
                    state.expire(now, Code.IDLE)
            case State.RECOVERY:
                inside = not self._conditions.active() & {Code.MEASURED_POSITION, Code.MEASURED_WORKSPACE}
                if inside or now - state.since > self._timing.recovery_timeout:
                    state.expire(now, Code.RECOVERY_ENDED)
            case State.EMERGENCY_STOP:
                if self._estop.release(now):
                    state.estop_released(now)
            case _:
                pass
        return []

    def _course_of_stop(self, now: int) -> list[Effect]:
        """Monitor the stop ramp: standstill in time, else the next harder stop (SR-007).

        While the joints are not measured nothing is known: the stop is not confirmed, and the relays are asked to open.
        """
        stale = bool(self._measured.stale(now))
        if self._motion.at_rest and not stale and self._measured.rests(now):
            self._overdue = False
            self._state.standstill(now)
            return []
        if now > self._stop_due:
            self._overdue = True
            if not stale:
                return self._stop({Code.RAMP_MISSED}, now)
        return []

    # --- stops --------------------------------------------------------------------------------------------------

    def _stop(self, causes: set[Code], now: int) -> list[Effect]:
        """Stop for causes, the hardest first; discard queued motion."""
        if not causes:
            return []
        before = self._state.state
        for rule in by_hardness(causes):
            self._state.stop(rule, now)
        if self._state.permits_motion or self._state.state is before:
            return []
        return self._purge(now)

    def _purge(self, now: int) -> list[Effect]:
        """Let everything run the kept stop, forget what was queued, and watch the ramp from now on (SR-013)."""
        effects: list[Effect] = []
        cause = self._state.cause or Code.PURGED
        for note in self._motion.stop_all():
            effects.append(self._decisions.stopped(now, note.source, note.command, cause))
        for ruling in self._commands.purge():
            effects += self._decisions.ruled(ruling, now)
        if self._state.state is State.STOPPING:
            kept_until = self._motion.kept_tick * self._timing.period + round(self._motion.kept.duration * NS_PER_S)
            left = max(0, kept_until - self._motion.tick * self._timing.period)
            allowance = self._configuration.tracking.delay + self._timing.standstill_window + self._timing.stop_allowance
            self._stop_due = now + left + allowance
            self._overdue = False
        return effects

    def _fail(self, event: Event, error: Exception) -> list[Effect]:
        """Our own code failed: FAULT, and whatever can still be done of the kept stop."""
        now = event.at
        self._state.stop(CAUSE_OF[Code.INTERNAL], now)
        effects: list[Effect] = []
        if isinstance(event, Tick) and self._placed:
            try:
                self._motion.stop_all()
                self._motion.follow_kept_blindly()
                effects.append(self._actuate(now))
            except Exception:  # noqa: BLE001 - nothing is left but silence: the controller ends in the stop it was sent
                pass
        detail = f"{type(error).__name__} while handling {type(event).__name__}: {error}"
        effects.append(self._decisions.stopped(now, "supervisor", "", Code.INTERNAL, detail[:500]))
        self._stop_due = self._stop_due or now + self._timing.stop_allowance
        effects.append(Latches(now, self._estop.latched or self._estop_latched_on_disk, Code.INTERNAL.value))
        self._known_latches = (self._estop.latched, Code.INTERNAL.value)
        effects.append(RelayDemand(now, True))
        self._known_demand = True
        return effects

    # --- start --------------------------------------------------------------------------------------------------

    def _boot(self, event: Boot) -> list[Effect]:
        self._nonce = event.nonce
        self._estop_latched_on_disk = event.emergency_stop_latched
        self._estop.restore(event.emergency_stop_latched)
        if event.fault_latched:
            self._fault_on_disk = CODE_OF.get(event.fault_latched, Code.INTERNAL)
        self._known_latches = (event.emergency_stop_latched, event.fault_latched)
        return []

    def _try_to_place(self, now: int) -> None:
        """Take the measured pose as the commanded one, once, when every joint is measured and rests."""
        if not self._measured.missing() and not self._measured.stale(now) and self._measured.rests(now):
            self._motion.place(self._measured.positions.copy())
            self._measured.restart_tracking(self._motion.state[0])
            self._placed = True

    def _try_to_leave_init(self, event: Tick) -> None:
        """Leave INIT for a stopped state; a latch found on disk decides which (SR-016, SR-047)."""
        ready = self._placed and not self._blocking_init(event.at)
        if ready or self._fault_on_disk is not None:
            latched = self._estop_latched_on_disk or self._estop.latched
            self._state.initialised(event.at, latched, self._fault_on_disk)
            self._measured.hold_here()

    def _blocking_init(self, now: int) -> tuple[Code, ...]:
        """What still keeps the supervisor in INIT."""
        blocking = []
        if self._measured.missing() or self._measured.stale(now) or not self._measured.rests(now):
            blocking.append(Code.ACT_INPUT if self._measured.missing() else Code.ACT_STANDSTILL)
        if self._estop.required and not self._estop.heard:
            blocking.append(Code.ESTOP_SILENT)
        blocking += sorted(self._conditions.active() & {Code.INCOMPATIBLE_QOS, Code.STATE_PUBLISHER, Code.LOG})
        return tuple(blocking)

    # --- commands -----------------------------------------------------------------------------------------------

    def _stream(self, event: StreamCommand) -> list[Effect]:
        ruling = self._commands.stream(event, self._last_tick)
        return [] if ruling is None else self._ruled(ruling, event.at)

    def _trajectory(self, event: TrajectoryCommand) -> list[Effect]:
        ruling = self._commands.trajectory(event)
        return [] if ruling is None else self._ruled(ruling, event.at)

    def _unreadable(self, event: CommandUnreadable) -> list[Effect]:
        return self._ruled(self._commands.unreadable(event), event.at)

    def _ruled(self, ruling: Ruling, now: int) -> list[Effect]:
        """Report a ruling, let the state follow it, and stop a source that is refused too often."""
        effects: list[Effect] = list(self._decisions.ruled(ruling, now))
        if ruling.began:
            self._state.moving(now)
        if ruling.verdict == "REJECT" and ruling.violation is not None and not ruling.repeated:
            self._hold_if_stopped(ruling.violation.code, now)
            effects += self._count_refusal(ruling, now)
        return effects

    def _count_refusal(self, ruling: Ruling, now: int) -> list[Effect]:
        """Count refusals while motion is permitted; too many are a protective stop and quarantine."""
        session = self._commands.sessions.get(ruling.source)
        if session is None or not self._state.permits(session.settings.kind) or session.quarantined:
            return []
        if not session.count_refusals(ruling.count, now):
            return []
        session.quarantined = True
        return self._stop({Code.REFUSALS}, now)

    def _noted(self, notes: tuple[Note, ...], now: int) -> list[Effect]:
        """Report what happened to motion under way, and hold when nothing moves any more."""
        effects: list[Effect] = []
        for note in notes:
            effects.append(self._decisions.noted(note, now))
            if note.code is Code.NOT_FINITE_RESULT:
                effects += self._stop({Code.NOT_FINITE_RESULT}, now)
            elif note.violation is not None:
                ruling = Ruling(note.source, note.command, "REJECT", note.violation)
                effects += self._count_refusal(ruling, now)
            self._hold_if_stopped(note.code, now)
        return effects

    def _hold_if_stopped(self, code: Code, now: int) -> None:
        if self._state.state is State.AUTO_MOVING and not any(lane.source for lane in self._motion.lanes.values()):
            self._state.holding(now, code)

    # --- inputs -------------------------------------------------------------------------------------------------

    def _joint_states(self, event: JointStates) -> list[Effect]:
        measured, state = self._measured, self._state.state
        causes = set(measured.update(event))
        if measured.missing():
            return self._stop(causes, event.at)
        limits = measured.limit_codes()
        for code in (Code.MEASURED_POSITION, Code.MEASURED_VELOCITY):
            self._conditions.set(code, code in limits)
        if event.at - self._workspace_checked >= _WORKSPACE_EVERY:
            self._workspace_checked = event.at
            self._conditions.set(Code.MEASURED_WORKSPACE, measured.workspace_code() is not None)
        if state in _TRACKED and self._placed and not measured.follows():
            causes.add(Code.TRACKING)
        return self._stop(causes, event.at)

    def _source_endpoints(self, event: SourceEndpoints) -> list[Effect]:
        session = self._commands.sessions.get(event.source)
        if session is None:
            return []
        session.publishers = event.publishers
        doubled = any(other.doubled for other in self._commands.sessions.values())
        self._conditions.set(Code.ENDPOINT_REPLACED, doubled)
        self._state.bump()
        return []

    def _source_liveliness(self, event: SourceLiveliness) -> list[Effect]:
        session = self._commands.sessions.get(event.source)
        if session is None:
            return []
        session.alive = event.alive
        if event.alive or session.live or not self._commands.lose(event.source):
            return []
        effects: list[Effect] = [self._decisions.stopped(event.at, event.source, "", Code.SOURCE_DIED)]
        self._hold_if_stopped(Code.SOURCE_DIED, event.at)
        return effects

    def _output_endpoints(self, event: OutputEndpoints) -> list[Effect]:
        self._conditions.set(Code.OUTPUT_PUBLISHER, bool(event.foreign))
        return []

    def _joint_state_endpoints(self, event: JointStateEndpoints) -> list[Effect]:
        self._conditions.set(Code.STATE_PUBLISHER, self._conditions.wrong_state_publishers(event.nodes))
        return []

    def _robot_description(self, event: RobotDescription) -> list[Effect]:
        self._conditions.set(Code.CONFIGURATION_CHANGED, event.sha256 != self._configuration.robot.urdf_sha256)
        return []

    def _incompatible(self, event: IncompatibleEndpoint) -> list[Effect]:
        if event.required:
            self._conditions.set(Code.INCOMPATIBLE_QOS, True)
        return []

    def _adapter_fault(self, event: AdapterFault) -> list[Effect]:
        code = CODE_OF.get(event.code, Code.INTERNAL)
        code = code if code in CAUSE_OF else Code.INTERNAL
        effects = self._stop({code}, event.at)
        return [self._decisions.stopped(event.at, "supervisor", "", code, event.detail[:500]), *effects]

    # --- people -------------------------------------------------------------------------------------------------

    def _stop_requested(self, event: StopRequested) -> list[Effect]:
        """A protective stop for anyone; the reply follows the set-point of the next cycle."""
        effects = self._stop({Code.STOP_REQUEST}, event.at)
        if event.request:
            self._replies.append(Reply(event.at, event.request, True, "", "stopping"))
        return effects

    def _operator_act(self, event: OperatorAct) -> list[Effect]:
        refusal = self._judge_act(event)
        if refusal is not None:
            return [Reply(event.at, event.request, False, refusal.code.value, refusal.message)]
        effects: list[Effect] = []
        now = event.at
        match event.act:
            case "reset":
                self._state.reset(now)
                self._commands.forgive()
                effects += [e for ruling in self._commands.purge() for e in self._decisions.ruled(ruling, now)]
                self._resume_from_measured()
            case "start":
                self._state.start("manual" if event.target == "manual" else "auto", now)
                self._last_moved = now
                self._measured.release_hold()
            case "mode":
                effects += self._stop({Code.MODE_CHANGE}, now)
            case "recover":
                self._state.recover(now)
                self._held_once = False
                self._hold_counter = -1
                self._measured.release_hold()
                self._resume_from_measured()
            case "maintainer":
                self._state.maintained(now)
                self._fault_on_disk = None
                self._placed = False
        return [*effects, Reply(now, event.request, True, "", event.act)]

    def _judge_act(self, event: OperatorAct) -> ActRefusal | None:
        """Say why an act is refused; None when it may be done."""
        if event.epoch >= 0 and event.epoch != self._state.epoch:
            return ActRefusal(Code.ACT_EPOCH, f"epoch is {self._state.epoch}, the request carries {event.epoch}")
        state = self._state.state
        rests = self._placed and self._motion.at_rest and self._measured.rests(event.at)
        active = self._active(event.at)
        match event.act:
            case "reset":
                return judge_reset(state, active, rests)
            case "start":
                return judge_start(state, active, self._motion.at_rest, event.target, self._estop_now)
            case "recover":
                return judge_recover(state, active, rests)
            case "mode":
                return None
            case "maintainer":
                return None if state is State.FAULT else ActRefusal(Code.ACT_STATE, f"state is {state.value}")

    def _resume_from_measured(self) -> None:
        """Let the set-point meet the robot (SR-015): slowly where the drives hold it, at once where they can not."""
        measured = self._measured.positions.copy()
        gap = np.abs(measured - self._motion.state[0])
        if (gap > self._configuration.tracking.bound).any():
            self._motion.place(measured)
        elif (gap > self._configuration.tracking.rest).any():
            self._motion.glide_to(measured)
        self._measured.restart_tracking(self._motion.state[0])

    def _hold_to_run(self, event: HoldToRun) -> list[Effect]:
        """Take the pressed button's counter; an old one is no sign of life."""
        if event.counter > self._hold_counter:
            self._hold_counter = event.counter
            self._held_until = event.at + self._timing.hold_to_run_timeout
            self._held_once = True
        return []

    # --- what is told -------------------------------------------------------------------------------------------

    def _active(self, now: int) -> tuple[Code, ...]:
        """Causes that hold now, the hardest first, after what keeps INIT."""
        codes = self._conditions.active() | self._estop_codes(now)
        ordered = tuple(rule.code for rule in by_hardness(codes))
        return self._blocking_init(now) + ordered if self._state.state is State.INIT else ordered

    def _estop_codes(self, now: int) -> set[Code]:
        if not self._estop.required:
            return set()
        if self._estop_now.state == "stop":
            return {Code.ESTOP}
        fresh = 0 < self._estop_now.received_at <= now <= self._estop_now.received_at + self._timing.estop_timeout
        return set() if self._estop_now.state == "run" and fresh else {Code.ESTOP_SILENT}

    def _changes(self, now: int) -> list[Effect]:
        """Report latches, relay demand and status where they changed; the status at 10 Hz besides."""
        state = self._state
        stopping_for = state.target if state.state is State.STOPPING else state.state
        if self._state.state is State.INIT:
            latches = self._known_latches
        else:
            fault = (state.cause or Code.INTERNAL).value if stopping_for is State.FAULT else ""
            latches = (self._estop.latched or stopping_for is State.EMERGENCY_STOP, fault)
            if state.state is not State.FAULT:
                self._estop_latched_on_disk = False
        effects: list[Effect] = []
        if latches != self._known_latches:
            self._known_latches = latches
            effects.append(Latches(now, *latches))
        demand = stopping_for in (State.EMERGENCY_STOP, State.FAULT) or (state.category <= 1) or self._overdue
        if demand != self._known_demand:
            self._known_demand = demand
            effects.append(RelayDemand(now, demand))
        if state.state in _MONITORED and not self._conditions.has(Code.STATE_STALE):
            if state.since == now:
                self._measured.hold_here()
        elif state.state not in _MONITORED:
            self._measured.release_hold()
        key = (state.state, state.cause, state.epoch, self._conditions.version)
        if key != self._known_status or now - self._status_at >= _STATUS_PERIOD:
            self._known_status, self._status_at = key, now
            effects.append(self._status(now))
        return effects

    def _status(self, now: int) -> Status:
        state = self._state
        active = self._active(now)
        mode = "manual" if state.state is State.MANUAL else "auto" if state.state in AUTO else "none"
        return Status(
            at=now,
            state=state.state.value,
            cause=state.cause.value if state.cause else "",
            active_causes=tuple(code.value for code in active),
            next_step=next_step(state.state, state.cause, active),
            mode=mode,  # type: ignore[arg-type]
            speed_scale=1.0,
            epoch=state.epoch,
            nonce=self._nonce,
            configuration=self._configuration.sha256,
            source=next((lane.source for lane in self._motion.lanes.values() if lane.source), ""),
            distance_to_limit=self._motion.distance_to_limit() if self._placed else 0.0,
            tracking_error=self._measured.tracking_error,
        )
