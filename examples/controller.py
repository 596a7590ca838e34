"""What the other side of `output.topic` has to do, for `output.type: joint_trajectory_horizon`. Simulation only.

Each message replaces the one before and is played by its stamp. When no further one comes, play on to its end: it is
the stop that was verified. Report every joint in `joint_states`, at the control rate, from this node alone, with
velocities: without them the supervisor takes differences, in which the jitter of the way looks like speed.
Your own controller is joint_trajectory_controller with the two parameters that README names.

    python examples/controller.py
"""

from __future__ import annotations

import contextlib
import time

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

TOPIC = "/panda_arm_controller/joint_trajectory"  # output.topic
PERIOD = 0.004  # [s]
JOINTS = [f"panda_joint{number}" for number in range(1, 8)]
HOME = [0.0, -0.785, 0.0, -2.356, 0.0, 1.571, 0.785]  # [rad], where it is before the first message


class Controller(Node):
    """Drives that follow at once."""

    def __init__(self) -> None:
        """Stand at HOME."""
        super().__init__("example_controller")  # the name that robot.joint_states allows
        self.start = 0  # stamp of the message that is played, [ns]
        self.times = [0.0]  # from the stamp, [s]
        self.positions = np.array([HOME])  # shape (times, joints), [rad]
        self.velocities = np.zeros((1, len(JOINTS)))  # [rad/s]
        self.states = self.create_publisher(JointState, "joint_states", 10)
        self.create_subscription(JointTrajectory, TOPIC, self.take, 1)
        self.create_timer(PERIOD, self.step)

    def take(self, message: JointTrajectory) -> None:
        """Replace what is played; joints are mapped by name, never by position."""
        order = [message.joint_names.index(joint) for joint in JOINTS]
        self.start = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
        self.times = [one.time_from_start.sec + 1e-9 * one.time_from_start.nanosec for one in message.points]
        self.positions = np.array([one.positions for one in message.points])[:, order]
        self.velocities = np.array([one.velocities for one in message.points])[:, order]

    def step(self) -> None:
        """Be where the trajectory says, behind its end at its last point, and report it."""
        now = time.time_ns()
        elapsed = 1e-9 * (now - self.start)
        message = JointState(name=JOINTS)
        message.position = [float(np.interp(elapsed, self.times, column)) for column in self.positions.T]
        message.velocity = [float(np.interp(elapsed, self.times, column)) for column in self.velocities.T]
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(now, 10**9)
        self.states.publish(message)


def main() -> None:
    """Run until Ctrl-C."""
    rclpy.init()
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(Controller())


if __name__ == "__main__":
    main()
