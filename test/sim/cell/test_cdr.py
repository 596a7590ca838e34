"""The CDR reader against rclpy's own serialisation, and against cut and forged bytes."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("rclpy")

from rclpy.serialization import serialize_message
from trajectory_msgs.msg import JointTrajectory, JointTrajectoryPoint

from safety_supervisor_sim.cell.cdr import read_joint_trajectory


def make_point(size: int, with_fields: int, index: int) -> JointTrajectoryPoint:
    rows = np.random.default_rng(index).normal(size=(4, size)).tolist()
    names = ("positions", "velocities", "accelerations", "effort")
    point = JointTrajectoryPoint(**dict(zip(names[:with_fields], rows, strict=False)))
    point.time_from_start.sec = index - 1
    point.time_from_start.nanosec = 999_999_999 - index
    return point


@pytest.mark.parametrize("frame", ["", "a", "base_link"])
@pytest.mark.parametrize("size", [0, 1, 2, 7])
@pytest.mark.parametrize("with_fields", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_it_reads_what_rclpy_wrote(frame: str, size: int, with_fields: int, count: int) -> None:
    message = JointTrajectory(joint_names=[f"joint_{'x' * n}" for n in range(size)])
    message.header.frame_id = frame
    message.header.stamp.sec, message.header.stamp.nanosec = 17, 5
    message.points = [make_point(size, with_fields, n) for n in range(count)]
    read = read_joint_trajectory(serialize_message(message))
    assert read.stamp_ns == 17_000_000_005
    assert read.joint_names == tuple(message.joint_names)
    assert read.has_effort == (with_fields == 4 and size > 0 and count > 0)
    assert len(read.points) == count
    for got, want in zip(read.points, message.points, strict=True):
        duration = want.time_from_start
        assert got.time_from_start_ns == duration.sec * 10**9 + duration.nanosec
        assert got.positions.tolist() == list(want.positions)
        assert got.velocities.tolist() == list(want.velocities)
        assert got.accelerations.tolist() == list(want.accelerations)


@pytest.mark.redteam(26)
def test_cut_and_forged_bytes_are_errors_and_allocate_nothing() -> None:
    message = JointTrajectory(joint_names=["a", "b"], points=[make_point(2, 3, 1)])
    data = serialize_message(message)
    assert len(read_joint_trajectory(data).points) == 1
    used = data.rindex((999_999_998).to_bytes(4, "little")) + 4  # the writer pads after nanosec
    for end in range(used):
        with pytest.raises(ValueError):
            read_joint_trajectory(data[:end])
    names_at = data.index(b"a\0") - 8
    forged = bytearray(data)
    forged[names_at : names_at + 4] = b"\xff\xff\xff\xff"
    with pytest.raises(ValueError, match="longer than the message"):
        read_joint_trajectory(bytes(forged))
    with pytest.raises(ValueError, match="plain CDR"):
        read_joint_trajectory(b"\0\0" + data[2:])
