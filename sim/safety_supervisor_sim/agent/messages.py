"""What an agent says, as ROS messages."""

from __future__ import annotations

from array import array

from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from safety_supervisor_sim.agent.commands import SetPoint, Trajectory
from safety_supervisor_sim.agent.motions import NANO


def joint_state(said: SetPoint) -> JointState:
    """Write a set-point."""
    message = JointState()
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(said.stamp, NANO)
    message.header.frame_id = said.frame_id
    message.name, message.position = said.names, said.positions
    message.velocity, message.effort = said.velocities, said.efforts
    return message


def joint_trajectory(said: Trajectory) -> JointTrajectory:
    """Write a trajectory."""
    message = JointTrajectory(joint_names=said.names)
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(said.stamp, NANO)
    message.header.frame_id = said.frame_id
    for time, *rows in zip(said.times, said.positions, said.velocities, said.accelerations, strict=True):
        # An array.array is taken as it is; of a list rclpy looks at every number.
        positions, velocities, accelerations = (array("d", row) for row in rows)
        point = JointTrajectoryPoint(positions=positions, velocities=velocities, accelerations=accelerations)
        point.time_from_start.sec, point.time_from_start.nanosec = divmod(time, NANO)
        message.points.append(point)
    return message
