"""The two ROS 2 messages that Foxglove has to find as such: joint states and the robot's description, as CDR."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from safety_supervisor.core.units import NS_PER_S

_LITTLE_ENDIAN: Final = b"\x00\x01\x00\x00"
_RULER: Final = "=" * 80
_TIME: Final = f"{_RULER}\nMSG: builtin_interfaces/Time\nint32 sec\nuint32 nanosec\n"
_HEADER: Final = f"{_RULER}\nMSG: std_msgs/Header\nbuiltin_interfaces/Time stamp\nstring frame_id\n"

JOINT_STATE: Final = "sensor_msgs/msg/JointState"
STRING: Final = "std_msgs/msg/String"
DEFINITIONS: Final = {
    JOINT_STATE: (
        "std_msgs/Header header\nstring[] name\nfloat64[] position\nfloat64[] velocity\nfloat64[] effort\n"
        + _HEADER + _TIME
    ),
    STRING: "string data\n",
}  # fmt: skip
"""Schema of each, encoding `ros2msg`."""


class _Body:
    """A message's bytes; what is put is aligned from its beginning on."""

    def __init__(self) -> None:
        self._data = bytearray()

    def put(self, layout: str, *values: float) -> None:
        size = struct.calcsize(f"<{layout[-1]}")
        self._data += bytes(-len(self._data) % size)
        self._data += struct.pack(f"<{layout}", *values)

    def text(self, value: str) -> None:
        data = value.encode() + b"\x00"
        self.put("I", len(data))
        self._data += data

    def numbers(self, values: Sequence[float]) -> None:
        self.put("I", len(values))
        if values:
            self.put(f"{len(values)}d", *values)

    def message(self) -> bytes:
        return _LITTLE_ENDIAN + bytes(self._data)


def joint_state(at: int, names: Sequence[str], positions: Sequence[float], velocities: Sequence[float] = ()) -> bytes:
    """Encode a `sensor_msgs/msg/JointState`.

    Args:
        at: stamp, [ns] since 1970.
        names: of the joints.
        positions: [rad] or [m].
        velocities: [rad/s] or [m/s]; empty where none are known.
    """
    body = _Body()
    body.put("i", at // NS_PER_S)
    body.put("I", at % NS_PER_S)
    body.text("")
    body.put("I", len(names))
    for name in names:
        body.text(name)
    body.numbers(positions)
    body.numbers(velocities)
    body.numbers(())
    return body.message()


def string(value: str) -> bytes:
    """Encode a `std_msgs/msg/String`."""
    body = _Body()
    body.text(value)
    return body.message()
