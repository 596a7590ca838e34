"""IMU, feet and odometry of a robot that stands, as ROS messages."""

from __future__ import annotations

from typing import Final

import numpy as np
import pybullet
from geometry_msgs.msg import WrenchStamped
from nav_msgs.msg import Odometry
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Imu

from safety_supervisor_sim.cell.standing import StandingRobot
from safety_supervisor_sim.cell.standing_file import NodeSection

Array = NDArray[np.float64]
PROFILE: Final = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
NANO: Final = 1_000_000_000
_OTHER: Final = 0x5EED  # noise of its own, whatever joints draw


class Sensors:
    """Publishes what a robot's sensors measure. Messages are used again and again.

    Args:
        node: publishes.
        robot: is measured.
        section: topics and noise.
        seed: of the noise.

    Raises:
        ValueError: the URDF has no such link.
    """

    def __init__(self, node: Node, robot: StandingRobot, section: NodeSection, seed: int) -> None:
        if section.imu.link not in (robot.base, *robot.links):
            raise ValueError(f"node.imu.link: the URDF has no {section.imu.link}")
        self._robot = robot
        self._section = section
        self._random = np.random.default_rng((_OTHER, seed))
        self._imu = node.create_publisher(Imu, section.imu.topic, PROFILE)
        self._turned = Imu()
        self._turned.header.frame_id = section.imu.link
        self._turned.linear_acceleration_covariance[0] = -1.0  # none is measured
        self._feet = {
            foot: (node.create_publisher(WrenchStamped, topic, PROFILE), _wrench(foot))
            for foot, topic in section.feet.topics.items()
        }
        self._odometry = None
        if section.odometry is not None:
            self._odometry = node.create_publisher(Odometry, section.odometry, PROFILE)
        self._place = Odometry(child_frame_id=robot.base)
        self._place.header.frame_id = "odom"

    def tell(self, stamp_ns: int) -> None:
        """Publish what is measured now."""
        stamp = divmod(stamp_ns, NANO)
        self._tell_imu(stamp)
        for foot, (publisher, message) in self._feet.items():
            message.header.stamp.sec, message.header.stamp.nanosec = stamp
            force = self._force(foot)
            message.wrench.force.x, message.wrench.force.y, message.wrench.force.z = force.tolist()
            publisher.publish(message)
        if self._odometry is not None:
            self._fill_place(stamp)
            self._odometry.publish(self._place)

    def _tell_imu(self, stamp: tuple[int, int]) -> None:
        section, message = self._section.imu, self._turned
        turn = self._robot.link_pose(section.link)[1]
        velocity = _axes(turn).T @ self._robot.base_twist()[1]
        noise = self._random.standard_normal((2, 3))
        turn = _turned_by(turn, section.orientation_noise * noise[0])
        velocity = velocity + section.velocity_noise * noise[1]
        message.header.stamp.sec, message.header.stamp.nanosec = stamp
        told = message.orientation
        told.x, told.y, told.z, told.w = turn.tolist()
        message.angular_velocity.x, message.angular_velocity.y, message.angular_velocity.z = velocity.tolist()
        self._imu.publish(message)

    def _force(self, foot: str) -> Array:
        """What a foot's sensor measures, in its frame, shape (3,), [N]."""
        force = self._robot.ground_force(foot)
        noise = self._section.feet.noise * self._random.standard_normal(3)
        measured: Array = _axes(self._robot.link_pose(foot)[1]).T @ force + noise
        return measured

    def _fill_place(self, stamp: tuple[int, int]) -> None:
        message = self._place
        message.header.stamp.sec, message.header.stamp.nanosec = stamp
        place, turn = self._robot.base_pose()
        linear, angular = (_axes(turn).T @ part for part in self._robot.base_twist())
        pose, twist = message.pose.pose, message.twist.twist
        pose.position.x, pose.position.y, pose.position.z = place.tolist()
        told = pose.orientation
        told.x, told.y, told.z, told.w = turn.tolist()
        twist.linear.x, twist.linear.y, twist.linear.z = linear.tolist()
        twist.angular.x, twist.angular.y, twist.angular.z = angular.tolist()


def _wrench(foot: str) -> WrenchStamped:
    message = WrenchStamped()
    message.header.frame_id = foot
    return message


def _axes(turn: Array) -> Array:
    """Axes of a frame in the world, the columns of shape (3, 3), from its quaternion x, y, z, w."""
    return np.array(pybullet.getMatrixFromQuaternion(turn.tolist())).reshape(3, 3)


def _turned_by(turn: Array, small: Array) -> Array:
    """Turn a frame by a small rotation vector of its own, shape (3,), [rad]; of length 1."""
    step = [*(0.5 * small).tolist(), 1.0]
    moved = np.array(pybullet.multiplyTransforms([0.0] * 3, turn.tolist(), [0.0] * 3, step)[1])
    length: Array = moved / np.linalg.norm(moved)
    return length
