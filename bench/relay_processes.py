"""The processes around a relay measurement: `python -m bench.relay_processes relay` and `... client SETTINGS`.

The client is agent and robot at once: it sends stamped set-points on a grid, and whatever comes back as a motor message
it publishes as measured joint state. The bare relay turns each set-point into a motor message and does nothing else.
Both run as the supervisor does: EventsExecutor, SCHED_FIFO where permitted, no garbage collection.
"""

from __future__ import annotations

import json
import math
import signal
import struct
import sys
import time
from pathlib import Path
from typing import Any

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import WrenchStamped
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import Float64MultiArray, String
from std_srvs.srv import Trigger
from trajectory_msgs.msg import JointTrajectory

from safety_supervisor.ros.cdr import JointStateWriter
from safety_supervisor.ros.cycle import make_executor
from safety_supervisor.ros.process import RealTime

JOINTS = [f"panda_joint{number}" for number in range(1, 8)]
FINGERS = ["panda_finger_joint1", "panda_finger_joint2"]
HOME = [0.0, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785]
PANDA: dict[str, Any] = {
    "joints": JOINTS, "others": FINGERS, "more": [0.02, 0.02], "home": HOME, "way": [1.0, *[0.0] * 6], "stands": None,
}  # fmt: skip
"""The robot where none is given: names and home of its joints, what else is measured, what moves, what tells that it
stands."""
CLIENT, MOTORS, BARE_COMMAND = "relay_client", "/bench/motors", "/bench/command"
SUPERVISED_COMMAND = "/supervisor/sources/planner/joint_command"
AMPLITUDE, FREQUENCY_HZ = 0.1, 0.2
FIRST = 20  # bytes of a Float64MultiArray before its numbers
BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
RELIABLE = QoSProfile(depth=1)
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class Ending:
    """Set by SIGINT and SIGTERM."""

    def __init__(self) -> None:
        """Install the handlers."""
        self.wanted = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._handle)

    def _handle(self, number: int, frame: object) -> None:
        self.wanted = True


def run_relay() -> None:
    """Echo until a signal."""
    ending = Ending()
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = Node("bare_relay", start_parameter_services=False)
    publisher = node.create_publisher(Float64MultiArray, MOTORS, RELIABLE)
    message = Float64MultiArray()

    def echo(command: JointState) -> None:
        message.data = command.position
        publisher.publish(message)

    node.create_subscription(JointState, BARE_COMMAND, echo, BEST_EFFORT)
    executor = make_executor()
    executor.add_node(node)
    real_time = RealTime()
    real_time.take()
    while not ending.wanted:
        executor.spin_once(timeout_sec=0.1)
    real_time.give_back()
    node.destroy_node()
    rclpy.try_shutdown()


class Stands:
    """Tells that a robot stands: its base level, its feet on the ground."""

    def __init__(self, node: Node, about: dict[str, Any]) -> None:
        """Publish as its configuration says: `imu` and `frame`, `feet` by link, `force` on each, [N]."""
        self.imu = Imu()
        self.imu.header.frame_id = about["frame"]
        self.imu.orientation.w = 1.0
        # The supervisor waits for the controller that brings the robot down.
        node.create_subscription(String, "/supervisor/locomotion_mode", lambda _: None, LATCHED)
        self.to_imu = node.create_publisher(Imu, about["imu"], BEST_EFFORT)
        self.feet = []
        for foot, topic in about["feet"].items():
            message = WrenchStamped()
            message.header.frame_id = foot
            message.wrench.force.z = about["force"]
            self.feet.append((message, node.create_publisher(WrenchStamped, topic, BEST_EFFORT)))

    def tell(self) -> None:
        """Publish all of it, stamped now."""
        now = time.time_ns()
        for message, publisher in ((self.imu, self.to_imu), *self.feet):
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(now, 1_000_000_000)
            publisher.publish(message)


