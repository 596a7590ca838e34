"""A process that publishes bytes on a topic as fast as it is told: `flooder.py TOPIC TYPE BYTES RATE SECONDS`.

TYPE is JointState, JointTrajectory or String; BYTES 0 sends a small well-formed message, more a message of that length.
It ends after SECONDS, or at once by SIGINT, and says how many it sent.
"""

from __future__ import annotations

import signal
import sys
import time

import rclpy
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import LivelinessPolicy, QoSProfile
from rclpy.serialization import serialize_message
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import JointState
from std_msgs.msg import String
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint


def main() -> None:
    topic, kind, length, rate, seconds = sys.argv[1:6]
    ended: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: ended.append(number))
    rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    node = Node("flooder", start_parameter_services=False)
    profile = QoSProfile(depth=10)
    names = [f"panda_joint{number}" for number in range(1, 8)]
    message: JointState | JointTrajectory | String
    if kind == "JointState":
        message = JointState(name=names, position=[0.0] * 7)
    elif kind == "String":
        message = String(data="A" * int(length))
    else:
        profile.liveliness = LivelinessPolicy.AUTOMATIC
        profile.liveliness_lease_duration = Duration(seconds=0.5)
        point = JointTrajectoryPoint(positions=[0.0] * 7)
        message = JointTrajectory(joint_names=names, points=[point] * max(1, int(length) // 100))
    data = serialize_message(message).ljust(int(length), b"\0")
    publisher = node.create_publisher(type(message), topic, profile)
    while publisher.get_subscription_count() == 0 and not ended:
        time.sleep(0.01)
    time.sleep(0.2)
    begin, sent = time.monotonic(), 0
    while (elapsed := time.monotonic() - begin) < float(seconds) and not ended:
        if sent < elapsed * float(rate):
            publisher.publish(data)
            sent += 1
        else:
            time.sleep(0.0002)
    print("sent", sent, "in", round(elapsed, 3), flush=True)
    time.sleep(0.3)
    node.destroy_node()
    rclpy.shutdown()


if __name__ == "__main__":
    main()
