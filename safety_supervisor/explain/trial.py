"""A command on trial: the whole core, an ideal robot, no time and no motors.

The supervisor boots, a person resets and starts, the command comes, and cycles run until it has ended or was refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import msgspec
import numpy as np

from safety_supervisor.boot_script import BootScript
from safety_supervisor.core.act_events import OperatorAct
from safety_supervisor.core.effects import Actuate, Decision, Effect, Reply
from safety_supervisor.core.events import Event, StreamCommand, TrajectoryCommand
from safety_supervisor.core.policy.server import PolicyServer
from safety_supervisor.core.settings import CommandKind, Configuration, SourceKind, SourceSettings
from safety_supervisor.core.supervisor import Supervisor
from safety_supervisor.core.units import NS_PER_S, Nanoseconds, Vector
from safety_supervisor.explain.case import Case, ExplainError, Subject, subject_of
from safety_supervisor.explain.command_file import CommandFile

PATIENCE: Nanoseconds = 5 * NS_PER_S
"""What a start, a verdict or the end after the last point may take."""
LATE = "E_LATE"
"""How a stream of one set-point ends."""


def case_of_command(configuration: Configuration, file: CommandFile, source: str = "") -> Case:
    """Try a command and tell what came of it: the first refusal, else the last decision.

    Args:
        configuration: of the robot.
        file: the command.
        source: who sends it; empty: the first that may, an agent before a person.

    Raises:
        ExplainError: there is no start pose, the robot can not be started there, or no source may send it.
    """
    served = isinstance(configuration.policy, PolicyServer)
    if served:
        configuration = replace(configuration, policy=None)  # no time passes here in which it could answer
    trial = _Trial(configuration, _start_pose(configuration, file.start))
    settings = _choose_source(configuration, file.command, source)
    trial.arm()
    case = trial.judge(file.command, settings.name)
    notes = [f"Tried as source {settings.name} from the {'given' if file.start else 'configured'} start pose."]
    if isinstance(file.command, StreamCommand):
        notes.append("One set-point is to be reached within one period of its source; a longer way needs a trajectory.")
    if settings.needs_session:
        notes.append("Its agent has to introduce itself; here it had not to, and the policy was asked without a model.")
    if configuration.separation is not None:
        notes.append("People are watched; nobody was near.")
    if served:
        notes.append("The policy server was not asked: it may refuse what passes here.")
    return Case(configuration, *case, tuple(notes))


def _start_pose(configuration: Configuration, given: dict[str, float]) -> Vector:
    robot = configuration.robot
    unknown = sorted(set(given) - set(robot.joints))
    if unknown:
        raise ExplainError(f"start: {', '.join(unknown)}: not among the joints {', '.join(robot.joints)}")
    rest = dict(zip(robot.joints, robot.start, strict=True)) if robot.start is not None else {}
    pose = rest | given
    missing = [joint for joint in robot.joints if joint not in pose]
    if missing:
        raise ExplainError(
            f"where is the robot? {', '.join(missing)} missing: add `start: {{...}}` to the command file, or "
            "`robot.start` to the configuration"
        )
    return np.array([pose[joint] for joint in robot.joints])


def _choose_source(
    configuration: Configuration, command: StreamCommand | TrajectoryCommand, name: str
) -> SourceSettings:
    if name:
        try:
            return configuration.source(name)
        except KeyError:
            names = ", ".join(source.name for source in configuration.sources)
            raise ExplainError(f"no source {name!r}; there are {names}") from None
    kind = CommandKind.TRAJECTORY
    if isinstance(command, StreamCommand):
        kind = CommandKind.VELOCITY if command.velocities else CommandKind.POSITION
    able = [source for source in configuration.sources if kind in source.commands]
    if not able:
        raise ExplainError(f"no source may send {kind.value} commands: name one with --source to see its refusal")
    return min(able, key=lambda source: source.kind is not SourceKind.AGENT)


class _Trial:
    """A supervisor and a robot that is always where it was commanded a cycle ago."""

    def __init__(self, configuration: Configuration, pose: Vector) -> None:
        self._configuration = configuration
        self._supervisor = Supervisor(configuration.without_sessions())
        self._script = BootScript(configuration, "trial")
        self._pose = tuple(pose.tolist())
        self._now: Nanoseconds = NS_PER_S
        self.decisions: list[Decision] = []
        self._replies: list[Reply] = []

    def _send(self, event: Event) -> None:
        effects: tuple[Effect, ...] = self._supervisor.handle(event)
        for effect in effects:
            if isinstance(effect, Actuate):
                self._pose = effect.positions
            elif isinstance(effect, Decision):
                self.decisions.append(effect)
            elif isinstance(effect, Reply):
                self._replies.append(effect)

    def _cycles(self, duration: Nanoseconds) -> Iterator[None]:
        period = self._configuration.timing.period
        for _ in range(duration // period):
            self._now += period
            self._send(self._script.measure(self._now, self._pose))
            for told in self._script.world(self._now):
                self._send(told)
            self._send(self._script.tick(self._now))
            yield

    def arm(self) -> None:
        """Bring the supervisor to AUTO.

        Raises:
            ExplainError: it does not go there, with its reason.
        """
        for event in self._script.begin(self._now):
            self._send(event)
        for _ in self._cycles(PATIENCE):
            state = self._supervisor.state
            if state.startswith("AUTO"):
                return
            act = self._script.act(self._now, state)
            if act is not None:
                self._do(act)
        raise ExplainError(f"the robot can not be started at the start pose: it stays in {self._supervisor.state}")

    def _do(self, act: OperatorAct) -> None:
        self._send(act)
        reply = self._replies[-1]
        if not reply.ok:
            raise ExplainError(
                f"the robot can not be started at the start pose: {act.act} is refused, {reply.code} {reply.message}"
            )

    def judge(self, command: StreamCommand | TrajectoryCommand, source: str) -> tuple[Subject, Vector]:
        """Send the command; return its first refusal, else its last decision, and the pose commanded before it."""
        length = command.times[-1] if isinstance(command, TrajectoryCommand) and command.times else 0
        longest = self._configuration.source(source).max_trajectory_duration
        self.decisions.clear()
        before = np.array(self._pose)
        self._send(msgspec.structs.replace(command, at=self._now, source=source))
        last: tuple[Subject, Vector] | None = None
        cycles = self._cycles(min(max(length, 0), longest) + PATIENCE)
        while True:
            for decision in self.decisions:
                if last is not None and decision.code == LATE:
                    return last
                last = subject_of(decision), before
                if decision.verdict != "PASS" or decision.code:
                    return last
            self.decisions.clear()
            before = np.array(self._pose)
            if next(cycles, False) is False:
                break
        if last is None:
            raise ExplainError("the supervisor did not decide in time")
        return last
