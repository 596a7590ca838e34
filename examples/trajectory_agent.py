"""An agent that sends a trajectory: joint 1 turns there and back; once more after lateness or a refusal.

python examples/trajectory_agent.py        # once the supervisor is in AUTO, it moves; ends with 0 when it has arrived
"""

from __future__ import annotations

import contextlib
import sys
import time

import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.duration import Duration
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, LivelinessPolicy, QoSProfile
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

SOURCE = "planner"  # a key of `sources`
LEASE = 0.5  # its liveliness_lease, [s]: the trajectory plays only while this process is alive
MOTORS = "/panda_arm_controller/joint_trajectory"  # output.topic
TURN, SECONDS = 0.5, 2.0  # [rad], each way [s]
PAUSE, TRIES = 0.5, 5


class Agent(Node):
    """Sends the trajectory when the robot rests in AUTO, and waits for its end."""

    def __init__(self) -> None:
        """Begin with nothing heard."""
        super().__init__("example_agent")
        self.state, self.sent, self.arrived, self.tries = "", "", False, 0
        self.commanded = JointTrajectory()
        self.resume_at = 0.0
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        alive = QoSProfile(depth=10, liveliness=LivelinessPolicy.AUTOMATIC)
        alive.liveliness_lease_duration = Duration(seconds=LEASE)
        self.create_subscription(DiagnosticArray, "/supervisor/status", self.hear_status, latched)
        self.create_subscription(DiagnosticArray, "/supervisor/decisions", self.hear_decision, 100)
        self.create_subscription(JointTrajectory, MOTORS, self.hear_motors, 1)
        self.commands = self.create_publisher(JointTrajectory, f"/supervisor/sources/{SOURCE}/joint_trajectory", alive)
        self.create_timer(0.1, self.send)

    def hear_status(self, message: DiagnosticArray) -> None:
        """Note the state."""
        self.state = next(entry.value for entry in message.status[0].values if entry.key == "state")

    def hear_motors(self, message: JointTrajectory) -> None:
        """Note the commanded pose: the first point on the motor topic."""
        self.commanded = message

    def hear_decision(self, message: DiagnosticArray) -> None:
        """Our own id comes back with each verdict: PASS when it begins, E_ENDED at its end, else it is over."""
        told = {entry.key: entry.value for entry in message.status[0].values}
        if self.sent and told["id"] == self.sent:
            self.get_logger().info(message.status[0].message)
            self.arrived = self.arrived or told["code"] == "E_ENDED"
            if told["verdict"] in ("REJECT", "STOP"):
                self.sent, self.resume_at = "", time.monotonic() + PAUSE

    def send(self) -> None:
        """Send it from the commanded pose, there and back, at rest in both points."""
        listens = self.commands.get_subscription_count() > 0
        if self.sent or self.state != "AUTO/HOLDING" or time.monotonic() < self.resume_at or not listens:
            return
        self.tries += 1
        here = list(self.commanded.points[0].positions)
        message = JointTrajectory(joint_names=self.commanded.joint_names)
        self.sent = f"there-and-back-{self.tries}"
        message.header.frame_id = f"cid:{self.sent}"
        for way, turn in enumerate((TURN, 0.0), start=1):
            rest = [0.0] * len(here)
            point = JointTrajectoryPoint(positions=[here[0] + turn, *here[1:]], velocities=rest, accelerations=rest)
            point.time_from_start = Duration(seconds=way * SECONDS).to_msg()
            message.points.append(point)
        self.commands.publish(message)


def main() -> int:
    """Run until it has arrived, or was refused too often; return the exit status."""
    rclpy.init()
    agent = Agent()
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        while not agent.arrived and (agent.sent or agent.tries < TRIES):
            rclpy.spin_once(agent)
    return 0 if agent.arrived else 1


if __name__ == "__main__":
    sys.exit(main())
