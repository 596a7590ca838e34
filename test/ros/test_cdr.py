"""Messages written and read by hand say the same as the library's."""

from __future__ import annotations

import math
import struct
from typing import Any

import pytest
from geometry_msgs.msg import Point, Pose, PoseArray, WrenchStamped
from hypothesis import given
from hypothesis import strategies as st
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import Float64MultiArray, String, UInt64
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from safety_supervisor.core.effects import HorizonPoint
from safety_supervisor.ros.cdr import (
    ArrayWriter,
    JointStateReader,
    JointStateWriter,
    TrajectoryWriter,
    read_points,
    read_string,
    write_counter,
    write_string,
)
from safety_supervisor.ros.cdr_base import read_imu, read_wrench

names = st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=9), max_size=9)
numbers = st.floats(allow_nan=False, width=64)
rows = st.lists(numbers, max_size=9)


@given(names, rows, rows, rows, st.integers(0, 2**31 - 1), st.integers(0, 10**9 - 1), st.text("ab:", max_size=9))
def test_a_joint_state_is_read_as_the_library_reads_it(
    joints: list[str], p: list[float], v: list[float], e: list[float], sec: int, nanosec: int, frame: str
) -> None:
    message = JointState(name=joints, position=p, velocity=v, effort=e)
    message.header.stamp.sec, message.header.stamp.nanosec, message.header.frame_id = sec, nanosec, frame
    reader = JointStateReader()
    for _ in range(2):  # the second time with remembered names
        read = reader.read(serialize_message(message))
        assert read is not None
        assert read.names == tuple(joints)
        assert (read.positions, read.velocities, read.efforts) == (tuple(p), tuple(v), tuple(e))
        assert (read.stamp, read.frame_id) == (sec * 10**9 + nanosec, frame)


@given(st.binary(max_size=200), st.integers(0, 400))
def test_bytes_that_are_no_joint_state_are_left_to_the_library(noise: bytes, cut: int) -> None:
    reader = JointStateReader()
    whole = serialize_message(JointState(name=["a", "b"], position=[1.0, 2.0]))
    assert reader.read(b"\x00\x00" + noise) is None
    shortened = reader.read(whole[:cut])
    assert shortened is None or (shortened.names, shortened.positions) == (("a", "b"), (1.0, 2.0))


@pytest.mark.redteam(26)
def test_a_length_that_the_message_does_not_have_is_not_believed() -> None:
    head = b"\x00\x01\x00\x00" + struct.pack("<iIIB3x", 0, 0, 1, 0)
    assert JointStateReader().read(head + struct.pack("<I", 2**32 - 1)) is None
    assert JointStateReader().read(head + struct.pack("<II", 0, 2**31)) is None


@given(st.lists(st.sampled_from(["j", "joint", "panda_joint1"]), min_size=1, max_size=8), st.integers(1, 6))
def test_a_trajectory_is_written_as_the_library_reads_it(joints: list[str], points: int) -> None:
    n = len(joints)
    stamp = 1_700_000_000_123_456_789
    expected = JointTrajectory(joint_names=joints)
    expected.header.stamp.sec, expected.header.stamp.nanosec = divmod(stamp, 10**9)
    given_points: list[tuple[int, HorizonPoint]] = []
    for index in range(points):
        time = 700_000_000 * (index + 1)
        p, v, a = ([kind + index + joint / 8 for joint in range(n)] for kind in (0.5, 10.5, 20.5))
        point = JointTrajectoryPoint(positions=p, velocities=v, accelerations=a)
        point.time_from_start.sec, point.time_from_start.nanosec = divmod(time, 10**9)
        expected.points.append(point)
        given_points.append((time, HorizonPoint(0, tuple(p), tuple(v), tuple(a))))
    assert deserialize_message(TrajectoryWriter(joints).write(stamp, given_points), JointTrajectory) == expected


@given(st.lists(st.sampled_from(["j", "joint", "panda_joint1"]), min_size=1, max_size=8))
def test_arrays_and_states_are_written_as_the_library_reads_them(joints: list[str]) -> None:
    values = [index / 4 for index in range(len(joints))]
    array = deserialize_message(ArrayWriter(len(joints)).write(values), Float64MultiArray)
    assert array == Float64MultiArray(data=values)
    expected = JointState(name=joints, position=values)
    expected.header.stamp.sec, expected.header.stamp.nanosec = 5, 7
    assert deserialize_message(JointStateWriter(joints).write(5_000_000_007, values), JointState) == expected


@pytest.mark.parametrize("text", ["", "hold", "damp"])
def test_a_string_is_written_as_the_library_reads_it(text: str) -> None:
    assert deserialize_message(write_string(text), String) == String(data=text)


def test_a_counter_is_written_as_the_library_reads_it() -> None:
    assert deserialize_message(write_counter(2**63), UInt64) == UInt64(data=2**63)


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=50))
def test_a_string_is_read_as_the_library_reads_it(text: str) -> None:
    assert read_string(serialize_message(String(data=text))) == text


