"""What a person does, in simulation: `python examples/person.py reset`, then `start`, as two acts; `stop` at any time.

The same with a sourced ROS 2: `ros2 service call /supervisor/reset std_srvs/srv/Trigger`.
"""

from __future__ import annotations

import sys

import rclpy
from rclpy.node import Node
from std_srvs.srv import Trigger

ACTS = ("reset", "start", "stop")
PATIENCE = 10.0  # [s]


def main() -> int:
    """Ask for one act and say the answer; return 0 when it was granted."""
    if len(sys.argv) != 2 or sys.argv[1] not in ACTS:
        print(f"usage: person.py {'|'.join(ACTS)}", file=sys.stderr)
        return 2
    rclpy.init()
    node = Node("example_person")
    client = node.create_client(Trigger, f"/supervisor/{sys.argv[1]}")
    if not client.wait_for_service(PATIENCE):
        print(f"nobody offers {client.srv_name}: is the supervisor running, in this ROS domain?", file=sys.stderr)
        if sys.argv[1] != "stop":
            print("Without `operators.unsigned_services: true` people have keys: docs/people.md", file=sys.stderr)
        return 1
    future = client.call_async(Trigger.Request())
    rclpy.spin_until_future_complete(node, future, timeout_sec=PATIENCE)
    answer = future.result()
    if answer is None:
        print("no answer", file=sys.stderr)
        return 1
    print(f"{sys.argv[1]}: {'granted' if answer.success else 'refused'}: {answer.message}")
    return 0 if answer.success else 1


if __name__ == "__main__":
    sys.exit(main())
