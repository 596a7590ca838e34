"""The simulated e-stop device: says at 50 Hz whether its button is pressed, in a process that does nothing else.

    python -m safety_supervisor_sim.agent.button '{"topic": "/supervisor/simulated_estop"}'

Orders: {"state": "run"}, {"state": "stop"}, or {"state": ""} for silence. When it ends, its silence means stop.
"""

from __future__ import annotations

import json
import sys
import threading
import time

import rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import String

from safety_supervisor_sim import priority
from safety_supervisor_sim.agent.child import answer

PERIOD = 0.02


def main() -> int:
    """Send the state until the input closes."""
    topic = json.loads(sys.argv[1])["topic"]
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node("estop_button", start_parameter_services=False)
    publisher = node.create_publisher(String, topic, QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE))
    message = String(data="run")
    closed = threading.Event()

    def send() -> None:
        priority.take(priority.BUTTON)
        due = time.monotonic()
        while not closed.is_set():
            if message.data:
                publisher.publish(message)
            due = max(due + PERIOD, time.monotonic())
            closed.wait(due - time.monotonic())

    sender = threading.Thread(target=send)
    sender.start()
    try:
        for line in sys.stdin:
            message.data = json.loads(line)["state"]
            if message.data:
                publisher.publish(message)
            answer(at=time.monotonic_ns())
    except KeyboardInterrupt:
        pass
    finally:
        closed.set()
        sender.join()
        node.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
