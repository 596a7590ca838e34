"""The agent's messages: each defect breaks what its name says, and nothing else."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

from safety_supervisor_sim.agent import commands
from safety_supervisor_sim.agent.messages import joint_state, joint_trajectory
from safety_supervisor_sim.agent.motions import NANO, PointToPoint
from safety_supervisor_sim.engine import wire
from safety_supervisor_sim.scenario import Defect

NAMES = ["panda_joint1", "panda_joint2", "panda_joint3"]
POSE = np.array([0.1, -0.2, 0.3])
STAMP = 5 * NANO + 7


@pytest.mark.parametrize("defect", get_args(Defect))
def test_a_defect_changes_the_good_message(defect: Defect) -> None:
    good = commands.set_point(NAMES, POSE, STAMP)
    assert commands.defective(defect, NAMES, POSE, STAMP) != good


def changed(defect: Defect) -> set[str]:
    good = joint_state(commands.set_point(NAMES, POSE, STAMP))
    bad = joint_state(commands.defective(defect, NAMES, POSE, STAMP))
    return {
        part
        for part in ("header", "name", "position", "velocity", "effort")
        if getattr(good, part) != getattr(bad, part)
    }


@pytest.mark.parametrize(
    ("defect", "parts"),
    [
        ("nan", {"position"}),
        ("degrees", {"position"}),
        ("unnamed", {"name"}),
        ("missing_joint", {"name", "position"}),
        ("look_alike_name", {"name"}),
        ("effort", {"effort"}),
        ("mixed", {"velocity"}),
        ("future_stamp", {"header"}),
    ],
)
def test_a_defect_changes_nothing_else(defect: Defect, parts: set[str]) -> None:
    assert changed(defect) == parts


def test_values_of_defects() -> None:
    assert math.isnan(commands.defective("nan", NAMES, POSE, STAMP).positions[-1])
    assert commands.defective("degrees", NAMES, POSE, STAMP).positions == pytest.approx(np.degrees(POSE))
    look_alike = commands.defective("look_alike_name", NAMES, POSE, STAMP).names[0]
    assert not look_alike.isascii()
    assert look_alike.replace(commands.LOOK_ALIKE, "a") == NAMES[0]


def test_a_name_without_an_a_has_another_look_alike() -> None:
    names = ["left_shoulder_pitch_joint"]
    look_alike = commands.defective("look_alike_name", names, POSE[:1], STAMP).names[0]
    assert look_alike == names[0].replace("e", commands.LOOK_ALIKES["e"], 1)
    assert not look_alike.isascii()


def test_a_foreign_joint_is_added_where_it_is() -> None:
    said = commands.defective("foreign_joint", NAMES, POSE, STAMP, ("left_knee_joint", 0.3))
    assert said.names == [*NAMES, "left_knee_joint"]
    assert said.positions == [*POSE.tolist(), 0.3]


def test_a_shuffled_order_keeps_no_joint_at_its_place() -> None:
    order = commands.shuffled([f"j{n}" for n in range(7)])
    assert sorted(order) == list(range(7))
    assert all(place != index for place, index in enumerate(order))


def test_a_quintic_trajectory_carries_the_motion_at_its_times() -> None:
    motion = PointToPoint(np.zeros(3), POSE, 1.2)
    message = joint_trajectory(commands.quintic_trajectory(NAMES, motion, 12))
    assert len(message.points) == 12
    for point in message.points:
        sample = motion.at(point.time_from_start.sec + point.time_from_start.nanosec * 1e-9)
        assert list(point.positions) == pytest.approx(sample.position, abs=1e-12)
        assert list(point.velocities) == pytest.approx(sample.velocity, abs=1e-12)
        assert list(point.accelerations) == pytest.approx(sample.acceleration, abs=1e-9)
    assert not any(message.points[-1].velocities)


def test_times_out_of_order_are_out_of_order() -> None:
    said = commands.quintic_trajectory(NAMES, PointToPoint(np.zeros(3), POSE, 1.2), 6)
    times = commands.spoil(said, "time_order").times
    assert sorted(times) != times


@pytest.mark.parametrize("names", [["a"], ["ab", "cde"], NAMES, [f"panda_joint{n}" for n in range(7)]])
def test_a_huge_trajectory_is_what_rclpy_would_write(names: list[str]) -> None:
    """Written by hand for speed; read by the library, every field."""
    goal = np.arange(1.0, len(names) + 1.0)
    message = deserialize_message(commands.huge_trajectory(names, np.zeros(len(names)), goal, 4), JointTrajectory)
    assert list(message.joint_names) == names
    positions = np.array([point.positions for point in message.points])
    np.testing.assert_allclose(positions, np.outer([0.0, 1 / 3, 2 / 3, 1.0], goal), rtol=0.0, atol=1e-12)
    assert [point.time_from_start.nanosec for point in message.points] == [1_000_000, 2_000_000, 3_000_000, 4_000_000]
    assert not any(len(point.velocities) or len(point.accelerations) or len(point.effort) for point in message.points)
    assert deserialize_message(serialize_message(message), JointTrajectory) == message


@pytest.mark.parametrize("defect", get_args(Defect))
def test_the_core_engine_writes_the_bytes_that_rclpy_writes(defect: Defect) -> None:
    said = commands.defective(defect, NAMES, POSE, STAMP, ("left_knee_joint", 0.3))
    said.frame_id = "cid:a1"
    message = deserialize_message(wire.joint_state(said), JointState)
    # Field by field: where a NaN stands, no message equals itself.
    assert [message.header.stamp.sec, message.header.stamp.nanosec] == list(divmod(said.stamp, NANO))
    assert (list(message.name), message.header.frame_id) == (said.names, "cid:a1")
    np.testing.assert_array_equal(message.position, said.positions)
    assert (list(message.velocity), list(message.effort)) == (said.velocities, said.efforts)


@pytest.mark.parametrize("names", [["a"], ["ab", "cde"], NAMES])
def test_the_core_engine_s_trajectory_has_the_length_of_rclpy_s(names: list[str]) -> None:
    """The node judges its bytes before anybody decodes them."""
    motion = PointToPoint(np.zeros(len(names)), np.ones(len(names)), 1.2)
    said = commands.quintic_trajectory(names, motion, 5)
    message = joint_trajectory(said)
    assert deserialize_message(wire.joint_trajectory(said), JointTrajectory) == message
    # rclpy sends some bytes more: it pads as it goes.
    assert 0 <= len(serialize_message(message)) - len(wire.joint_trajectory(said)) < 64
