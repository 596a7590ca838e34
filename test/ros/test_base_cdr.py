"""The messages of a base, written and read by hand, say the same as the library's."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from geometry_msgs.msg import Twist, TwistStamped
from hypothesis import given
from hypothesis import strategies as st
from nav_msgs.msg import Odometry
from rclpy.serialization import deserialize_message, serialize_message

from safety_supervisor.ros.cdr_base import TwistWriter, read_odometry, read_twist

texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=9)
numbers = st.floats(allow_nan=False, width=64)
six = st.tuples(*[numbers] * 6)
stamps = st.tuples(st.integers(0, 2**31 - 1), st.integers(0, 10**9 - 1))


def fill(twist: Any, values: tuple[float, ...]) -> None:
    for part, three in ((twist.linear, values[:3]), (twist.angular, values[3:])):
        part.x, part.y, part.z = three


@given(six, stamps, texts)
def test_a_twist_is_read_as_the_library_reads_it(values: tuple[float, ...], stamp: tuple[int, int], frame: str) -> None:
    plain, stamped = Twist(), TwistStamped()
    fill(plain, values)
    fill(stamped.twist, values)
    stamped.header.stamp.sec, stamped.header.stamp.nanosec = stamp
    stamped.header.frame_id = frame
    read = read_twist(serialize_message(plain), stamped=False)
    assert read == (0, "", values[:3], values[3:])
    read = read_twist(serialize_message(stamped), stamped=True)
    assert read == (stamp[0] * 10**9 + stamp[1], frame, values[:3], values[3:])


@given(six, st.tuples(*[numbers] * 7), stamps, texts, texts)
def test_an_odometry_is_read_as_the_library_reads_it(
    values: tuple[float, ...], pose: tuple[float, ...], stamp: tuple[int, int], frame: str, child: str
) -> None:
    message = Odometry(child_frame_id=child)
    fill(message.twist.twist, values)
    place, turned = message.pose.pose.position, message.pose.pose.orientation
    place.x, place.y, place.z, turned.x, turned.y, turned.z, turned.w = pose
    message.pose.covariance[3] = message.twist.covariance[5] = 7.0
    message.header.stamp.sec, message.header.stamp.nanosec = stamp
    message.header.frame_id = frame
    read = read_odometry(serialize_message(message))
    assert read == (stamp[0] * 10**9 + stamp[1], frame, child, pose[:3], pose[3:], values[:3], values[3:])


@pytest.mark.redteam(26)
@given(st.binary(max_size=300), st.integers(0, 720))
def test_bytes_that_are_none_are_refused(noise: bytes, cut: int) -> None:
    for whole, read in (
        (serialize_message(TwistStamped()), lambda data: read_twist(data, stamped=True)),
        (serialize_message(Twist()), lambda data: read_twist(data, stamped=False)),
        (serialize_message(Odometry()), read_odometry),
    ):
        assert read(b"\x00\x00" + noise) is None
        read(b"\x00\x01\x00\x00" + noise)  # never raises
        if cut < len(whole) - 8:
            assert read(whole[:cut]) is None
    huge = b"\x00\x01\x00\x00" + struct.pack("<iII", 0, 0, 2**32 - 1) + bytes(700)
    assert read_odometry(huge) is None
    assert read_twist(huge, stamped=True) is None


@given(numbers, numbers, numbers, stamps, texts)
def test_a_twist_is_written_as_the_library_writes_it(
    x: float, y: float, turn: float, stamp: tuple[int, int], frame: str
) -> None:
    nanoseconds = stamp[0] * 10**9 + stamp[1]
    expected = TwistStamped()
    fill(expected.twist, (x, y, 0.0, 0.0, 0.0, turn))
    expected.header.stamp.sec, expected.header.stamp.nanosec = stamp
    expected.header.frame_id = frame
    written = TwistWriter(frame, stamped=True).write(nanoseconds, x, y, turn)
    assert deserialize_message(written, TwistStamped) == expected
    plain = TwistWriter(frame, stamped=False).write(nanoseconds, x, y, turn)
    assert deserialize_message(plain, Twist) == expected.twist
