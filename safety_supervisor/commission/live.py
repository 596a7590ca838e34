"""The real robot, or the simulated one, behind its supervisor: rclpy, and nothing that decides.

Joint states and set-points are kept as the bytes that came, and read when the robot rests: while it moves, this process
has next to nothing to do. Times are those of the senders' stamps, whose offset to this machine's clock is taken
from the message that came fastest; so neither a busy machine nor the network's jitter counts as the robot's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.duration import Duration
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, LivelinessPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from safety_supervisor.commission.motion import Point
from safety_supervisor.commission.recording import Recording, Series
from safety_supervisor.commission.rehearsal import source_joints
from safety_supervisor.commission.stopping_run import RefusedError
from safety_supervisor.core.output_settings import OutputType
from safety_supervisor.core.settings import Configuration
from safety_supervisor.core.units import Matrix, Vector, seconds
from safety_supervisor.ros.text import escape

_HEARD: Final = QoSProfile(depth=200, reliability=ReliabilityPolicy.BEST_EFFORT)
"""Best effort: who measures must not be able to hold up who sends to the motors."""
_LATCHED: Final = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
_PATIENCE: Final = 10.0
_SETTLING: Final = 0.4
"""The robot is recorded for so long behind its stop, [s]."""
_MESSAGES: Final[dict[OutputType, Any]] = {
    OutputType.JOINT_TRAJECTORY_HORIZON: JointTrajectory,
    OutputType.JOINT_POSITION: Float64MultiArray,
    OutputType.JOINT_STATE: JointState,
}
"""Outputs whose set-points can be heard as positions."""

Act = Callable[[str, str], str]
"""Does a person's act (act, target); returns why not, empty where it is done."""


class AbortedError(RuntimeError):
    """A person asked for the end."""