@pytest.mark.parametrize(
    "data",
    [b"", b"\x00\x01\x00\x00", b"\x00\x01\x00\x00\xff\xff\xff\xffabc", b"\x00\x01\x00\x00\x02\x00\x00\x00\xff\x00"],
)
def test_bytes_that_are_no_string_are_none(data: Any) -> None:
    assert read_string(data) is None


@given(
    st.lists(st.tuples(st.floats(width=64), numbers, numbers), max_size=9),
    st.integers(0, 2**31 - 1),
    st.integers(0, 10**9 - 1),
    st.text("ab_", max_size=9),
)
def test_points_are_read_as_the_library_reads_them(
    points: list[tuple[float, float, float]], sec: int, nanosec: int, frame: str
) -> None:
    message = PoseArray(poses=[Pose(position=Point(x=x, y=y, z=z)) for x, y, z in points])
    message.header.stamp.sec, message.header.stamp.nanosec, message.header.frame_id = sec, nanosec, frame
    read = read_points(serialize_message(message))
    assert read is not None
    assert (read.stamp, read.frame_id) == (sec * 10**9 + nanosec, frame)
    values = struct.unpack(f"{3 * len(points)}d", read.points)
    expected = [value for point in points for value in point]
    assert all(a == b or (math.isnan(a) and math.isnan(b)) for a, b in zip(values, expected, strict=True))


@given(st.binary(max_size=200), st.integers(0, 200))
def test_bytes_that_are_no_points_are_none(noise: bytes, cut: int) -> None:
    whole = serialize_message(PoseArray(poses=[Pose(), Pose()]))
    assert read_points(b"\x00\x00" + noise) is None
    shortened = read_points(whole[: min(cut, len(whole) - 5)])
    assert shortened is None
    head = b"\x00\x01\x00\x00" + struct.pack("<iIIB3x", 0, 0, 1, 0)
    assert read_points(head + struct.pack("<I", 2**32 - 1)) is None
    assert read_points(head + struct.pack("<II", 2**31, 0) + noise) is None


FIELDS = ("x", "y", "z", "w")


@pytest.mark.requirement("SR-034")
@given(
    st.lists(numbers, min_size=37, max_size=37),
    st.integers(0, 2**31 - 1),
    st.integers(0, 10**9 - 1),
    st.text("ab", max_size=9),
)
def test_an_imu_and_a_force_are_read_as_the_library_reads_them(
    values: list[float], sec: int, nanosec: int, frame: str
) -> None:
    imu, wrench = Imu(), WrenchStamped()
    for field, value in zip(FIELDS, values, strict=False):
        setattr(imu.orientation, field, value)
    for field, a, b, force in zip("xyz", values[13:], values[25:], values, strict=False):
        setattr(imu.angular_velocity, field, a)
        setattr(imu.linear_acceleration, field, b)
        setattr(wrench.wrench.force, field, force)
        setattr(wrench.wrench.torque, field, a)
    imu.orientation_covariance = values[4:13]
    imu.angular_velocity_covariance = values[16:25]
    for message in (imu, wrench):
        message.header.stamp.sec, message.header.stamp.nanosec, message.header.frame_id = sec, nanosec, frame
    told = read_imu(serialize_message(imu))
    assert told is not None
    assert (told.stamp, told.frame_id) == (sec * 10**9 + nanosec, frame)
    assert (told.orientation, told.angular) == (tuple(values[:4]), tuple(values[13:16]))
    force = read_wrench(serialize_message(wrench))
    assert force is not None
    assert (force.stamp, force.frame_id, force.force) == (sec * 10**9 + nanosec, frame, tuple(values[:3]))


@pytest.mark.requirement("SR-034")
@pytest.mark.parametrize(
    ("orientation", "angular", "missing"), [(0.0, 0.0, ""), (-1.0, 0.0, "orientation"), (0.0, -1.0, "angular velocity")]
)
def test_an_imu_may_say_what_it_does_not_tell(orientation: float, angular: float, missing: str) -> None:
    imu = Imu()
    imu.orientation_covariance[0] = orientation
    imu.angular_velocity_covariance[0] = angular
    told = read_imu(serialize_message(imu))
    assert told is not None
    assert told.missing == missing


@given(st.binary(max_size=400), st.integers(0, 400))
def test_bytes_that_are_no_imu_or_force_are_not_read(noise: bytes, cut: int) -> None:
    for read, message in ((read_imu, Imu()), (read_wrench, WrenchStamped())):
        whole = serialize_message(message)
        told = read(whole[:cut])
        # The library aligns what it sends to 4 bytes: numbers end where the message does.
        assert told is None or cut >= len(whole)
        assert read(b"\x00\x00" + noise) is None
        assert read(b"\x00\x01\x00\x00" + struct.pack("<iII", 0, 0, 2**32 - 1) + noise) is None
