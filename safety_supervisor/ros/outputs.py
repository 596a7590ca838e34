"""Set-points on their way to the motors: one class an output type.

An output turns an `Actuate` into the bytes of one message of its own joints. Further ones come from entry points of the
group `safety_supervisor.outputs`, each a callable that takes the configuration and the output's settings and returns an
`Output`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from typing import Any, Final, Protocol

from rclpy.duration import Duration
from rclpy.qos import DurabilityPolicy, HistoryPolicy, LivelinessPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from trajectory_msgs.msg import JointTrajectory

from safety_supervisor.core.effects import Actuate, HorizonPoint
from safety_supervisor.core.output_settings import OutputSettings, OutputType
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import NS_PER_S
from safety_supervisor.ros.cdr import ArrayWriter, JointStateWriter, TrajectoryWriter

ENTRY_POINTS: Final = "safety_supervisor.outputs"
DEADLINE_CYCLES: Final = 5
"""Messages come every cycle; a receiver may ask to be told when this many are missing."""
LEASE_CYCLES: Final = 25
STEP: Final = NS_PER_S // 1000
"""Change of the ROS clock against the steady clock between two cycles that is a step, [ns]; slewing is 500 ppm."""
UNCERTAIN: Final = NS_PER_S // 10_000
"""Time between the two readings of the steady clock above which the offset is not known, [ns]."""
REST: Final = NS_PER_S
"""How long a message goes on resting behind its end, [ns]."""


class Output(Protocol):
    """Turns set-points into messages."""

    message_type: type[Any]

    def encode(self, actuate: Actuate) -> bytes:
        """Return the serialised message of one control cycle."""


class _Own:
    """The joints of one output, out of those of a set-point."""

    def __init__(self, configuration: Configuration, settings: OutputSettings) -> None:
        """Take the robot's joints and which of them the output carries."""
        every = configuration.robot.joints
        self._indices = settings.joints
        self.names = tuple(every[index] for index in settings.joints)
        self.all = settings.joints == tuple(range(len(every)))
        """Whether they are all there are: then nothing has to be picked."""

    def values(self, values: tuple[float, ...]) -> tuple[float, ...]:
        """Pick the values of its joints."""
        return values if self.all else tuple([values[index] for index in self._indices])

    def points(self, points: Sequence[tuple[int, HorizonPoint]]) -> Sequence[tuple[int, HorizonPoint]]:
        """Pick its joints of every point."""
        if self.all:
            return points
        pick = self.values
        return [
            (at, HorizonPoint(point.time, pick(point.positions), pick(point.velocities), pick(point.accelerations)))
            for at, point in points
        ]


class ClockStepError(RuntimeError):
    """The ROS clock was stepped against the steady clock."""


class ClockOffset:
    """ROS clock less steady clock, [ns]; a clock that is slewed is followed, one that is stepped is a fault.

    A controller that plays stamped trajectories would leap in time with the step.
    """

    def __init__(self) -> None:
        """Nothing was read yet."""
        self._offset: int | None = None

    def read(self) -> int:
        """Return the offset.

        Raises:
            ClockStepError: when it changed by more than STEP since the last cycle; the new one counts from then on.
        """
        before, wall, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        offset = wall - (before + after) // 2
        if self._offset is None:
            self._offset = offset
        elif after - before > UNCERTAIN:
            return self._offset  # interrupted between the two clocks: says nothing
        else:
            step, self._offset = offset - self._offset, offset
            if abs(step) > STEP:
                raise ClockStepError(f"the ROS clock was stepped by {step / 1e6:.3f} ms: slew it, never step it")
        return self._offset


