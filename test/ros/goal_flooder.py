"""An action client that sends one huge goal after the other, each before the one before was answered."""

from __future__ import annotations

import sys

import rclpy
from builtin_interfaces.msg import Duration
from control_msgs.action import FollowJointTrajectory
from rclpy.action import ActionClient
from rclpy.node import Node
from ros_rig import JOINTS
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint


def main() -> None:
    action, points = sys.argv[1], int(sys.argv[2])
    rclpy.init()
    node = Node("flooder")
    client = ActionClient(node, FollowJointTrajectory, action)
    client.wait_for_server()
    one = JointTrajectoryPoint(positions=[0.0] * len(JOINTS), time_from_start=Duration(sec=1))
    trajectory = JointTrajectory(joint_names=JOINTS, points=[one] * points)
    goal = FollowJointTrajectory.Goal(trajectory=trajectory)
    before = client.send_goal_async(goal)
    while True:
        sent = client.send_goal_async(goal)
        rclpy.spin_until_future_complete(node, before)
        before = sent


if __name__ == "__main__":
    main()