class LiveRobot:
    """A node beside the supervisor.

    Args:
        configuration: that the supervisor runs.
        supervisor: full name of its node.
        source: by which it is moved; nobody else may publish there.
        act: resets and starts as a person; None: by the unsigned services of a simulation.
        aborted: whether a person asked for the end; looked at while anything moves.
    """

    def __init__(
        self,
        configuration: Configuration,
        supervisor: str,
        source: str,
        act: Act | None = None,
        aborted: Callable[[], bool] = lambda: False,
    ) -> None:
        """Join the graph."""
        self._configuration = configuration
        self._names = configuration.robot.joints
        self._mine = source_joints(configuration, source)
        self._supervisor = supervisor
        self._source = source
        self._act = act or self._call
        self._aborted = aborted
        self._context = rclpy.Context()
        rclpy.init(context=self._context, args=[])
        self._node = Node("commission", context=self._context, start_parameter_services=False)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self.status: dict[str, str] = {}
        self.robot_id = ""
        self._refusal: RefusedError | None = None
        self._states: list[tuple[float, bytes]] = []
        self._outputs: list[list[tuple[float, bytes]]] = [[] for _ in configuration.outputs]
        profile = QoSProfile(depth=10, liveliness=LivelinessPolicy.AUTOMATIC)
        lease = configuration.source(source).liveliness_lease
        if lease is not None:
            profile.liveliness_lease_duration = Duration(nanoseconds=lease)
        self._topic = f"{supervisor}/sources/{source}/joint_trajectory"
        self._command = self._node.create_publisher(JointTrajectory, self._topic, profile)
        self._stop = self._node.create_client(Trigger, f"{supervisor}/stop")
        subscribe = self._node.create_subscription
        subscribe(DiagnosticArray, f"{supervisor}/status", self._hear_status, _LATCHED)
        subscribe(DiagnosticArray, f"{supervisor}/decisions", self._hear_decision, QoSProfile(depth=100))
        subscribe(JointState, "joint_states", self._keep(self._states), _HEARD, raw=True)
        for output, kept in zip(configuration.outputs, self._outputs, strict=True):
            kind = _MESSAGES.get(output.type)
            if kind is not None:
                subscribe(kind, output.topic, self._keep(kept), _HEARD, raw=True)

    @staticmethod
    def _keep(kept: list[tuple[float, bytes]]) -> Callable[[bytes], None]:
        def hear(data: bytes) -> None:
            kept.append((time.time(), data))
            if len(kept) > 40_000:  # two minutes of 300 Hz: nobody measures for so long
                del kept[:20_000]

        return hear

    def _hear_status(self, message: DiagnosticArray) -> None:
        for status in message.status:
            self.robot_id = status.hardware_id
            self.status = {entry.key: escape(entry.value) for entry in status.values}

    def _hear_decision(self, message: DiagnosticArray) -> None:
        for status in message.status:
            told = {entry.key: escape(entry.value) for entry in status.values}
            against = told.get("verdict") in ("REJECT", "STOP", "WAIT") and told.get("code")
            if against and told.get("source") in (self._source, "supervisor", ""):
                self._refusal = self._refusal or RefusedError(told["code"], escape(status.message))

    # --- before anything moves

    def find(self, timeout: float) -> str:
        """Wait for the supervisor, the stop's service and measurements; say what is missing, empty where nothing is."""
        needs: tuple[tuple[Callable[[], Any], str], ...] = (
            (lambda: self.status, f"{self._supervisor} tells no status"),
            (self._stop.service_is_ready, f"{self._supervisor}/stop is not offered"),
            (self._command.get_subscription_count, f"{self._supervisor} does not listen to source {self._source}"),
            (lambda: self._states, "nobody publishes joint_states"),
        )
        for there, words in needs:
            if not self._until(there, timeout):
                return f"{words}, for {timeout:g} s"
        if self.robot_id != self._configuration.robot.id:
            return f"{self._supervisor} serves robot {self.robot_id!r}, the file is of {self._configuration.robot.id!r}"
        if self.status.get("configuration_sha256") != self._configuration.sha256:
            return f"{self._supervisor} runs another configuration than this file: restart it with this one"
        return ""

    def publishers(self) -> int:
        """How many publish where we stream; more than our own is one too many."""
        return self._node.count_publishers(self._topic)

    # --- see `stopping_run.Robot`

    def now(self) -> float:
        """See `Robot`."""
        return time.time()

    def wait(self, until: float) -> None:
        """See `Robot`; AbortedError where a person asked for the end."""
        while True:
            left = until - time.time()
            self._executor.spin_once(timeout_sec=max(0.0, left))
            if self._aborted():
                self.request_stop()
                raise AbortedError
            if left <= 0.0:
                return

    def _until(self, done: Callable[[], Any], timeout: float) -> bool:
        ends = time.monotonic() + timeout
        while not done():
            if time.monotonic() > ends:
                return False
            self._executor.spin_once(timeout_sec=0.02)
            if self._aborted():
                raise AbortedError
        return True

    def measured(self) -> Vector:
        """Return where the resting robot is, the mean of the last measurements, shape (n,), [rad]."""
        self._states.clear()
        self._until(lambda: len(self._states) >= 20, 1.0)
        series = self._read_states()
        if len(series.times) == 0:
            raise RefusedError("", "not every joint is measured")
        pose: Vector = series.positions.mean(axis=0)
        return pose

    def commanded(self) -> Vector:
        """See `Robot`; where set-points can not be heard, where the robot is measured."""
        for kept in self._outputs:
            kept.clear()
        if not self._until(lambda: all(self._outputs), 0.5):
            return self.measured()
        series = self._read_outputs()
        return series.positions[-1] if len(series.times) else self.measured()

    def arm(self) -> None:
        """See `Robot`."""
        self._become("LOCKED")
        for act, target, state in (("reset", "", "READY"), ("start", "auto", "AUTO/HOLDING")):
            why = self._act(act, target)
            if why:
                raise RefusedError("", f"{act} is refused: {why}")
            self._become(state)
        self.wait(self.now() + 0.3)  # the set-point meets the robot slowly
        self._refusal = None

    def _become(self, *states: str) -> None:
        if not self._until(lambda: self.state() in states, _PATIENCE):
            cause = f", {self.status.get('cause', '')}: {self.status.get('next_step', '')}"
            raise RefusedError(self.status.get("cause", ""), f"the supervisor stays in {self.state()}{cause}")

    def _call(self, act: str, target: str) -> str:
        client = self._node.create_client(Trigger, f"{self._supervisor}/{act}")
        try:
            if not self._until(client.service_is_ready, _PATIENCE):
                return f"{self._supervisor}/{act} is not offered: give --key and --as"
            future = client.call_async(Trigger.Request())
            if not self._until(future.done, _PATIENCE):
                return "no answer"
            answer = future.result()
            return "" if answer.success else escape(answer.message)
        finally:
            self._node.destroy_client(client)

    def send(self, points: tuple[Point, ...]) -> None:
        """See `Robot`."""
        message = JointTrajectory(joint_names=[self._names[index] for index in self._mine])
        for point in points:
            told = JointTrajectoryPoint(
                positions=point.positions[self._mine].tolist(),
                velocities=point.velocities[self._mine].tolist(),
                accelerations=[0.0] * len(self._mine),
            )
            told.time_from_start = Duration(seconds=point.time).to_msg()
            message.points.append(told)
        self._command.publish(message)

    def refused(self) -> RefusedError | None:
        """See `Robot`."""
        refusal, self._refusal = self._refusal, None
        return refusal

    def request_stop(self) -> None:
        """See `Robot`."""
        self._stop.call_async(Trigger.Request())

    def state(self) -> str:
        """See `Robot`."""
        return self.status.get("state", "")

    def rest(self) -> None:
        """See `Robot`."""
        self._until(lambda: self.state() in ("LOCKED", "FAULT", "EMERGENCY_STOP"), _PATIENCE)
        ends = time.monotonic() + _SETTLING
        self._until(lambda: time.monotonic() > ends, 2.0 * _SETTLING)
        if self.state() != "LOCKED":
            code = self.status.get("cause", "")
            raise RefusedError(code, f"the stop ended in {self.state()}: {self.status.get('next_step', '')}")
        self._refusal = None

    def begin_recording(self) -> None:
        """See `Robot`."""
        self._states.clear()
        for kept in self._outputs:
            kept.clear()

    def take_recording(self, requested: float, cruise: Vector) -> Recording:
        """See `Robot`."""
        return Recording(self._read_states(), self._read_outputs(), requested, cruise)

    # --- what was heard

    def _read_states(self) -> Series:
        """Merge what was measured; from when on every joint is known, a row a message."""
        place = {name: index for index, name in enumerate(self._names)}
        row, known = np.zeros(len(place)), np.zeros(len(place), dtype=bool)
        stamps: list[tuple[float, float]] = []
        rows: list[Vector] = []
        for received, data in self._states:
            message = deserialize_message(data, JointState)
            for name, position in zip(message.name, message.position, strict=False):
                if name in place:
                    row[place[name]], known[place[name]] = position, True
            if known.all():
                stamps.append((received, _stamp(message.header.stamp)))
                rows.append(row.copy())
        return _series(stamps, rows, len(self._names))

    def _read_outputs(self) -> Series:
        """Merge set-points; each is to be reached a period after its cycle was due."""
        row, known = np.zeros(len(self._names)), np.zeros(len(self._names), dtype=bool)
        for index in self._configuration.robot.observed:
            known[index] = True
        stamps: list[tuple[float, float]] = []
        rows: list[Vector] = []
        heard = [(at, data, number) for number, kept in enumerate(self._outputs) for at, data in kept]
        for received, data, number in sorted(heard, key=lambda one: one[0]):
            output = self._configuration.outputs[number]
            message = deserialize_message(data, _MESSAGES[output.type])
            stamp, values = _set_point(message, seconds(self._configuration.timing.period))
            joints = list(output.joints)
            row[joints], known[joints] = values, True
            if known.all():
                stamps.append((received, stamp))
                rows.append(row.copy())
        series = _series(stamps, rows, len(self._names))
        return Series(series.times + seconds(self._configuration.timing.period), series.positions)

    def spin(self) -> None:
        """Let what was asked for leave this process."""
        self._executor.spin_once(timeout_sec=0.05)

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self._node.destroy_node()
        rclpy.shutdown(context=self._context)


def _stamp(stamp: Any) -> float:
    return float(stamp.sec) + stamp.nanosec * 1e-9


def _set_point(message: Any, period: float) -> tuple[float, list[float]]:
    """Return the stamp, 0 where there is none, and the next step of a message to the motors."""
    if isinstance(message, JointTrajectory):
        # Where the controller is now may come first: the step is what is reached a period later.
        ahead = [point for point in message.points if _stamp(point.time_from_start) > 0.5 * period]
        return _stamp(message.header.stamp), list((ahead or message.points)[0].positions)
    if isinstance(message, JointState):
        return _stamp(message.header.stamp), list(message.position)
    return 0.0, list(message.data)


def _series(stamps: list[tuple[float, float]], rows: list[Vector], joints: int) -> Series:
    """Order rows by their senders' stamps, brought to this machine's clock; by receipt where there are none."""
    if not rows:
        return Series(np.zeros(0), np.zeros((0, joints)))
    received, stamped = (np.array(column) for column in zip(*stamps, strict=True))
    # The fastest message was on its way for next to nothing.
    times = stamped + (received - stamped).min() if (stamped > 0.0).all() else received
    order = np.argsort(times, kind="stable")
    positions: Matrix = np.array(rows)[order]
    return Series(times[order], positions)
