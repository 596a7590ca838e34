"""What IMU, feet and odometry tell of a standing robot, beside what is true and beside the URDF read by Pinocchio."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pinocchio as pin
import pytest

pytest.importorskip("rclpy")

from safety_supervisor.core.events import Imu as ImuEvent
from safety_supervisor_sim.cell.sensors import Sensors
from safety_supervisor_sim.cell.standing import StandingRobot
from safety_supervisor_sim.cell.standing_file import NodeSection
from safety_supervisor_sim.lab.balance_inputs import Footsteps, telling
from safety_supervisor_sim.lab.stand import load_stand

STAMP = 1_234_567_890_987_654_321


class Heard:
    """A node whose publishers keep the last message."""

    def __init__(self) -> None:
        self.last: dict[str, Any] = {}

    def create_publisher(self, kind: Any, topic: str, profile: Any) -> Any:
        return SimpleNamespace(publish=lambda message: self.last.__setitem__(topic, message))


def section(robot: StandingRobot, noise: float = 0.0, **changes: Any) -> NodeSection:
    node = robot.file.node
    imu = node.imu.model_copy(update={"orientation_noise": noise, "velocity_noise": noise})
    feet = node.feet.model_copy(update={"noise": noise})
    return node.model_copy(update={"imu": imu, "feet": feet, **changes})


def hear(robot: StandingRobot, made: NodeSection) -> dict[str, Any]:
    heard = Heard()
    Sensors(heard, robot, made, 0).tell(STAMP)  # type: ignore[arg-type]
    return heard.last


def vector(message: Any) -> np.ndarray:
    return np.array([message.x, message.y, message.z])


def test_the_imu_tells_what_pinocchio_says_of_a_tipping_robot(stood: StandingRobot) -> None:
    stood.push((90.0, 60.0, 0.0), 0.4)
    stood.step(180)
    assert np.linalg.norm(stood.base_twist()[1]) > 0.1, "or there is nothing to tell"
    configuration = load_stand("g1").configuration
    events = Footsteps(configuration).events(telling(stood), 1)
    true = next(event for event in events if isinstance(event, ImuEvent))
    told = hear(stood, section(stood))["/imu"]
    turn = np.array([*vector(told.orientation), told.orientation.w])
    assert min(np.abs(turn - true.orientation).max(), np.abs(turn + true.orientation).max()) < 1e-6
    assert vector(told.angular_velocity) == pytest.approx(true.angular, abs=1e-6)
    assert configuration.balance is not None
    assert told.header.frame_id == configuration.balance.imu_link
    assert told.header.stamp.sec * 10**9 + told.header.stamp.nanosec == STAMP
    assert told.linear_acceleration_covariance[0] == -1.0
    assert told.orientation_covariance[0] == 0.0


def test_the_feet_bear_its_weight_in_their_own_frames(stood: StandingRobot) -> None:
    stood.step(100)
    told = hear(stood, section(stood))
    forces = []
    for foot, topic in stood.file.node.feet.topics.items():
        message = told[topic]
        assert message.header.frame_id == foot
        turn = pin.Quaternion(stood.link_pose(foot)[1]).toRotationMatrix()
        forces.append(turn @ vector(message.wrench.force))
    assert sum(forces) == pytest.approx([0.0, 0.0, 9.81 * stood.mass], abs=2.0)
    assert min(force[2] for force in forces) > 100.0


def test_the_feet_of_a_falling_robot_tell_what_accelerates_it(stood: StandingRobot) -> None:
    """Newton: the ground's force is the mass by the acceleration of its centre, and its weight."""
    stood.push((150.0, 0.0, 0.0), 0.2)
    stood.step(330)
    before = stood.centre_of_mass()[1]
    stood.step()
    rate, heard = stood.file.rate_hz, hear(stood, section(stood))
    pushed = stood.mass * ((stood.centre_of_mass()[1] - before) * rate + np.array([0.0, 0.0, 9.81]))
    told = np.zeros(3)
    for foot, topic in stood.file.node.feet.topics.items():
        turn = pin.Quaternion(stood.link_pose(foot)[1]).toRotationMatrix()
        assert np.arccos(turn[2, 2]) > 0.15, "it stands on its toes, or a foot's frame is the world's"
        told += turn @ vector(heard[topic].wrench.force)
    assert np.linalg.norm(pushed) > 50.0
    assert told == pytest.approx(pushed, abs=0.03 * np.linalg.norm(pushed))


def test_noise_is_as_large_as_the_file_says_and_a_quaternion_stays_one(stood: StandingRobot) -> None:
    heard = Heard()
    sensors = Sensors(heard, stood, section(stood, noise=0.01), 3)  # type: ignore[arg-type]
    turns, speeds = [], []
    for _ in range(400):
        sensors.tell(STAMP)
        told = heard.last["/imu"]
        turns.append([*vector(told.orientation), told.orientation.w])
        speeds.append(vector(told.angular_velocity))
    assert np.abs(np.linalg.norm(turns, axis=1) - 1.0).max() < 1e-9
    assert 2.0 * np.std(turns, axis=0)[:3] == pytest.approx([0.01] * 3, rel=0.2)
    assert np.std(speeds, axis=0) == pytest.approx([0.01] * 3, rel=0.2)


def test_odometry_is_told_where_it_is_asked_for(stood: StandingRobot) -> None:
    assert set(hear(stood, section(stood))) == {"/imu", "/left_foot/wrench", "/right_foot/wrench"}
    stood.push((90.0, 0.0, 0.0), 0.4)
    stood.step(150)
    told = hear(stood, section(stood, odometry="/odom"))["/odom"]
    place, turn = stood.base_pose()
    assert vector(told.pose.pose.position) == pytest.approx(place)
    axes = pin.Quaternion(turn).toRotationMatrix()
    assert axes @ vector(told.twist.twist.linear) == pytest.approx(stood.base_twist()[0])
    assert told.twist.twist.linear.x > 0.01
    assert (told.header.frame_id, told.child_frame_id) == ("odom", "pelvis")


def test_an_imu_that_is_nowhere_is_said(stood: StandingRobot) -> None:
    node = section(stood)
    lost = node.model_copy(update={"imu": node.imu.model_copy(update={"link": "imu_in_hat"})})
    with pytest.raises(ValueError, match="imu_in_hat"):
        hear(stood, lost)
