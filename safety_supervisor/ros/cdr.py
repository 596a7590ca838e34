"""The few messages of the control cycle as bytes, without the library's conversion of Python objects.

Converting a horizon of 20 points into a message and serialising it takes rclpy 0.5 ms, this 0.02 ms; both give the
same bytes. Layout: OMG CDR, little endian, a header of four bytes, every number aligned to its own size counted from
behind that header; a sequence is its length (u32) and its elements, a string its length with the closing zero.

What is written here is constant but for numbers. What is read here is read only when every byte is where it must be;
anything else is left to the library, whose word then counts. Bytes behind a message are ignored, as the library does,
which itself sends some.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from safety_supervisor.core.effects import HorizonPoint
from safety_supervisor.core.units import NS_PER_S

HEADER: Final = b"\x00\x01\x00\x00"
"""Encapsulation: plain CDR, little endian."""
LENGTH = struct.Struct("<I")
STAMP = struct.Struct("<iI")
BEHIND_STAMP = len(HEADER) + STAMP.size


def pad(data: bytes, size: int) -> bytes:
    """Fill up so that the next number of that size is aligned."""
    return data + b"\x00" * (-(len(data) - len(HEADER)) % size)


def string(data: bytes, text: str) -> bytes:
    """Append a string."""
    encoded = text.encode() + b"\x00"
    return pad(data, 4) + LENGTH.pack(len(encoded)) + encoded


def _names(data: bytes, names: Sequence[str]) -> bytes:
    """Append a sequence of strings."""
    data = pad(data, 4) + LENGTH.pack(len(names))
    for name in names:
        data = string(data, name)
    return data


class TrajectoryWriter:
    """Writes trajectory_msgs/JointTrajectory with fixed joints.

    Args:
        names: joints, in the order of every row.
    """

    def __init__(self, names: Sequence[str]) -> None:
        """Prepare the part that never changes."""
        self._width = len(names)
        self._prefix = _names(string(HEADER + STAMP.pack(0, 0), ""), names)
        self._prefix = pad(self._prefix, 4)
        # The first row of a message may need a gap before its numbers that later rows, 4 bytes off, do not need.
        self._gap = b"\x00" * (-(len(self._prefix) + 8 - len(HEADER)) % 8)
        self._formats: dict[int, struct.Struct] = {}

    def _format(self, points: int) -> struct.Struct:
        found = self._formats.get(points)
        if found is None:
            n = self._width
            point = f"{n}dI4x{n}dI4x{n}dIiI"
            found = struct.Struct("<II" + f"{len(self._gap)}x" + "I".join([point] * points))
            self._formats[points] = found
        return found

    def write(self, stamp: int, points: Sequence[tuple[int, HorizonPoint]]) -> bytes:
        """Return the message.

        Args:
            stamp: time at which it starts, [ns] of the ROS clock; 0 is at receipt.
            points: time from start, [ns], and the row of each point; at least one.
        """
        n = self._width
        values: list[float] = [len(points)]
        for time, point in points:
            values.append(n)
            values.extend(point.positions)
            values.append(n)
            values.extend(point.velocities)
            values.append(n)
            values.extend(point.accelerations)
            values.append(0)
            values.append(time // NS_PER_S)
            values.append(time % NS_PER_S)
        start = STAMP.pack(stamp // NS_PER_S, stamp % NS_PER_S)
        return HEADER + start + self._prefix[BEHIND_STAMP:] + self._format(len(points)).pack(*values)


class ArrayWriter:
    """Writes std_msgs/Float64MultiArray of a fixed length without layout."""

    def __init__(self, length: int) -> None:
        """Prepare the format."""
        self._format = struct.Struct(f"<4sIII4x{length}d")
        self._length = length

    def write(self, values: Sequence[float]) -> bytes:
        """Return the message."""
        return self._format.pack(HEADER, 0, 0, self._length, *values)


class JointStateWriter:
    """Writes sensor_msgs/JointState with positions of fixed joints."""

    def __init__(self, names: Sequence[str]) -> None:
        """Prepare the part that never changes."""
        n = len(names)
        behind = pad(_names(string(HEADER + STAMP.pack(0, 0), ""), names), 4)
        self._behind = behind[len(HEADER) + STAMP.size :]
        gap = -(len(behind) + 4 - len(HEADER)) % 8
        self._format = struct.Struct(f"<4siI{len(self._behind)}sI{gap}x{n}dII")
        self._width = n

    def write(self, stamp: int, positions: Sequence[float]) -> bytes:
        """Return the message; `stamp` in [ns] of the ROS clock."""
        seconds, rest = divmod(stamp, NS_PER_S)
        return self._format.pack(HEADER, seconds, rest, self._behind, self._width, *positions, 0, 0)


MOST_NAMES: Final = 256
"""More names, which no robot has, are left to the library, which reads them faster than Python does."""
_COUNTER = struct.Struct("<4sQ")


def write_counter(value: int) -> bytes:
    """Return a std_msgs/UInt64."""
    return _COUNTER.pack(HEADER, value)


def write_string(text: str) -> bytes:
    """Return a std_msgs/String."""
    data = text.encode() + b"\0"
    return HEADER + LENGTH.pack(len(data)) + data


def read_string(data: bytes) -> str | None:
    """Read a std_msgs/String; None when the bytes are not plainly one."""
    if len(data) < 9 or data[:4] != HEADER:
        return None
    (length,) = LENGTH.unpack_from(data, 4)
    if length < 1 or 8 + length > len(data) or data[7 + length] != 0:
        return None
    try:
        return data[8 : 7 + length].decode()
    except UnicodeDecodeError:
        return None


class PointsFields(NamedTuple):
    """What a geometry_msgs/PoseArray says of positions."""

    stamp: int
    """[ns]"""
    frame_id: str
    points: bytes
    """x, y, z of each pose, float64."""


_POSE: Final = 7 * 8


def read_points(data: bytes) -> PointsFields | None:
    """Read the positions of a geometry_msgs/PoseArray; None when the bytes are not plainly one."""
    if len(data) < 16 or data[:4] != HEADER:
        return None
    seconds, rest = STAMP.unpack_from(data, 4)
    (length,) = LENGTH.unpack_from(data, 12)
    end = 16 + length
    offset = end + (-end % 4)
    if length < 1 or offset + 4 > len(data) or data[end - 1] != 0:
        return None
    try:
        frame_id = data[16 : end - 1].decode()
    except UnicodeDecodeError:
        return None
    (count,) = LENGTH.unpack_from(data, offset)
    offset += 4
    if count == 0:
        return PointsFields(seconds * NS_PER_S + rest, frame_id, b"")
    offset += -(offset - len(HEADER)) % 8
    if count * _POSE > len(data) - offset:
        return None
    poses = np.frombuffer(data, dtype="<f8", count=7 * count, offset=offset).reshape(count, 7)
    return PointsFields(seconds * NS_PER_S + rest, frame_id, poses[:, :3].astype(np.float64).tobytes())


class JointStateFields(NamedTuple):
    """What a sensor_msgs/JointState says."""

    stamp: int
    """[ns]"""
    frame_id: str
    names: tuple[str, ...]
    positions: tuple[float, ...]
    velocities: tuple[float, ...]
    efforts: tuple[float, ...]


class JointStateReader:
    """Reads sensor_msgs/JointState of one publisher and remembers the names that it sends every time."""

    def __init__(self) -> None:
        """Nothing is remembered yet."""
        self._block = b""
        self._offset = -1
        self._names: tuple[str, ...] = ()

    def read(self, data: bytes) -> JointStateFields | None:
        """Read a message; None when the bytes are not plainly one and the library has to judge."""
        try:
            return self._read(data)
        except (struct.error, UnicodeDecodeError):
            return None

    def _read(self, data: bytes) -> JointStateFields | None:
        if data[:4] != HEADER:
            return None
        seconds, rest = STAMP.unpack_from(data, 4)
        (length,) = LENGTH.unpack_from(data, 12)
        end = 16 + length
        if length < 1 or end > len(data) or data[end - 1] != 0:
            return None
        frame_id = data[16 : end - 1].decode() if length > 1 else ""
        offset = end + (-end % 4)
        remembered = offset == self._offset and data.startswith(self._block, offset)
        if not remembered and not self._read_names(data, offset):
            return None
        offset += len(self._block)
        fields: list[tuple[float, ...]] = []
        for _ in range(3):
            offset += -offset % 4
            (count,) = LENGTH.unpack_from(data, offset)
            offset += 4
            if count == 0:
                fields.append(())
                continue
            offset += -(offset - 4) % 8
            if count * 8 > len(data) - offset:
                return None
            fields.append(struct.unpack_from(f"<{count}d", data, offset))
            offset += count * 8
        return JointStateFields(seconds * NS_PER_S + rest, frame_id, self._names, *fields)

    def _read_names(self, data: bytes, start: int) -> bool:
        """Read the names' block; remember it where it is right."""
        (count,) = LENGTH.unpack_from(data, start)
        offset = start + 4
        if count > MOST_NAMES or count * 5 > len(data) - offset:
            return False
        names = []
        for _ in range(count):
            offset += -offset % 4
            (length,) = LENGTH.unpack_from(data, offset)
            offset += 4 + length
            if length < 1 or offset > len(data) or data[offset - 1] != 0:
                return False
            names.append(data[offset - length : offset - 1].decode())
        self._block, self._offset, self._names = bytes(data[start:offset]), start, tuple(names)
        return True
