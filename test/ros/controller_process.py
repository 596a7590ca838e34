"""One controller of several: plays the newest trajectory on its topic and measures its own joints, nothing else.

Arguments: node, topic, report file, joints and where they begin as NAME=POSITION.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from pathlib import Path

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

PERIOD = 0.01


class Controller(Node):
    """Follows its topic as a joint_trajectory_controller does, but in straight lines between points."""

    def __init__(self, name: str, topic: str, report: Path, begin: dict[str, float]) -> None:
        super().__init__(name, start_parameter_services=False)
        self.place = dict(begin)
        self.report = report
        self.heard = 0
        self.names: set[str] = set()
        self.newest: JointTrajectory | None = None
        self.create_subscription(JointTrajectory, topic, self._hear, QoSProfile(depth=1))
        self.states = self.create_publisher(JointState, "joint_states", QoSProfile(depth=1))
        self.create_timer(PERIOD, self._cycle)

    def _hear(self, message: JointTrajectory) -> None:
        self.heard += 1
        self.names |= set(message.joint_names)
        self.newest = message

    def _cycle(self) -> None:
        if self.newest is not None:
            self._play(self.newest)
        message = JointState(name=list(self.place), position=list(self.place.values()))
        message.header.stamp = self.get_clock().now().to_msg()
        self.states.publish(message)
        told = {"heard": self.heard, "names": sorted(self.names), "place": self.place}
        beside = self.report.with_suffix(".new")
        beside.write_text(json.dumps(told))
        os.replace(beside, self.report)

    def _play(self, message: JointTrajectory) -> None:
        begin = message.header.stamp.sec + message.header.stamp.nanosec * 1e-9
        at = time.time() - begin
        times = [point.time_from_start.sec + point.time_from_start.nanosec * 1e-9 for point in message.points]
        later = next((i for i, end in enumerate(times) if end > at), len(times) - 1)
        first = max(0, later - 1)
        span = times[later] - times[first]
        share = min(1.0, max(0.0, (at - times[first]) / span)) if span > 0.0 else 1.0
        one, two = message.points[first].positions, message.points[later].positions
        for name, a, b in zip(message.joint_names, one, two, strict=True):
            self.place[name] = a + share * (b - a)


def main() -> None:
    name, topic, report, *joints = sys.argv[1:]
    rclpy.init(args=[])
    begin = {joint: float(position) for joint, position in (part.split("=") for part in joints)}
    controller = Controller(name, topic, Path(report), begin)
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(controller)
    controller.destroy_node()
    rclpy.try_shutdown()


if __name__ == "__main__":
    main()
