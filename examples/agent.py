"""An agent that streams set-points: joint 1 swings in a sine, and begins again after every refusal.

python examples/agent.py        # once the supervisor is in AUTO, it moves
"""

from __future__ import annotations

import contextlib
import math
import time

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

SOURCE = "planner"  # a key of `sources`
PERIOD = 0.01  # its period, [s]
MOTORS = "/panda_arm_controller/joint_trajectory"  # output.topic
SPAN, SWING = 0.4, 5.0  # how far, [rad], and how long there and back, [s]
PAUSE = 0.5  # after a refusal, [s]
LATEST = 4  # set-points that may be sent in a bunch when this process was late


class Agent(Node):
    """Knows the state, what became of its commands, and where the robot is commanded to be."""

    def __init__(self) -> None:
        """Begin with nothing heard."""
        super().__init__("example_agent")
        self.state = ""
        self.joints: list[str] = []
        self.commanded = JointTrajectoryPoint()
        self.stream_from: list[float] = []  # where the stream began; empty while there is none
        self.begun = self.resume_at = 0.0
        self.sent = 0
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        best_effort = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.create_subscription(DiagnosticArray, "/supervisor/status", self.hear_status, latched)
        self.create_subscription(DiagnosticArray, "/supervisor/decisions", self.hear_decision, 100)
        self.create_subscription(JointTrajectory, MOTORS, self.hear_motors, best_effort)
        self.commands = self.create_publisher(JointState, f"/supervisor/sources/{SOURCE}/joint_command", best_effort)
        self.create_timer(PERIOD, self.send)

    def hear_status(self, message: DiagnosticArray) -> None:
        """Note the state; outside AUTO nothing may move, and what was begun is over."""
        self.state = next(entry.value for entry in message.status[0].values if entry.key == "state")
        if not self.state.startswith("AUTO"):
            self.stream_from = []

    def hear_decision(self, message: DiagnosticArray) -> None:
        """Stop sending when we are refused or stopped."""
        told = {entry.key: entry.value for entry in message.status[0].values}
        if told["source"] == SOURCE and told["verdict"] in ("REJECT", "STOP"):
            self.stream_from = []
            self.resume_at = time.monotonic() + PAUSE
        self.get_logger().info(message.status[0].message)

    def hear_motors(self, message: JointTrajectory) -> None:
        """Note the commanded pose: the first point on the motor topic."""
        self.joints, self.commanded = message.joint_names, message.points[0]

    def send(self) -> None:
        """Send the set-points that are due: one each period, evenly, and a few at once if we were late."""
        now = time.monotonic()
        if not self.stream_from:
            # What is sent before somebody listens is lost, and those behind it would be a jump.
            heard = self.commands.get_subscription_count() > 0
            if not heard or self.state != "AUTO/HOLDING" or now < self.resume_at or any(self.commanded.velocities):
                return
            self.stream_from, self.begun, self.sent = list(self.commanded.positions), now, 0
        due = int((now - self.begun) / PERIOD) - self.sent
        if due > LATEST:  # too late to make up for: the supervisor stops this stream
            self.stream_from, self.resume_at = [], now + PAUSE
            return
        for _ in range(due):
            self.sent += 1
            turn = 0.5 * SPAN * (1.0 - math.cos(2.0 * math.pi * self.sent * PERIOD / SWING))
            self.commands.publish(
                JointState(name=self.joints, position=[self.stream_from[0] + turn, *self.stream_from[1:]])
            )


def main() -> None:
    """Run until Ctrl-C."""
    rclpy.init()
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(Agent())


if __name__ == "__main__":
    main()
