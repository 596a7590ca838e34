"""A rehearsal before arming: the whole path of a command, on a core of its own that moves nothing.

The first pass through code is slow: imports, caches, memory that was never touched. Everything that the cycle will do
is done here some hundred times with invented joint states, and all of it is thrown away.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import msgspec

from safety_supervisor.boot_script import BootScript
from safety_supervisor.core.act_events import OperatorAct, StopRequested
from safety_supervisor.core.effects import Actuate, Decision, Status
from safety_supervisor.core.events import BaseCommand, Event, JointStates, StreamCommand
from safety_supervisor.core.policy.verdict import Allow, Policy, Verdict
from safety_supervisor.core.settings import CommandKind, Configuration, SourceSettings
from safety_supervisor.core.supervisor import Supervisor
from safety_supervisor.core.units import NS_PER_S, Nanoseconds, seconds
from safety_supervisor.ros.messages import StatusWriter, decision_message
from safety_supervisor.ros.outputs import Output

CYCLES = 600
TOOLS_AT, RESET_AT, STOP_AT = 120, 200, 560
_AMPLITUDE = 0.01
_FREQUENCY_HZ = 0.5
_FAR = struct.pack("3d", 100.0, 0.0, 0.0)
"""Where a person is who is in nobody's way, [m]."""


class Rehearsed:
    """A policy that is asked as ever, and whose answer does not count: what it denies would stay cold."""

    def __init__(self, policy: Policy) -> None:
        """Ask this one."""
        self._policy = policy
        self.used = policy.used
        self.denials = policy.denials
        self.kinds = policy.kinds
        self.hold_kinds = policy.hold_kinds

    def judge(self, facts: Mapping[str, object]) -> Verdict:
        """Ask, and allow."""
        self._policy.judge(facts)
        return Allow()


class Rehearsal:
    """Invents the events of a short, harmless motion."""

    def __init__(self, configuration: Configuration) -> None:
        """Begin at an arbitrary time."""
        self.now: Nanoseconds = NS_PER_S
        self._configuration = configuration
        self._script = BootScript(configuration, "warm-up", _FAR)
        limits = configuration.envelope.joints
        self._middle = [float(value) for value in (limits.lower + limits.upper) / 2]
        balance, observed = configuration.balance, configuration.observed
        if configuration.robot.start is not None and (balance is not None or observed is not None):
            self._middle = list(configuration.robot.start)  # where it stands, or others hold it
        self._observed = frozenset(() if observed is None else observed.joints)
        self._due: Nanoseconds = 0
        self._began: Nanoseconds = 0  # of the motion; 0 while none is wanted

    def begin(self) -> Iterator[Event]:
        """Yield what a boot begins with."""
        return self._script.begin(self.now)

    def cycle(self, number: int) -> Iterator[Event]:
        """Yield the events of one control period: measurement, a person's acts, set-points, the tick."""
        self.now += self._configuration.timing.period
        yield self._measure()
        yield from self._script.world(self.now)
        if number == RESET_AT:
            yield self._script.reset(self.now)
        elif TOOLS_AT <= number < RESET_AT:
            yield from self._carry(number - TOOLS_AT)
        elif number == RESET_AT + 2:
            yield self._script.start(self.now)
            self._began = self._due = self.now
        elif number == STOP_AT:
            yield StopRequested(self.now, "warm-up", "warm-up", f"{number}")
        source = self._configuration.sources[0]
        if self._began and self.now >= self._due:
            yield from self._command(source, self._wave(self._due))
            self._due += source.period
            yield from self._drive()
        yield self._script.tick(self.now)

    def _carry(self, number: int) -> Iterator[Event]:
        """Yield a change of the tool: each once, then that of the start; refused where it would touch something."""
        tools = [*self._configuration.tools, "", self._configuration.robot.tool]
        if self._configuration.tools and number < len(tools):
            yield OperatorAct(self.now, "tool", "warm-up", tools[number], -1, f"tool-{number}")

    def _wave(self, at: Nanoseconds) -> float:
        """Return how far the joints are from where they began, [rad]; it begins at rest."""
        if not self._began:
            return 0.0
        return _AMPLITUDE * (1.0 - math.cos(2.0 * math.pi * _FREQUENCY_HZ * seconds(at - self._began)))

    def _measure(self) -> JointStates:
        wave = self._wave(self.now)
        others = self._observed
        positions = tuple(value if i in others else value + wave for i, value in enumerate(self._middle))
        joints = self._configuration.robot.joints
        return JointStates(self.now, joints, positions, (0.0,) * len(positions), 0, 0)

    def _drive(self) -> Iterator[Event]:
        """Yield a slow velocity of the base, where a source may drive one."""
        frame = self._configuration.robot.base_frame
        for source in self._configuration.sources:
            if CommandKind.CMD_VEL in source.commands:
                yield BaseCommand(self.now, source.name, (0.01, 0.0, 0.0), (0.0, 0.0, 0.01), frame, 0, 0)
                return

    def _command(self, source: SourceSettings, wave: float) -> Iterator[Event]:
        robot = self._configuration.robot
        indices = [index for group in source.groups for index in robot.groups[group]]
        names = tuple(robot.joints[index] for index in indices)
        positions = tuple(self._middle[index] + wave for index in indices)
        if CommandKind.POSITION in source.commands:
            yield StreamCommand(self.now, source.name, names, positions, (), 0, 0, 0, "", "")
        elif CommandKind.VELOCITY in source.commands:
            yield StreamCommand(self.now, source.name, names, (), (0.0,) * len(names), 0, 0, 0, "", "")


def warm_up(configuration: Configuration, outputs: Iterable[Output]) -> None:
    """Run the rehearsal through a core of its own, and encode all that comes of it."""
    if configuration.policy is not None:
        configuration = replace(configuration, policy=Rehearsed(configuration.policy))
    supervisor = Supervisor(configuration.without_sessions())
    rehearsal = Rehearsal(configuration)
    writer = StatusWriter("warm-up", configuration.robot.id, {}, True)
    encoder = msgspec.msgpack.Encoder()
    for number in range(-1, CYCLES):
        for event in rehearsal.begin() if number < 0 else rehearsal.cycle(number):
            effects = supervisor.handle(event)
            encoder.encode((event, effects))
            for effect in effects:
                if isinstance(effect, Actuate):
                    for output in outputs:
                        output.encode(effect)
                elif isinstance(effect, Decision):
                    decision_message(effect, 0)
                elif isinstance(effect, Status):
                    writer.write(effect, 0, ())
