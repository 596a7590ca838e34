"""The stage around real nodes: ears for the supervisor's topics, hands for its services, marks for the oracle."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import WrenchStamped
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import JointState
from std_msgs.msg import Float64MultiArray, String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from safety_supervisor.core.output_settings import OutputType
from safety_supervisor.core.settings import Configuration
from safety_supervisor_sim.agent.motions import Array
from safety_supervisor_sim.agent.stage import Stage, StageError

SERVICES: Final = ("stop", "reset", "start", "recover")
_LATCHED: Final = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)
_DECISIONS: Final = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE)
_OUTPUT: Final = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE)
_MARKS: Final = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE)
_MEASURED: Final = 50
_KINDS: Final[dict[OutputType, Any]] = {
    OutputType.JOINT_TRAJECTORY_HORIZON: JointTrajectory,
    OutputType.JOINT_POSITION: Float64MultiArray,
    OutputType.JOINT_VELOCITY: Float64MultiArray,
    OutputType.JOINT_STATE: JointState,
}


class RosStage(Stage):
    """One ROS node that hears and acts; all its callbacks run in the executor's thread.

    Args:
        node: to make subscriptions and clients with.
        configuration: the supervisor's.
        supervisor: fully qualified name of the supervisor's node.
        cell: fully qualified name of the cell's node.
        report: called with what a live table shows, as it arrives.
    """

    def __init__(
        self,
        node: Node,
        configuration: Configuration,
        supervisor: str,
        cell: str,
        report: Callable[[dict[str, Any]], None],
    ) -> None:
        super().__init__(configuration, report)
        self.supervisor = supervisor
        self._changed = threading.Condition()
        self._raw: bytes = b""
        self._captured: list[bytes] | None = None
        self._measured: list[list[float]] = []
        self._reported_at = 0.0
        self._output = configuration.outputs[0]  # of a robot with one controller
        self._kind = _KINDS[self._output.type]
        node.create_subscription(DiagnosticArray, f"{supervisor}/status", self._on_status, _LATCHED)
        node.create_subscription(DiagnosticArray, f"{supervisor}/decisions", self._on_decisions, _DECISIONS)
        node.create_subscription(String, f"{cell}/margins", self._on_margins, _MARKS)
        node.create_subscription(self._kind, self._output.topic, self._on_output, _OUTPUT, raw=True)
        if self._output.type is OutputType.JOINT_VELOCITY:
            node.create_subscription(JointState, "joint_states", self._on_measured, _OUTPUT)
        self._marks = node.create_publisher(String, f"{cell}/mark", _MARKS)
        self._clients = {name: node.create_client(Trigger, f"{supervisor}/{name}") for name in SERVICES}
        if self.on_feet:
            self._pushes = node.create_publisher(WrenchStamped, f"{cell}/push", _MARKS)
            self._lift = node.create_client(Trigger, f"{cell}/stand_up")

    # -- what is heard ----------------------------------------------------------------------

    def _on_status(self, message: DiagnosticArray) -> None:
        for entry in message.status:
            values = {item.key: item.value for item in entry.values}
            with self._changed:
                self.hear_status(values)
                self._changed.notify_all()
            self.report({"status": values})

    def _on_decisions(self, message: DiagnosticArray) -> None:
        for entry in message.status:
            values = {item.key: item.value for item in entry.values}
            with self._changed:
                self.observed.decisions.append(values)
                self._changed.notify_all()
            self.report({"decision": values})

    def _on_margins(self, message: String) -> None:
        self.report({"margins": json.loads(message.data)})

    def _on_output(self, data: bytes) -> None:
        self._raw = data
        if self._captured is not None:
            self._captured.append(data)

    def _on_measured(self, message: JointState) -> None:
        at = dict(zip(message.name, message.position, strict=True))
        row = [at[joint] for joint in self.configuration.robot.joints]
        self._measured = [*self._measured[1 - _MEASURED :], row]

    # -- what is done -----------------------------------------------------------------------

    def now(self) -> int:
        """Return the steady clock, [ns]."""
        return time.monotonic_ns()

    def sleep(self, seconds: float) -> None:
        """Let time pass, [s]."""
        time.sleep(seconds)

    def begin(self, name: str) -> None:
        """Begin an act: for the oracle, and for what is observed."""
        with self._changed:
            super().begin(name)

    def mark(self, name: str) -> None:
        """Tell the oracle that from now on it is `name` that happens."""
        self._marks.publish(String(data=name))

    def call(self, name: str, timeout: float = 5.0) -> bool:
        """Call a service of the supervisor and keep its reply.

        Raises:
            StageError: when there is no such service or it does not answer.
        """
        began = time.monotonic()
        response = self._ask(self._clients[name], f"{self.supervisor}/{name}", timeout)
        self.observed.replies.append(
            {
                "service": name,
                "ok": bool(response.success),
                "message": response.message,
                "seconds": time.monotonic() - began,
            }
        )
        return bool(response.success)

    def push(self, force: Sequence[float]) -> None:
        """Push a robot that stands, world's axes, shape (3,), [N]."""
        message = WrenchStamped()
        message.wrench.force.x, message.wrench.force.y, message.wrench.force.z = force
        self._pushes.publish(message)

    def stand_up(self, timeout: float = 5.0) -> None:
        """Have the robot set on its feet, in its hoist.

        Raises:
            StageError: when nobody does.
        """
        self._ask(self._lift, "the cell's stand_up", timeout)

    @staticmethod
    def _ask(client: Any, name: str, timeout: float) -> Any:
        """Call a Trigger service; StageError when there is none or it does not answer."""
        if not client.wait_for_service(timeout):
            raise StageError(f"no service {name}")
        done = threading.Event()
        future = client.call_async(Trigger.Request())
        future.add_done_callback(lambda _: done.set())
        if not done.wait(timeout):
            raise StageError(f"{name} did not answer in {timeout} s")
        response = future.result()
        assert response is not None
        return response

    def has_output(self) -> bool:
        """Whether anything was sent to the motors yet."""
        return bool(self._raw)

    # -- waiting ----------------------------------------------------------------------------

    def wait(self, true: Callable[[], bool], timeout: float) -> bool:
        """Wait until a condition over what is heard holds; False when it did not in time."""
        with self._changed:
            return self._changed.wait_for(true, timeout)

    def wait_for_services(self, timeout: float) -> None:
        """Wait until the supervisor can be called.

        Raises:
            StageError: when it can not in time.
        """
        due = time.monotonic() + timeout
        for name in ("stop", "reset", "start"):
            if not self._clients[name].wait_for_service(max(0.0, due - time.monotonic())):
                raise StageError(f"no service {self.supervisor}/{name} within {timeout:.0f} s")

    def capture(self) -> None:
        """Keep what the motors are sent from now on."""
        self._captured = []

    def captured(self) -> list[list[float]]:
        """Return the set-points that the motors were sent since `capture`, rows of n values in joint order.

        Positions, [rad]; velocities, [rad/s], where the output carries nothing else.
        """
        rows, self._captured = self._captured or [], None
        return [self._values(data, first=True).tolist() for data in rows]

    def commanded(self) -> Array:
        """Return the pose that the robot is commanded to hold, shape (n,), [rad].

        A good agent starts its motions from there. Raises StageError before there is any output.
        """
        if self._output.type is OutputType.JOINT_VELOCITY:
            if len(self._measured) < _MEASURED:
                raise StageError("no joint_states")
            mean: Array = np.mean(self._measured, axis=0)
            return mean
        if not self._raw:
            raise StageError(f"nothing on {self._output.topic}")
        return self._values(self._raw, first=False)

    def _values(self, data: bytes, first: bool) -> Array:
        """Read a message to the motors: its first point, or where it ends."""
        message = deserialize_message(data, self._kind)
        if isinstance(message, Float64MultiArray):
            return np.array(message.data)
        if isinstance(message, JointState):
            names, values = list(message.name), list(message.position)
        else:
            names, values = list(message.joint_names), list(message.points[0 if first else -1].positions)
        return np.array([values[names.index(joint)] for joint in self.configuration.robot.joints])
