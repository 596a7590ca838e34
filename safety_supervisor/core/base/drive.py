"""Who drives the base, and what it is sent: commands judged, one source at a time, the gate's word every cycle.

A source drives while its commands come. A refused or late one lets the base run its verified stop, as do a stop of
the robot and every state that permits no motion; the next good command resumes (SR-054).

Requirements: SR-013, SR-024, SR-026, SR-030, SR-031, SR-036, SR-054.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from safety_supervisor.core.base.gate import BaseGate, Gated, GateReason, People, WantedTwist
from safety_supervisor.core.base.motion import REST, PlanarPose, PlanarTwist
from safety_supervisor.core.base.odometry import FARTHEST, OdometryJudge
from safety_supervisor.core.base.settings import BaseSettings
from safety_supervisor.core.base.world import WorldBodies
from safety_supervisor.core.commands import Commands
from safety_supervisor.core.effects import DriveBase, Effect
from safety_supervisor.core.errors import Code, Violation
from safety_supervisor.core.events import BaseCommand, Odometry, OdometryEndpoints
from safety_supervisor.core.inputs import Inputs
from safety_supervisor.core.notes import Note
from safety_supervisor.core.policy.gate import NOT_ASKED
from safety_supervisor.core.ruling import Ruling
from safety_supervisor.core.settings import CommandKind, Configuration, SourceSettings
from safety_supervisor.core.states.safety_state import SafetyState
from safety_supervisor.core.states.state_table import AUTO, State
from safety_supervisor.core.units import NS_PER_S, Matrix, Nanoseconds, Vector, seconds

BaseEvent: TypeAlias = Odometry | OdometryEndpoints
"""What the world says of the base."""

_DRIVES: Final = frozenset({State.MANUAL, *AUTO})
_REMEMBERED: Final = 2 * NS_PER_S
"""What was sent is known for so long: longer than jumps count together, and a pose is old."""
_SLOW: Final = frozenset({State.MANUAL, State.AUTO_REDUCED})
_CODES: Final = {
    GateReason.SPEED: (Code.BASE_LIMIT, "base.speed"),
    GateReason.ACCELERATION: (Code.BASE_LIMIT, "base.acceleration"),
    GateReason.FENCE: (Code.GEOFENCE, "base.fence"),
    GateReason.PEOPLE: (Code.SEPARATION, "base.people"),
    GateReason.WORLD: (Code.WORKSPACE, "zones"),
    GateReason.PEOPLE_UNKNOWN: (Code.PEOPLE_UNKNOWN, "base.people"),
    GateReason.POSE_STALE: (Code.BASE_UNKNOWN, "base.odometry"),
    GateReason.POSE_NOT_FINITE: (Code.BASE_UNKNOWN, "base.odometry"),
}


class BaseDrive:
    """Drives the base where one is configured; without one it does nothing.

    Attributes:
        driver: the source that drives now, empty for none.
    """

    def __init__(
        self,
        configuration: Configuration,
        state: SafetyState,
        commands: Commands,
        inputs: Inputs,
        world: WorldBodies,
    ) -> None:
        """Start at rest, with nobody who drives and the base's place unknown."""
        self._configuration = configuration
        self._state = state
        self._commands = commands
        self._inputs = inputs
        self._world = world
        self._settings: BaseSettings | None = configuration.base
        self._frame = configuration.robot.base_frame
        if self._settings is not None:
            self._gate = BaseGate(self._settings.gate)
            self._odometry = OdometryJudge(self._settings, self._frame)
            if any(CommandKind.CMD_VEL in source.commands for source in configuration.sources):
                self._odometry.fastest = self._fastest  # else others drive it
            inputs.conditions.note(Code.BASE_UNKNOWN, True)
            if inputs.people is not None:
                inputs.people.carrier = self._carry
        self._sent: deque[tuple[Nanoseconds, PlanarTwist]] = deque()
        self.driver = ""
        self._command = ""
        self._wanted: WantedTwist | None = None
        self._counts: dict[str, int] = {}
        self._stamps: dict[str, int] = {}
        self._refused: Code | None = None
        self._rulings: list[Ruling] = []
        self._notes: list[Note] = []
        self._placed: tuple[int, People | None] = (-1, None)
        self._carried: tuple[PlanarPose | None, bool] = (None, False)

    # --- what arrives

    def told(self, event: BaseEvent) -> tuple[set[Code], Violation | None]:
        """Take what the world says of the base.

        Returns:
            Causes of a stop at once, and what is wrong with the message, once while it stays the same.
        """
        if self._settings is None:
            return set(), None
        causes: set[Code] = set()
        refusal: Violation | None = None
        if isinstance(event, OdometryEndpoints):
            causes = {Code.BASE_UNKNOWN} if self._odometry.publishers(event) else causes
        else:
            refusal = self._odometry.take(event)
            before, self._refused = self._refused, None if refusal is None else refusal.code
            if self._refused is Code.BASE_JUMP:
                causes = {Code.BASE_JUMP}
                self._placed = (-1, None)
            elif self._refused is before:
                refusal = None
        self.look(event.at)
        return causes, refusal

    def begin(self, now: Nanoseconds) -> None:
        """Begin a cycle: note whether it is known where the base is, and place the bodies of the world by it."""
        self.look(now)
        if self._settings is not None:
            by = self._odometry.pose, bool(self.rests(now))
            if self._inputs.people is not None and by != self._carried:
                self._carried = by
                self._inputs.people.settle()
            self._world.settle(None if self._odometry.unknown(now) else self._odometry.pose)

    def look(self, now: Nanoseconds) -> None:
        """Note whether it is known where the base is."""
        if self._settings is None:
            return
        text, conditions = self._odometry.unknown(now), self._inputs.conditions
        if text and Code.BASE_UNKNOWN not in conditions.active() and self._refused is None:
            # Once, and only where no refused message has said it already.
            self._rulings.append(Ruling("odom", "", "REJECT", Violation(Code.BASE_UNKNOWN, "base", detail=text)))
        conditions.note(Code.BASE_UNKNOWN, bool(text))

    def command(self, event: BaseCommand) -> Ruling | None:
        """Rule on a command. Returns None for a repeated PASS."""
        source, number = event.source, self._counts.get(event.source, 0) + 1
        self._counts[source] = number
        command = f"{source}-base-{number}"
        session = self._commands.sessions.get(source)
        violation: Violation | None
        judged = NOT_ASKED
        if self._settings is None:
            violation = Violation(Code.COMMAND_KIND, "source.commands", detail="no base is configured")
        elif session is None:
            violation = Violation(Code.UNKNOWN_SOURCE, "command.source")
        else:
            violation = self._malformed(event, session.settings, self._settings) or self._not_now(
                event, session.settings
            )
            if violation is None:
                judged = self._commands.policy_on_drive(event, session)
                violation = judged.violation
        if violation is not None:
            self.drop(source, violation)
            return self._commands.refuse(source, command, violation)
        began = self.driver != source
        if began and self.driver:
            self._notes.append(Note(self.driver, self._command, Code.PREEMPTED, detail=f"{source} took over the base"))
        self.driver, self._command = source, command
        self._wanted = WantedTwist(event.linear, event.angular, event.received or event.at)
        passed = Ruling(source, command, "PASS", began=began, detail=judged.said)
        return passed if began or judged.fresh else None

    def _malformed(self, event: BaseCommand, source: SourceSettings, settings: BaseSettings) -> Violation | None:
        if CommandKind.CMD_VEL not in source.commands:
            return Violation(Code.COMMAND_KIND, "source.commands")
        if not all(abs(number) <= FARTHEST for number in (*event.linear, *event.angular)):
            return Violation(Code.NOT_FINITE, "command.twist")
        if event.frame_id != self._frame:
            return Violation(Code.BASE_FRAME, "command.frame_id", detail=f"not in {self._frame}")
        (_, y, z), (roll, pitch, _) = event.linear, event.angular
        if z or roll or pitch or (y and not settings.gate.sideways):
            return Violation(Code.BASE_AXES, "command.axes")
        if event.stamp != 0:
            away, limit = seconds(event.clock - event.stamp), seconds(source.stamp_tolerance)
            if not abs(away) <= limit:
                return Violation(Code.STAMP, "command.stamp", away, limit)
            last = self._stamps.get(source.name, 0)
            if event.stamp <= last:
                return Violation(Code.OUT_OF_ORDER, "command.stamp", seconds(event.stamp), seconds(last))
            self._stamps[source.name] = event.stamp
        return None

    def _not_now(self, event: BaseCommand, source: SourceSettings) -> Violation | None:
        violation = self._commands.may_drive(source.name, event.received)
        if violation is None and self._state.state not in _DRIVES:
            violation = Violation(Code.NOT_MOVING_STATE, "state", detail="the base rests in this state")
        if violation is None and self.driver not in ("", source.name):
            held = self._commands.sessions[self.driver].settings.priority
            if source.priority <= held:
                violation = Violation(
                    Code.PRIORITY, "source.priority", float(source.priority), float(held), self.driver
                )
        return violation

    # --- what ends

    def drop(self, source: str, violation: Violation) -> None:
        """Let the base run its stop where the source that drives it had a command refused, of whatever kind."""
        if source == self.driver and violation.code is not Code.PRIORITY:
            self._release()

    def stop(self) -> tuple[Note, ...]:
        """Let the base run its stop, for a cause; return whose motion that was."""
        notes = (Note(self.driver, self._command, Code.PURGED),) if self.driver else ()
        self._release()
        return notes

    def _release(self) -> None:
        self.driver, self._wanted = "", None

    # --- every cycle

    def step(self, now: Nanoseconds) -> list[Effect]:
        """Return what the base is sent in this cycle; nothing in INIT, as the motors."""
        settings, state = self._settings, self._state.state
        if settings is None or state is State.INIT:
            return []
        if self._wanted is not None and now - self._wanted.received > settings.gate.command_timeout:
            age, limit = seconds(now - self._wanted.received), seconds(settings.gate.command_timeout)
            late = Violation(Code.LATE, "base.command_timeout", age, limit, detail="no cmd_vel came in time")
            self._notes.append(Note(self.driver, self._command, Code.LATE, late))
            self._release()
        wanted = self._wanted if state in _DRIVES else None
        speed = settings.slow_speed if state in _SLOW else math.inf
        pose, room = self._odometry.pose, math.inf if wanted is None else self._world.room()
        gated = self._gate.step(now, wanted, pose, self._people(now, state), speed, room)
        if pose is not None:
            self._world.allow(self._gate.moves(now, pose))
        if wanted is not None and gated.reason in _CODES:
            self._rulings.append(self._limited(wanted, gated))
        return [self._drive(now, gated.twist)]

    def brake(self, now: Nanoseconds, *, sends: bool) -> list[Effect]:
        """Stop after our own code failed, whatever was half done; return the next step where this event `sends` one."""
        self._release()
        if self._settings is None or self._state.state is State.INIT or not sends:
            return []
        try:
            return [self._drive(now, self._gate.brake(now))]
        except Exception:
            return []  # nothing is left but silence: the base's own deadman stops it

    def take(self) -> tuple[tuple[Ruling, ...], tuple[Note, ...]]:
        """Return what there is to tell, and forget it."""
        told = tuple(self._rulings), tuple(self._notes)
        self._rulings, self._notes = [], []
        return told

    def _limited(self, wanted: WantedTwist, gated: Gated) -> Ruling:
        code, rule, joint = *_CODES[gated.reason], ""
        if gated.reason is GateReason.WORLD and self._world.nearest is not None:
            nearest = self._world.nearest
            code, rule, joint = nearest.code, nearest.rule, nearest.joint
        asked = PlanarTwist(wanted.linear[0], wanted.linear[1], wanted.angular[2])
        seen, sent = (asked.speed, gated.twist.speed) if asked.speed else (abs(asked.turn), abs(gated.twist.turn))
        violation = Violation(code, rule, seen, sent, joint, gated.reason.value)
        return Ruling(self.driver, self._command, "LIMIT", violation)

    def _carry(self, points: Matrix, seen: NDArray[np.int64]) -> tuple[Matrix, Vector] | None:
        separation = self._configuration.separation
        assert separation is not None  # people are told
        return self._odometry.carry(points, seen, separation.latency, still=self._carried[1])

    def _people(self, now: Nanoseconds, state: State) -> People | None:
        """Return where people are in the fence's frame; None where that is unknown."""
        people, separation = self._inputs.people, self._configuration.separation
        if people is None or separation is None or state is State.MANUAL:
            return People(np.zeros((0, 2)), now)  # nobody is watched, or a person beside it drives it slowly
        if people.unknown(now):
            return None
        if self._placed[0] != people.version or self._placed[1] is None:
            self._placed = people.version, self._odometry.place(people.points, people.seen, separation.latency)
        return self._placed[1]

    def _drive(self, now: Nanoseconds, twist: PlanarTwist) -> DriveBase:
        if not all(map(math.isfinite, twist)):
            raise FloatingPointError("the base's velocity is not finite")
        while self._sent and self._sent[0][0] < now - _REMEMBERED:
            self._sent.popleft()
        self._sent.append((now, twist))
        return DriveBase(now, twist.x, twist.y, twist.turn, twist != REST)

    def _fastest(self, since: Nanoseconds) -> tuple[float, float]:
        """Return the greatest speed [m/s] and turning [rad/s] that were sent and may be followed since a moment."""
        assert self._settings is not None
        gate = self._settings.gate
        since -= gate.reaction + 2 * gate.period
        if not self._sent or self._sent[0][0] > since:
            return gate.speed, gate.turning
        followed = [twist for at, twist in self._sent if at > since]
        followed += [twist for at, twist in self._sent if at <= since][-1:]
        return max(twist.speed for twist in followed), max(abs(twist.turn) for twist in followed)

    # --- how it rests

    @property
    def left(self) -> Nanoseconds:
        """Time until the base rests when it stops now, [ns]; 0 where it was sent no motion."""
        if self._settings is None or not self._gate.stop:
            return 0
        return self._gate.stop + self._settings.gate.reaction

    def rests(self, now: Nanoseconds) -> bool | None:
        """Whether the base was sent rest and is measured at rest; None while its place is unknown."""
        if self._settings is None:
            return True
        if self._gate.stop:
            return False
        return self._odometry.rests(now, self._configuration.timing.standstill_window)
