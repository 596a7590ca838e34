"""Messages of a base and its feet as bytes: IMU, forces, odometry, twists. Rules as in `ros.cdr`."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

from safety_supervisor.core.units import NS_PER_S
from safety_supervisor.ros.cdr import BEHIND_STAMP, HEADER, LENGTH, STAMP, pad, string


class ImuFields(NamedTuple):
    """What a sensor_msgs/Imu says of orientation and angular velocity."""

    stamp: int
    """[ns]"""
    frame_id: str
    orientation: tuple[float, float, float, float]
    angular: tuple[float, float, float]
    missing: str
    """What the IMU says that it does not tell, by a covariance that begins with -1; empty for nothing."""


class WrenchFields(NamedTuple):
    """What a geometry_msgs/WrenchStamped says of force."""

    stamp: int
    """[ns]"""
    frame_id: str
    force: tuple[float, float, float]


_IMU = struct.Struct("<37d")
_WRENCH = struct.Struct("<6d")


def _read_stamped(data: bytes, numbers: struct.Struct) -> tuple[int, str, tuple[float, ...]] | None:
    """Read a header and the numbers behind it; None when the bytes are not plainly that."""
    if len(data) < 16 or data[:4] != HEADER:
        return None
    seconds, rest = STAMP.unpack_from(data, 4)
    (length,) = LENGTH.unpack_from(data, 12)
    end = 16 + length
    if length < 1 or end > len(data) or data[end - 1] != 0:
        return None
    try:
        frame_id = data[16 : end - 1].decode()
    except UnicodeDecodeError:
        return None
    offset = end + (-(end - len(HEADER)) % 8)
    if offset + numbers.size > len(data):
        return None
    return seconds * NS_PER_S + rest, frame_id, numbers.unpack_from(data, offset)


def read_imu(data: bytes) -> ImuFields | None:
    """Read a sensor_msgs/Imu; None when the bytes are not plainly one."""
    read = _read_stamped(data, _IMU)
    if read is None:
        return None
    stamp, frame_id, numbers = read
    x, y, z, w = numbers[:4]
    a, b, c = numbers[13:16]
    missing = "orientation" if numbers[4] == -1.0 else "angular velocity" if numbers[16] == -1.0 else ""
    return ImuFields(stamp, frame_id, (x, y, z, w), (a, b, c), missing)


def read_wrench(data: bytes) -> WrenchFields | None:
    """Read a geometry_msgs/WrenchStamped; None when the bytes are not plainly one."""
    read = _read_stamped(data, _WRENCH)
    if read is None:
        return None
    stamp, frame_id, numbers = read
    x, y, z = numbers[:3]
    return WrenchFields(stamp, frame_id, (x, y, z))


class TwistFields(NamedTuple):
    """What a geometry_msgs/TwistStamped says; a Twist has stamp 0 and no frame."""

    stamp: int
    """[ns]"""
    frame_id: str
    linear: tuple[float, float, float]
    angular: tuple[float, float, float]


_SIX: Final = struct.Struct("<6d")
_SEVEN: Final = struct.Struct("<7d")
_COVARIANCE: Final = 36 * 8


def _header(data: bytes) -> tuple[int, str, int]:
    """Read a std_msgs/Header; return stamp [ns], frame and the offset behind it.

    Raises:
        struct.error: it is too short.
        ValueError: it is none.
    """
    seconds, rest = STAMP.unpack_from(data, len(HEADER))
    frame_id, offset = _text(data, BEHIND_STAMP)
    return seconds * NS_PER_S + rest, frame_id, offset


def _text(data: bytes, offset: int) -> tuple[str, int]:
    """Read a string; return it and the offset behind it; raises as `_header`."""
    offset += -offset % 4
    (length,) = LENGTH.unpack_from(data, offset)
    end = offset + 4 + length
    if length < 1 or end > len(data) or data[end - 1] != 0:
        raise ValueError("not a string")
    return data[offset + 4 : end - 1].decode(), end


def read_twist(data: bytes, *, stamped: bool) -> TwistFields | None:
    """Read a geometry_msgs/TwistStamped, or a Twist; None when the bytes are not plainly one."""
    if data[:4] != HEADER:
        return None
    try:
        stamp, frame_id, offset = _header(data) if stamped else (0, "", len(HEADER))
        x, y, z, roll, pitch, turn = _SIX.unpack_from(data, offset - (offset - len(HEADER)) % -8)
    except (struct.error, ValueError):
        return None
    return TwistFields(stamp, frame_id, (x, y, z), (roll, pitch, turn))


class OdometryFields(NamedTuple):
    """What a nav_msgs/Odometry says, but for covariances."""

    stamp: int
    """[ns]"""
    frame_id: str
    child_frame_id: str
    position: tuple[float, float, float]
    orientation: tuple[float, float, float, float]
    linear: tuple[float, float, float]
    angular: tuple[float, float, float]


def read_odometry(data: bytes) -> OdometryFields | None:
    """Read a nav_msgs/Odometry; None when the bytes are not plainly one."""
    if data[:4] != HEADER:
        return None
    try:
        stamp, frame_id, offset = _header(data)
        child, offset = _text(data, offset)
        offset -= (offset - len(HEADER)) % -8
        px, py, pz, qx, qy, qz, qw = _SEVEN.unpack_from(data, offset)
        offset += _SEVEN.size + _COVARIANCE
        vx, vy, vz, wx, wy, wz = _SIX.unpack_from(data, offset)
    except (struct.error, ValueError):
        return None
    if len(data) < offset + _SIX.size + _COVARIANCE:
        return None
    return OdometryFields(
        stamp, frame_id, child, (px, py, pz), (qx, qy, qz, qw), (vx, vy, vz), (wx, wy, wz)
    )  # fmt: skip


class TwistWriter:
    """Writes geometry_msgs/TwistStamped of a fixed frame, or Twist, of a base in the plane."""

    def __init__(self, frame_id: str, *, stamped: bool) -> None:
        """Prepare the part that never changes."""
        self._stamped = stamped
        behind = pad(string(HEADER + STAMP.pack(0, 0), frame_id), 8)
        self._behind = behind[BEHIND_STAMP:]

    def write(self, stamp: int, x: float, y: float, turn: float) -> bytes:
        """Return the message; `stamp` in [ns] of the ROS clock, [m/s], [rad/s]."""
        twist = _SIX.pack(x, y, 0.0, 0.0, 0.0, turn)
        if not self._stamped:
            return HEADER + twist
        return HEADER + STAMP.pack(*divmod(stamp, NS_PER_S)) + self._behind + twist