class Client:
    """Sends, receives, notes both times."""

    def __init__(self, settings: dict[str, Any]) -> None:
        """Join the graph."""
        self.settings = settings
        self.period = round(1e9 / settings["rate"])
        self.sent: list[tuple[int, int]] = []
        """Stamp of the ROS clock and steady time of each set-point, [ns]."""
        self.received: list[tuple[int, float]] = []
        """Steady time and first joint's position of each motor message."""
        self.state = ""
        robot = settings.get("robot") or PANDA
        self.home, self.way = robot["home"], robot["way"]
        self.more: list[float] = robot["more"]
        """Positions of the joints that are measured, not commanded."""
        self.position = self.home
        self.node = Node(CLIENT, start_parameter_services=False)
        self.executor = make_executor()
        self.executor.add_node(self.node)
        supervised = settings["supervised"]
        self.commands = self.node.create_publisher(
            JointState, SUPERVISED_COMMAND if supervised else BARE_COMMAND, BEST_EFFORT
        )
        self.states = self.node.create_publisher(JointState, "/joint_states", BEST_EFFORT)
        self.node.create_subscription(DiagnosticArray, "/supervisor/status", self.hear_status, LATCHED)
        self.write_command = JointStateWriter(robot["joints"]).write
        self.write_state = JointStateWriter([*robot["joints"], *robot["others"]]).write
        self.stands = Stands(self.node, robot["stands"]) if robot["stands"] else None
        self.numbers = struct.Struct(f"<{len(self.home)}d")
        self.first = FIRST
        kind = Float64MultiArray if self.stands is None else JointTrajectory
        self.node.create_subscription(kind, MOTORS, self.hear_motors, RELIABLE, raw=True)

    def hear_motors(self, data: bytes) -> None:
        """Note a motor message and measure the robot where it says."""
        now = time.monotonic_ns()
        if self.stands is not None and not self.received:
            # Where the first point's numbers are: names and their lengths stay the same.
            first = deserialize_message(data, JointTrajectory).points[0].positions
            self.first = data.index(self.numbers.pack(*first))
        positions = self.numbers.unpack_from(data, self.first)
        self.position = list(positions)
        self.received.append((now, positions[0]))
        self.publish_state(positions)

    def hear_status(self, message: DiagnosticArray) -> None:
        """Follow the supervisor's state."""
        self.state = next(entry.value for entry in message.status[0].values if entry.key == "state")

    def publish_state(self, positions: Any) -> None:
        """Publish a measured joint state."""
        self.states.publish(self.write_state(time.time_ns(), (*positions, *self.more)))
        if self.stands is not None:
            self.stands.tell()

    def spin_until(self, due: int) -> None:
        """Handle what arrives until a steady time."""
        while (left := due - time.monotonic_ns()) > 0:
            if left > 200_000:
                self.executor.spin_once(timeout_sec=(left - 150_000) * 1e-9)
            else:
                time.sleep(left * 1e-9)

    def call(self, name: str) -> None:
        """Call a service of the supervisor until it agrees."""
        client = self.node.create_client(Trigger, f"/supervisor/{name}")
        for _ in range(100):
            if client.service_is_ready():
                future = client.call_async(Trigger.Request())
                self.wait(lambda future=future: future.done(), f"answer of {name}")
                if future.result().success:
                    return
            self.rest(0.1)
        raise RuntimeError(f"{name} is refused in {self.state}")

    def rest(self, seconds: float) -> None:
        """Be a resting robot for a while."""
        for _ in range(max(1, round(seconds / 0.01))):
            if not self.received:
                self.publish_state(self.home)
            self.spin_until(time.monotonic_ns() + 10_000_000)

    def wait(self, condition: Any, what: str) -> None:
        """Be a resting robot until something is so."""
        ends = time.monotonic() + 60.0
        while not condition():
            if time.monotonic() > ends:
                raise RuntimeError(f"{what}: not within 60 s; the supervisor is in {self.state}")
            self.rest(0.01)

    def arm(self) -> None:
        """Bring the supervisor to AUTO."""
        self.wait(lambda: self.state == "LOCKED", "LOCKED")
        self.rest(0.5)
        self.call("reset")
        self.call("start")

    def stream(self) -> int:
        """Send the set-points; return how often the motion had to begin anew."""
        begun, restarts = time.monotonic_ns() + self.period, -1
        due, base, index = begun, self.position, 0
        restart = True
        while len(self.sent) < self.settings["samples"]:
            if restart:
                restarts += 1
                self.rest(0.4)
                base, index, restart = self.position, 0, False
                due = time.monotonic_ns() + self.period
            self.spin_until(due)
            angle = 2.0 * math.pi * FREQUENCY_HZ * index * self.period * 1e-9
            # 1.5 - 2 cos + 0.5 cos 2: position, velocity and acceleration begin at zero.
            share = AMPLITUDE * (0.375 - 0.5 * math.cos(angle) + 0.125 * math.cos(2.0 * angle))
            place = [q + share * way for q, way in zip(base, self.way, strict=True)]
            stamp, now = time.time_ns(), time.monotonic_ns()
            self.commands.publish(self.write_command(stamp, place))
            self.sent.append((stamp, now))
            index += 1
            due += self.period
            if self.settings["supervised"]:
                late = now - due + self.period > 2 * self.period
                held = self.state == "AUTO/HOLDING" and index * self.period > 400_000_000
                restart = late or held
        self.rest(0.2)
        return restarts


def run_client(settings: dict[str, Any]) -> None:
    """Measure, and write what was noted."""
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    client = Client(settings)
    if settings["supervised"]:
        client.arm()
    else:
        client.wait(lambda: client.commands.get_subscription_count() and client.node.count_publishers(MOTORS), "relay")
    real_time = RealTime()
    real_time.take()
    client.received.clear()
    restarts = client.stream()
    result = {
        "sent": client.sent, "received": client.received, "restarts": restarts, "scheduler": real_time.text,
        "state": client.state,
    }  # fmt: skip
    real_time.give_back()
    Path(settings["result"]).write_text(json.dumps(result), encoding="utf-8")
    client.node.destroy_node()
    rclpy.try_shutdown()


if __name__ == "__main__":
    if sys.argv[1] == "relay":
        run_relay()
    else:
        run_client(json.loads(sys.argv[2]))
