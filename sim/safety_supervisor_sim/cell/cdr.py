"""Read a serialised trajectory_msgs/JointTrajectory without building Python messages.

rclpy needs about 10 us for each point; a controller double that takes a whole kept stop every
4 ms has to be cheaper than that. Source: OMG DDS-XTypes, 7.4.3 (plain CDR, version 1): after
four bytes of encapsulation, primitives are aligned to their size, counted from there.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from safety_supervisor_sim.cell.controllers import Point, Trajectory

LITTLE_ENDIAN = 1
UINT32 = struct.Struct("<I")
DURATION = struct.Struct("<iI")
NANO = 1_000_000_000
NONE: NDArray[np.float64] = np.zeros(0)


class _Reader:
    def __init__(self, data: bytes) -> None:
        if len(data) < 4 or data[0] != 0 or data[1] != LITTLE_ENDIAN:
            raise ValueError("not little-endian plain CDR")
        self._data = memoryview(data)[4:]
        self._at = 0

    def uint32(self) -> int:
        self._at = (self._at + 3) & ~3
        (value,) = UINT32.unpack_from(self._data, self._at)
        self._at += 4
        return int(value)

    def int32(self) -> int:
        value = self.uint32()
        return value - (1 << 32) if value >> 31 else value

    def text(self) -> str:
        size = self.uint32()
        raw = bytes(self._data[self._at : self._at + size])
        if len(raw) != size or not raw.endswith(b"\0"):
            raise ValueError("string cut short")
        self._at += size
        return raw[:-1].decode("utf-8")

    def count(self, least: int) -> int:
        """Length of a sequence whose elements take `least` bytes or more."""
        size = self.uint32()
        if size * least > len(self._data) - self._at:
            raise ValueError("sequence longer than the message")
        return size

    def point(self) -> tuple[Point, bool]:
        """One JointTrajectoryPoint, and whether it has efforts."""
        data, at = self._data, (self._at + 3) & ~3
        fields = []
        for _ in range(4):
            (size,) = UINT32.unpack_from(data, at)
            at += 4
            if size:
                start = (at + 7) & ~7
                # np.frombuffer raises ValueError when the buffer is too short.
                fields.append(np.frombuffer(data, "<f8", size, start))
                at = start + 8 * size
            else:
                fields.append(NONE)
        seconds, nanoseconds = DURATION.unpack_from(data, at)
        self._at = at + 8
        point = Point(seconds * NANO + nanoseconds, fields[0], fields[1], fields[2])
        return point, len(fields[3]) > 0


def read_joint_trajectory(data: bytes) -> Trajectory:
    """The trajectory in the bytes of a raw subscription.

    Raises:
        ValueError: the bytes are no JointTrajectory (UnicodeDecodeError is one).
    """
    reader = _Reader(data)
    try:
        stamp = reader.int32() * NANO + reader.uint32()
        reader.text()  # frame_id
        names = tuple(reader.text() for _ in range(reader.count(least=5)))
        points = []
        has_effort = False
        for _ in range(reader.count(least=24)):
            point, effort = reader.point()
            has_effort = has_effort or effort
            points.append(point)
    except struct.error as error:
        raise ValueError(f"message cut short: {error}") from error
    return Trajectory(names, tuple(points), stamp, has_effort)
