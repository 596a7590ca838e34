"""An action client of its own process, to be killed or frozen: sends a goal, again after a late cycle, and stays."""

from __future__ import annotations

import sys

import rclpy
from control_msgs.action import FollowJointTrajectory
from rclpy.action import ActionClient
from rclpy.node import Node
from ros_rig import make_trajectory


def main() -> None:
    positions = [float(text) for text in sys.argv[2:]]
    rclpy.init()
    node = Node("agent")
    client = ActionClient(node, FollowJointTrajectory, "/supervisor/sources/planner/follow_joint_trajectory")
    client.wait_for_server()
    goal = FollowJointTrajectory.Goal(trajectory=make_trajectory([(float(sys.argv[1]), positions)]))
    while True:
        sent = client.send_goal_async(goal)
        rclpy.spin_until_future_complete(node, sent)
        ended = sent.result().get_result_async()
        rclpy.spin_until_future_complete(node, ended)
        if "E_OVERRUN" not in ended.result().result.error_string:
            break
    rclpy.spin(node)


if __name__ == "__main__":
    main()