class JointTrajectoryHorizon:
    """Where the controller is now, the next set-point one control period later, behind it the whole kept stop (SR-039).

    The controller replaces its trajectory with each message; when no further one comes, it runs into the stop. The
    message is stamped with the time at which its cycle was due, so that neither the jitter of the cycle nor that of the
    way shows in the motion: with stamp 0, joint_trajectory_controller starts each message anew at receipt, and a steady
    motion in messages of 250 Hz becomes steps of 0.7 to 1.65 times its speed at 1 kHz. Supervisor and controller
    therefore share one ROS clock.
    """

    message_type = JointTrajectory

    def __init__(self, configuration: Configuration, settings: OutputSettings) -> None:
        """Prepare the message."""
        self._period = configuration.timing.period
        self._own = _Own(configuration, settings)
        self._writer = TrajectoryWriter(self._own.names)
        self._offset = ClockOffset()

    def encode(self, actuate: Actuate) -> bytes:
        """Return a JointTrajectory that starts when the cycle was due."""
        period = self._period
        step = HorizonPoint(0, actuate.positions, actuate.velocities, actuate.accelerations)
        points = [] if actuate.before is None else [(0, actuate.before)]
        points.append((period, step))
        points += [(period + point.time, point) for point in actuate.horizon if point.time > 0]
        # A trajectory that has ended when it is received is refused by the controller, and a refused step is a jump
        # with the next one: behind its end each goes on resting, however short its stop and however late it comes.
        ends, last = points[-1]
        points.append((ends + REST, last))
        return self._writer.write(self._offset.read() + actuate.scheduled, self._own.points(points))


class JointPosition:
    """Positions for a forward_command_controller."""

    message_type = Float64MultiArray

    def __init__(self, configuration: Configuration, settings: OutputSettings) -> None:
        """Prepare the message."""
        self._own = _Own(configuration, settings)
        self._writer = ArrayWriter(len(settings.joints))

    def encode(self, actuate: Actuate) -> bytes:
        """Return the positions."""
        return self._writer.write(self._own.values(actuate.positions))


class JointVelocity:
    """Velocities for a forward_command_controller, which holds the last one for ever: zeros at rest are sent too."""

    message_type = Float64MultiArray

    def __init__(self, configuration: Configuration, settings: OutputSettings) -> None:
        """Prepare the message."""
        self._own = _Own(configuration, settings)
        self._writer = ArrayWriter(len(settings.joints))

    def encode(self, actuate: Actuate) -> bytes:
        """Return the velocities."""
        return self._writer.write(self._own.values(actuate.velocities))


class JointStateCommand:
    """Positions by name, for simulators and vendor bridges; positions or velocities, never both, as on the way in."""

    message_type = JointState

    def __init__(self, configuration: Configuration, settings: OutputSettings) -> None:
        """Prepare the message."""
        self._own = _Own(configuration, settings)
        self._writer = JointStateWriter(self._own.names)

    def encode(self, actuate: Actuate) -> bytes:
        """Return the message, stamped with the ROS clock."""
        return self._writer.write(time.time_ns(), self._own.values(actuate.positions))


BUILT_IN: Final[dict[str, Callable[[Configuration, OutputSettings], Output]]] = {
    OutputType.JOINT_TRAJECTORY_HORIZON.value: JointTrajectoryHorizon,
    OutputType.JOINT_POSITION.value: JointPosition,
    OutputType.JOINT_VELOCITY.value: JointVelocity,
    OutputType.JOINT_STATE.value: JointStateCommand,
}


def find_outputs(configuration: Configuration) -> tuple[Output, ...]:
    """Build the configured outputs, in their order.

    Raises:
        LookupError: when neither this package nor an entry point offers a type.
    """
    return tuple(_find(configuration, settings) for settings in configuration.outputs)


def _find(configuration: Configuration, settings: OutputSettings) -> Output:
    name = settings.type.value
    factory = BUILT_IN.get(name)
    if factory is None:
        for point in entry_points(group=ENTRY_POINTS):
            if point.name == name:
                factory = point.load()
                break
        else:
            raise LookupError(f"output type {name}: no entry point of the group {ENTRY_POINTS} has that name")
    return factory(configuration, settings)


def offer_profile(period: int) -> QoSProfile:
    """Return the quality of service of the motor topic.

    Reliable, depth 1. Deadline and liveliness are offered, so that a receiver may ask to be told of our death; the
    liveliness is asserted by each message and by nothing else: a process that hangs is not alive.

    Args:
        period: control period, [ns].
    """
    return QoSProfile(
        depth=1,
        history=HistoryPolicy.KEEP_LAST,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.VOLATILE,
        deadline=Duration(nanoseconds=max(DEADLINE_CYCLES * period, NS_PER_S // 50)),
        liveliness=LivelinessPolicy.MANUAL_BY_TOPIC,
        liveliness_lease_duration=Duration(nanoseconds=max(LEASE_CYCLES * period, NS_PER_S // 20)),
    )
