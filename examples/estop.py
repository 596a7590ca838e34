"""The simulated e-stop device: RUN at 50 Hz; Enter presses it, Enter again releases it.

python examples/estop.py        # for `estop.driver: simulated`; once heard it is pressed for a second, then released
"""

from __future__ import annotations

import contextlib
import sys
import threading

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from std_msgs.msg import String

PERIOD = 0.02  # [s]; 100 ms of silence are a press
PRESSED_AT_START = 50  # periods: a release counts only behind a press that was seen


class Device(Node):
    """Says its word for ever."""

    def __init__(self) -> None:
        """Begin pressed."""
        super().__init__("example_estop")
        self.pressed = False
        self._left = PRESSED_AT_START
        best_effort = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        self._words = self.create_publisher(String, "/supervisor/simulated_estop", best_effort)
        self.create_timer(PERIOD, self._say)

    def _say(self) -> None:
        heard = self._words.get_subscription_count() > 0
        self._left = max(0, self._left - 1) if heard else PRESSED_AT_START
        self._words.publish(String(data="stop" if self.pressed or self._left else "run"))


def main() -> None:
    """Run until Ctrl-C."""
    rclpy.init()
    device = Device()

    def watch_keys() -> None:
        for _ in sys.stdin:
            device.pressed = not device.pressed
            print("pressed" if device.pressed else "released", flush=True)

    threading.Thread(target=watch_keys, daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        rclpy.spin(device)


if __name__ == "__main__":
    main()
